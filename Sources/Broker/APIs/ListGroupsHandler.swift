// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// ListGroups (key 16): all groups of this broker.
///
/// Served: 0-5. From version 4 on with states and a filter for them (KIP-518), from 5 on with types (KIP-848). Filters do not
/// look at capitals; a state or type that there is not finds nothing.
///
/// While some groups are still being loaded the others are listed, with COORDINATOR_LOAD_IN_PROGRESS beside them.
struct ListGroupsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: ListGroupsRequest) -> Answer<ListGroupsResponse> {
        let states = Set(request.statesFilter.map { $0.lowercased() })
        let types = Set(request.typesFilter.map { $0.lowercased() })
        var response = ListGroupsResponse()
        for host in self.broker.groups.all {
            switch host.read({ shard, _ in shard.listGroups() }) {
            case .success(let groups):
                response.groups += groups.filter { group in
                    (states.isEmpty || states.contains(group.groupState.lowercased()))
                        && (types.isEmpty || types.contains(group.groupType.lowercased()))
                }
            case .failure(let refusal): response.errorCode = refusal.errorCode.rawValue
            }
        }
        response.groups.sort { $0.groupID < $1.groupID }
        return .now(response)
    }
}
