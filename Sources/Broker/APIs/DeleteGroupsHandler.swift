// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire
import NIOCore

/// DeleteGroups (key 42): deletes groups without members, with their offsets.
///
/// Served: 0-2.
struct DeleteGroupsHandler: APIHandler {
    typealias Result = DeleteGroupsResponse.DeletableGroupResult

    let broker: Broker
    let context: RequestContext

    func answer(_ request: DeleteGroupsRequest) -> Answer<DeleteGroupsResponse> {
        let repeated = RepeatedItems(request.groupsNames)
        let answers = request.groupsNames.map { name in
            repeated.contains(name) ? .now(Self.refusing(name, .invalidRequest)) : self.delete(name)
        }
        return Answer.all(answers, on: self.context.eventLoop).map { results in
            var response = DeleteGroupsResponse()
            response.results = results
            return response
        }
    }

    private func delete(_ name: String) -> Answer<Result> {
        self.broker.ask(
            name,
            self.context,
            unwrap: { if case .deleteGroup(let result) = $0 { result } else { nil } },
            refuse: { Self.refusing(name, $0) }
        ) { $0.deleteGroup(name, $1, $2) }
    }

    private static func refusing(_ name: String, _ errorCode: ErrorCode) -> Result {
        var result = Result()
        result.groupID = name
        result.errorCode = errorCode.rawValue
        return result
    }
}
