// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import KafkaMessages
import KafkaWire

/// AlterConfigs (key 33): replaces all configs that are set on a topic or broker; what is not in the request goes back
/// to its default. Kept for older clients: IncrementalAlterConfigs does not lose what somebody else set meanwhile.
///
/// Served: 0-2, which differ in their encoding.
///
/// Each resource is changed by itself, as a whole or not at all. Topic configs and dynamic broker configs are in force
/// when the answer leaves.
struct AlterConfigsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
        .later(self.broker.admin.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    /// Runs on the admin thread.
    private func response(to request: AlterConfigsRequest) -> AlterConfigsResponse {
        let repeated = RepeatedItems(request.resources.map(\.resource))
        var response = AlterConfigsResponse()
        response.responses = request.resources.map { item in
            var answer = AlterConfigsResponse.AlterConfigsResourceResponse()
            answer.resourceType = item.resourceType
            answer.resourceName = item.resourceName
            answer.errorMessage = nil
            do throws(RequestRefusal) {
                guard !repeated.contains(item.resource) else { throw .repeatedResource(item.resourceName) }
                let changes = item.configs.map { ConfigAlteration($0.name, .set, $0.value) }
                try ConfigEdit(resource: item.resource, changes: changes, replacesAll: true)
                    .apply(to: self.broker, validateOnly: request.validateOnly)
            } catch {
                answer.errorCode = error.errorCode.rawValue
                answer.errorMessage = error.message
            }
            return answer
        }
        return response
    }
}

extension AlterConfigsRequest.AlterConfigsResource {
    fileprivate var resource: ConfigResource { ConfigResource(type: self.resourceType, name: self.resourceName) }
}

extension RequestRefusal {
    /// A request that changes one resource twice.
    static func repeatedResource(_ name: String) -> RequestRefusal {
        RequestRefusal(.invalidRequest, "The request has resource '\(name)' more than once")
    }
}
