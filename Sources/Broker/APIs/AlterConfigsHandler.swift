// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import KafkaMessages
import KafkaWire

/// AlterConfigs (key 33): replaces all configs that are set on a topic, group or broker; what is not in the request goes back
/// to its default. Kept for older clients: IncrementalAlterConfigs does not lose what somebody else set meanwhile.
///
/// Served: 0-2, which differ in their encoding.
///
/// Each resource is changed by itself, as a whole or not at all. All of it is in force when the answer leaves.
struct AlterConfigsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
        .later(self.broker.admin.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    /// Runs on the admin thread.
    private func response(to request: AlterConfigsRequest) -> AlterConfigsResponse {
        var response = AlterConfigsResponse()
        response.responses = ConfigEdit.answers(
            to: request.resources, on: self.broker, validateOnly: request.validateOnly, replacesAll: true
        ) { item in
            item.configs.map { ConfigAlteration($0.name, .set, $0.value) }
        }
        return response
    }
}
