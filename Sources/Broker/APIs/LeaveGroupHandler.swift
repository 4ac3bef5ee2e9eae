// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// LeaveGroup (key 13): members leave a classic group at once, instead of by their time-out.
///
/// Served: 0-5. From version 3 on a request names many members, by id or by instance id (KIP-345), from 5 on with reasons
/// (KIP-800).
struct LeaveGroupHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: LeaveGroupRequest) -> Answer<LeaveGroupResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            unwrap: { if case .leave(let response) = $0 { response } else { nil } },
            refuse: { errorCode in
                var response = LeaveGroupResponse()
                response.errorCode = errorCode.rawValue
                return response
            }
        ) { $0.leaveGroup(request, $1, $2) }
    }
}
