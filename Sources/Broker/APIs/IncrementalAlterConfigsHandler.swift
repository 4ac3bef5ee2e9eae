// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import KafkaMessages
import KafkaWire

/// IncrementalAlterConfigs (key 44): sets, deletes, appends to and subtracts from single configs of topics, groups and
/// brokers; the others stay as they are (KIP-339).
///
/// Served: 0-1, which differ in their encoding.
///
/// - Delete brings a config back to what it inherits. Append and subtract are for lists, and begin with the list in
///   force.
/// - Each resource is changed by itself, as a whole or not at all. All of it is in force when the answer leaves.
/// - A broker resource with an empty name means all brokers. A group need not exist to have configs (KIP-848).
struct IncrementalAlterConfigsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    private typealias Resource = IncrementalAlterConfigsRequest.AlterConfigsResource

    func answer(_ request: IncrementalAlterConfigsRequest) -> Answer<IncrementalAlterConfigsResponse> {
        .later(self.broker.admin.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    /// Runs on the admin thread.
    private func response(to request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
        var response = IncrementalAlterConfigsResponse()
        response.responses = ConfigEdit.answers(
            to: request.resources, on: self.broker, validateOnly: request.validateOnly, replacesAll: false,
            changes: Self.changes)
        return response
    }

    private static func changes(_ item: Resource) throws(RequestRefusal) -> [ConfigAlteration] {
        try item.configs.map { (config) throws(RequestRefusal) in
            guard let operation = ConfigAlteration.Operation(rawValue: config.configOperation) else {
                throw RequestRefusal(
                    .invalidRequest,
                    """
                    Operation \(config.configOperation) on \(config.name) is not known: 0 sets, 1 deletes, \
                    2 appends, 3 subtracts
                    """
                )
            }
            return ConfigAlteration(config.name, operation, config.value)
        }
    }
}
