// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes

/// What a member has, and how far it has got from there to its target (KIP-848).
///
///     stable ──────────── a newer target, nothing to give up ───────────> stable, unreleasedPartitions
///     stable ──────────── a newer target, something to give up ─────────> unrevokedPartitions
///     unrevokedPartitions ─ the member no longer has what it gives up ──> any of the three
///     unreleasedPartitions ─ others gave up what it waits for ──────────> stable, unreleasedPartitions
///     unreleasedPartitions ─ a newer target ────────────────────────────> any of the three
///
/// A member stays in its epoch until it has given up what its target no longer has, so that it can still commit
/// offsets of those partitions; and it gets nothing new before.
struct CurrentAssignment: Sendable, Hashable {
    /// The numbers stand in records.
    enum State: Int8 {
        /// It has its whole target, as of its epoch.
        case stable = 0
        /// It is to give up partitions, and has not said that it did.
        case unrevokedPartitions = 1
        /// It gave up what it had to; others still have partitions of its target.
        case unreleasedPartitions = 2
        /// A newer coordinator wrote something that this one does not know.
        case unknown = 127
    }

    /// The epoch that a leaving member sends, and that a member has between the tombstones of its records.
    static let leftEpoch: Int32 = -1
    /// The epoch that a static member sends when it will be back, and that it has until then.
    static let awayEpoch: Int32 = -2

    /// The member epoch: 0 before the first assignment.
    var epoch: Int32 = 0
    /// The epoch before this one, which the member still has when it lost our answer.
    var previousEpoch: Int32 = 0
    var state = State.stable
    /// What it may use.
    var assigned = PartitionSet()
    /// What it is to give up, and still owns.
    var pendingRevocation = PartitionSet()

    /// Nothing is on the way to this target any more.
    func isReconciled(to targetEpoch: Int32) -> Bool { self.state == .stable && self.epoch == targetEpoch }

    /// Whether this partition is the member's, to use or to give up.
    func holds(_ topic: TopicID, _ index: Int32) -> Bool {
        self.assigned.contains(topic, index) || self.pendingRevocation.contains(topic, index)
    }

    /// What the member says it has, as a request carries it; nil when it does not say.
    typealias Owned = [ConsumerGroupHeartbeatRequest.TopicPartitions]?

    /// The next step on the way to a target, or itself when it has to wait. Linear in the member's partitions, but for
    /// logarithms.
    ///
    /// - Parameter isTaken: whether another member owns a partition.
    func advanced(
        to target: PartitionSet, epoch targetEpoch: Int32, owned: Owned, isTaken: (TopicID, Int32) -> Bool
    ) -> CurrentAssignment {
        switch self.state {
        case .stable:
            if self.epoch == targetEpoch { return self }
            return self.reconciled(from: self.epoch, to: target, epoch: targetEpoch, owned: owned, isTaken: isTaken)
        case .unrevokedPartitions:
            if Self.mayHold(self.pendingRevocation, owned) { return self }
            // Having given up partitions is an epoch of its own: commits of what it gave up are refused from here on,
            // even if the newest target takes more away.
            let next = min(self.epoch.successor, targetEpoch)
            return self.reconciled(from: next, to: target, epoch: targetEpoch, owned: owned, isTaken: isTaken)
        case .unreleasedPartitions:
            return self.reconciled(from: self.epoch, to: target, epoch: targetEpoch, owned: owned, isTaken: isTaken)
        case .unknown:
            return self.reconciled(from: targetEpoch, to: target, epoch: targetEpoch, owned: owned, isTaken: isTaken)
        }
    }

    /// From what it may use now to the target: it gives up first, then takes what is free.
    private func reconciled(
        from epoch: Int32, to target: PartitionSet, epoch targetEpoch: Int32, owned: Owned,
        isTaken: (TopicID, Int32) -> Bool
    ) -> CurrentAssignment {
        let kept = self.assigned.intersection(target)
        let surplus = self.assigned.subtracting(kept)
        if !surplus.isEmpty, Self.mayHold(surplus, owned) {
            var next = self.with(epoch: epoch, .unrevokedPartitions, kept)
            next.pendingRevocation = surplus
            return next
        }
        var assigned = kept
        var waits = false
        for topic in target.topics {
            let missing = target[topic].filter { !kept.contains(topic, $0) }
            let free = missing.filter { !isTaken(topic, $0) }
            waits = waits || free.count < missing.count
            if free.count == target[topic].count { assigned[topic] = free } else { assigned.formUnion(topic, free) }
        }
        return self.with(epoch: targetEpoch, waits ? .unreleasedPartitions : .stable, assigned)
    }

    private func with(epoch: Int32, _ state: State, _ assigned: PartitionSet) -> CurrentAssignment {
        var next = CurrentAssignment()
        next.epoch = epoch
        next.previousEpoch = epoch == self.epoch ? self.previousEpoch : self.epoch
        next.state = state
        next.assigned = assigned
        return next
    }

    /// Whether the member may still have any of `partitions`: it does not say what it has, or says so.
    private static func mayHold(_ partitions: PartitionSet, _ owned: Owned) -> Bool {
        guard let owned else { return true }
        return owned.contains { topic in
            topic.partitions.contains { partitions.contains(topic.topicID, $0) }
        }
    }

    /// Whether the member says what it has, and all of that is assigned to it.
    func covers(_ owned: Owned) -> Bool {
        guard let owned else { return false }
        return owned.allSatisfy { topic in
            topic.partitions.allSatisfy { self.assigned.contains(topic.topicID, $0) }
        }
    }
}

extension Int32 {
    /// The epoch after this one. The last one that there is stays: it can only come from a damaged record.
    var successor: Int32 { self == .max ? self : self + 1 }
}
