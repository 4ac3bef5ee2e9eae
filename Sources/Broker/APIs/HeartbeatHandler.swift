// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// Heartbeat (key 12): a member of a classic group is alive.
///
/// Served: 0-4. From version 3 on members may be static (KIP-345).
struct HeartbeatHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            unwrap: { if case .heartbeat(let response) = $0 { response } else { nil } },
            refuse: { errorCode in
                var response = HeartbeatResponse()
                response.errorCode = errorCode.rawValue
                return response
            }
        ) { $0.heartbeat(request, $1, $2) }
    }
}
