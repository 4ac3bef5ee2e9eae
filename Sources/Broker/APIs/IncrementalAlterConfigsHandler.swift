// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import KafkaMessages
import KafkaWire

/// IncrementalAlterConfigs (key 44): sets, deletes, appends to and subtracts from single configs of topics and brokers;
/// the others stay as they are (KIP-339).
///
/// Served: 0-1, which differ in their encoding.
///
/// - Delete brings a config back to what it inherits. Append and subtract are for lists, and begin with the list in
///   force.
/// - Each resource is changed by itself, as a whole or not at all. Topic configs and dynamic broker configs are in
///   force when the answer leaves. A broker resource with an empty name means all brokers.
struct IncrementalAlterConfigsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    private typealias Resource = IncrementalAlterConfigsRequest.AlterConfigsResource

    func answer(_ request: IncrementalAlterConfigsRequest) -> Answer<IncrementalAlterConfigsResponse> {
        .later(self.broker.admin.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    /// Runs on the admin thread.
    private func response(to request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
        let repeated = RepeatedItems(request.resources.map(\.resource))
        var response = IncrementalAlterConfigsResponse()
        response.responses = request.resources.map { item in
            var answer = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse()
            answer.resourceType = item.resourceType
            answer.resourceName = item.resourceName
            answer.errorMessage = nil
            do throws(RequestRefusal) {
                guard !repeated.contains(item.resource) else { throw .repeatedResource(item.resourceName) }
                let changes = try Self.changes(item)
                try ConfigEdit(resource: item.resource, changes: changes, replacesAll: false)
                    .apply(to: self.broker, validateOnly: request.validateOnly)
            } catch {
                answer.errorCode = error.errorCode.rawValue
                answer.errorMessage = error.message
            }
            return answer
        }
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

extension IncrementalAlterConfigsRequest.AlterConfigsResource {
    fileprivate var resource: ConfigResource { ConfigResource(type: self.resourceType, name: self.resourceName) }
}
