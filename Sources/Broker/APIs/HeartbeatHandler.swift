// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// Heartbeat (key 12): a member of a classic group is alive.
///
/// Served: 0-4. From version 3 on members may be static (KIP-345). Never answered with COORDINATOR_LOAD_IN_PROGRESS.
struct HeartbeatHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            unwrap: { if case .heartbeat(let response) = $0 { response } else { nil } },
            refuse: Self.refusal
        ) { $0.heartbeat(request, $1, $2) }
    }

    /// While groups are being loaded everybody is told that all is well, as in Kafka: a member that nobody knows any more
    /// learns it with its next heartbeat, and aiokafka ends its consumer at any other answer.
    static func refusal(_ errorCode: ErrorCode) -> HeartbeatResponse {
        var response = HeartbeatResponse()
        response.errorCode = (errorCode == .coordinatorLoadInProgress ? .none : errorCode).rawValue
        return response
    }
}
