// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// JoinGroup (key 11): makes a client a member of a classic group and waits for the others.
///
/// Served: 0-9. From version 1 on the time-out of a rebalance is the member's own, from 4 on a new member is first given an
/// id (KIP-394), from 5 on members may be static (KIP-345), from 7 on the answer names the protocol (KIP-559), from 8 on
/// there are reasons (KIP-800), from 9 on the leader may be told to leave the assignment as it is (KIP-814).
///
/// The answer comes when the rebalance is over; until then nothing else of this connection is answered, as in Kafka.
struct JoinGroupHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: JoinGroupRequest) -> Answer<JoinGroupResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            mayPark: true,
            unwrap: { if case .join(let response) = $0 { response } else { nil } },
            refuse: { errorCode in
                var response = JoinGroupResponse()
                response.memberID = request.memberID
                response.errorCode = errorCode.rawValue
                return response
            }
        ) { $0.joinGroup(request, $1, $2) }
    }
}
