// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension GroupShard {
    /// Records that one call of `expireOffsets` writes at most, give or take those of one group without offsets. With
    /// tombstones of a hundred bytes that is a batch of 100 kB, and some milliseconds in which nobody else is served.
    static let expiryRecordsMax = 1_000
    /// Groups that one call of `expireOffsets` looks at, at most.
    static let expiryGroupsMax = 1_000

    /// Whether a round of `expireOffsets` is under way: another call soon would go on with it.
    public var isExpiringOffsets: Bool { !self.offsets.retentionRound.isEmpty }

    /// Removes offsets that are too old, and groups that are empty and have none left: to be called every
    /// `offsets.retention.check.interval.ms`, and again soon as long as `isExpiringOffsets`.
    ///
    /// A call looks at some groups, in the order of their ids, and the next one goes on behind them. The wall clock of
    /// `environment` decides, so it should be one that a jump ahead does not hurry. What is too old: `OffsetRetention`.
    public mutating func expireOffsets(_ environment: GroupEnvironment) -> GroupEffects {
        var step = Step(environment)
        if self.offsets.retentionRound.isEmpty { self.beginRetentionRound() }
        var groupsLeft = Self.expiryGroupsMax
        while groupsLeft > 0, step.effects.records.count < Self.expiryRecordsMax {
            guard let id = self.offsets.retentionRound.last else { break }
            if self.expireOffsets(of: id, &step) { self.offsets.retentionRound.removeLast() }
            groupsLeft -= 1
        }
        return step.effects
    }

    private mutating func beginRetentionRound() {
        let ids = Set(self.offsets.groups.keys).union(self.classicGroups.keys).union(self.consumerGroups.keys)
        self.offsets.retentionRound = ids.sorted(by: >)
    }

    /// False when the group may have more to remove than there was room for.
    private mutating func expireOffsets(of id: String, _ step: inout Step) -> Bool {
        guard let standing = self.standing(of: id) else { return true }
        let retention = OffsetRetention(nowMs: step.now.wallMs, retentionMs: step.settings.offsetsRetentionMs)
        let room = Self.expiryRecordsMax - step.effects.records.count
        let keys = self.offsets.keys(
            of: id,
            limit: room,
            topics: { !self.group(id, subscribesTo: $0) },
            where: { retention.hasExpired($0, of: standing) }
        )
        for key in keys { self.writeOffset(key, nil, &step) }
        if keys.count == room { return false }
        // Somebody who was given a member id a moment ago would have to begin anew.
        let isAwaited = self.classicGroups[id]?.pending.isEmpty == false
        if case .empty = standing, !isAwaited, !self.offsets.contains(group: id) { self.deleteEmptyGroup(id, &step) }
        return true
    }
}
