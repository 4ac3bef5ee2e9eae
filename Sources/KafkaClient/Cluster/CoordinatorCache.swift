// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Which broker looks after which group, as the cluster said last. It may be out of date: a broker that is asked in
/// vain says so, and the group is looked up again.
struct CoordinatorCache: Sendable {
    /// More groups than this are not remembered: then all are forgotten, and looked up again when they are needed.
    static let groupsMax = 10_000

    private var coordinators: [String: BrokerDescription] = [:]

    subscript(_ groupID: String) -> BrokerDescription? { self.coordinators[groupID] }

    mutating func remember(_ coordinator: BrokerDescription, for groupID: String) {
        if self.coordinators.count >= Self.groupsMax { self.coordinators = [:] }
        self.coordinators[groupID] = coordinator
    }

    mutating func forget(_ groupID: String) { self.coordinators[groupID] = nil }
}
