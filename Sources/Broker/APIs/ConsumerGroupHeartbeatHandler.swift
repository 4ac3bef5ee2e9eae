// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// ConsumerGroupHeartbeat (key 68): the whole of KIP-848: join, leave, say what one has, be told what to have.
///
/// Served: 0-1. From version 1 on topics may be chosen by a regular expression, and the member makes its id itself.
///
/// Martlet's own tagged field `Weight` says what the member can carry; see the assignor `weighted`.
struct ConsumerGroupHeartbeatHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: ConsumerGroupHeartbeatRequest) -> Answer<ConsumerGroupHeartbeatResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            unwrap: { if case .consumerHeartbeat(let response) = $0 { response } else { nil } },
            refuse: { errorCode in
                var response = ConsumerGroupHeartbeatResponse()
                response.errorCode = errorCode.rawValue
                return response
            }
        ) { $0.consumerHeartbeat(request, $1, $2) }
    }
}
