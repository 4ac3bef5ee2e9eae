// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// SyncGroup (key 14): brings the leader's assignment, and gives each member its own part.
///
/// Served: 0-5. From version 3 on members may be static (KIP-345), from 5 on protocol type and name are compared (KIP-559).
///
/// The leader's assignment is durable before anybody is told of it.
struct SyncGroupHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: SyncGroupRequest) -> Answer<SyncGroupResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            mayPark: true,
            unwrap: { if case .sync(let response) = $0 { response } else { nil } },
            refuse: { errorCode in
                var response = SyncGroupResponse()
                response.errorCode = errorCode.rawValue
                return response
            }
        ) { $0.syncGroup(request, $1, $2) }
    }
}
