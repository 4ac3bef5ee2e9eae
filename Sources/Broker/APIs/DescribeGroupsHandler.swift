// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// DescribeGroups (key 15): state, protocol and members of classic groups.
///
/// Served: 0-6. From version 4 on with instance ids (KIP-345), from 6 on a group that does not exist is an error
/// (KIP-1043); before, it is "Dead".
struct DescribeGroupsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    /// The first version that tells a group that does not exist by an error.
    private static let firstVersionWithNotFound: Int16 = 6

    func answer(_ request: DescribeGroupsRequest) -> Answer<DescribeGroupsResponse> {
        var response = DescribeGroupsResponse()
        response.groups = request.groups.map { name in
            var group = self.describe(name)
            if request.includeAuthorizedOperations { group.authorizedOperations = AuthorizedOperations.group }
            return group
        }
        return .now(response)
    }

    private func describe(_ name: String) -> DescribeGroupsResponse.DescribedGroup {
        switch self.broker.look(at: name, { shard, _ in shard.describeClassic(name) }) {
        case .success(var group):
            if group.groupState == "Dead", self.context.apiVersion >= Self.firstVersionWithNotFound {
                group.errorCode = ErrorCode.groupIDNotFound.rawValue
                group.errorMessage = "Group '\(name)' does not exist, or is not a classic group"
            }
            return group
        case .failure(let refusal):
            var group = DescribeGroupsResponse.DescribedGroup()
            group.groupID = name
            group.errorCode = refusal.errorCode.rawValue
            return group
        }
    }
}
