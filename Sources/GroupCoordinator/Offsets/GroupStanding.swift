// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages

/// What the keeping of offsets has to know of a group, whatever protocol it has.
enum GroupStanding: Sendable, Equatable {
    /// It has committed offsets and never had a member: what Kafka calls a simple group. There is no record of it but its
    /// offsets, so it ends with the last of them. Everywhere it shows as an empty classic group without protocol type.
    case simple
    /// Nobody is in it, since that time by the wall clock where it is known.
    case empty(sinceMs: Int64?)
    /// It has members whose subscriptions can be looked at.
    case consuming
    /// It has members, and what they read cannot be known now: they rebalance.
    case rebalancing
    /// It has members of a protocol type that is not `consumer`, Kafka Connect's for example: what it keeps offsets for
    /// is its own business.
    case foreign
}

extension GroupShard {
    /// nil when there is no such group.
    func standing(of id: String) -> GroupStanding? {
        if let group = self.classicGroups[id] {
            if group.isEmpty { return .empty(sinceMs: group.emptySinceMs) }
            if !group.usesConsumerProtocol { return .foreign }
            return group.state == .stable ? .consuming : .rebalancing
        }
        if let group = self.consumerGroups[id] {
            return group.isEmpty ? .empty(sinceMs: group.emptySinceMs) : .consuming
        }
        return self.offsets.contains(group: id) ? .simple : nil
    }

    /// Whether a member of the group reads the topic, or may do so for all that is known.
    func group(_ id: String, subscribesTo topic: String) -> Bool {
        switch self.standing(of: id) {
        case nil, .simple, .empty: false
        case .consuming, .rebalancing, .foreign:
            self.classicGroups[id]?.subscribes(to: topic) ?? self.consumerGroups[id]?.subscribes(to: topic) ?? false
        }
    }

    /// Has an offset recorded, or its tombstone without a value, and takes it in.
    mutating func writeOffset(_ key: OffsetCommitKey, _ value: OffsetCommitValue?, _ step: inout Step) {
        step.effects.append(.offsetCommit(key, value))
        self.offsets.replay(key, value)
    }

    /// Deletes an empty group that has no offsets any more, by its tombstones. Nothing to do for a simple group.
    mutating func deleteEmptyGroup(_ id: String, _ step: inout Step) {
        let tombstones = self.classicGroups[id]?.tombstones() ?? self.consumerGroups[id]?.tombstones() ?? []
        for tombstone in tombstones {
            step.effects.append(tombstone)
            self.replay(tombstone)
        }
    }
}
