// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// ConsumerGroupDescribe (key 69): epochs, members and assignments of consumer groups (KIP-848).
///
/// Served: 0-1. From version 1 on it tells which members still use the classic protocol.
struct ConsumerGroupDescribeHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: ConsumerGroupDescribeRequest) -> Answer<ConsumerGroupDescribeResponse> {
        var response = ConsumerGroupDescribeResponse()
        response.groups = request.groupIDs.map { name in
            var group: ConsumerGroupDescribeResponse.DescribedGroup
            switch self.broker.look(at: name, { $0.describeConsumer(name, $1) }) {
            case .success(let found): group = found
            case .failure(let refusal):
                group = ConsumerGroupDescribeResponse.DescribedGroup()
                group.groupID = name
                group.errorCode = refusal.errorCode.rawValue
            }
            if request.includeAuthorizedOperations { group.authorizedOperations = AuthorizedOperations.group }
            return group
        }
        return .now(response)
    }
}
