// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A group in few words, for metrics.
public struct GroupHeadcount: Sendable, Hashable {
    /// The group's id.
    public let id: String
    /// As ListGroups tells it: Stable, Empty, and so on.
    public let state: String
    /// `classic` or `consumer`.
    public let type: String
    /// Its members.
    public let members: Int
}

extension GroupShard {
    /// All groups of the shard, in no order, also those that only keep offsets. Linear in them.
    public func memberCounts() -> [GroupHeadcount] {
        var counts: [GroupHeadcount] = []
        counts.reserveCapacity(self.classicGroups.count + self.consumerGroups.count)
        for (id, group) in self.classicGroups {
            counts.append(
                GroupHeadcount(id: id, state: group.state.rawValue, type: "classic", members: group.members.count))
        }
        for (id, group) in self.consumerGroups {
            counts.append(
                GroupHeadcount(id: id, state: group.state.rawValue, type: "consumer", members: group.members.count))
        }
        for id in self.offsets.groups.keys where self.classicGroups[id] == nil && self.consumerGroups[id] == nil {
            counts.append(
                GroupHeadcount(id: id, state: ClassicGroup.State.empty.rawValue, type: "classic", members: 0))
        }
        return counts
    }
}
