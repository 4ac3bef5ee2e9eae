// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// OffsetDelete (key 47): forgets committed offsets of a group (KIP-496).
///
/// Served: 0. Topics that the group is subscribed to are refused.
struct OffsetDeleteHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: OffsetDeleteRequest) -> Answer<OffsetDeleteResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            unwrap: { if case .deleteOffsets(let response) = $0 { response } else { nil } },
            refuse: { errorCode in
                var response = OffsetDeleteResponse()
                response.errorCode = errorCode.rawValue
                return response
            }
        ) { $0.deleteOffsets(request, $1, $2) }
    }
}
