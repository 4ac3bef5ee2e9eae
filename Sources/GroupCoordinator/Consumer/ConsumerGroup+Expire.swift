// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension ConsumerGroup {
    /// Removes the members that were silent for too long, and those that took too long to give up partitions.
    mutating func expire(_ step: inout Step) {
        let now = step.now.monotonicMs
        let late = self.members.values.filter { $0.deadline <= now }.map(\.id).sorted()
        if !late.isEmpty {
            self.remove(late, "silent for too long, or did not give up partitions in time", &step)
        }
        self.wakeAt = self.members.values.reduce(.max) { min($0, $1.deadline) }
    }

    /// After loading: everybody has a whole session from now, and a whole rebalance to give up partitions.
    mutating func resume(_ step: inout Step) {
        self.weightRules = step.settings.groups[self.id]?.weights ?? []
        self.emptySinceMs = self.members.isEmpty ? step.now.wallMs : nil
        for memberID in self.members.keys.sorted() {
            self.keepAlive(memberID, step)
            guard let member = self.members[memberID] else { continue }
            if member.current.state == .unrevokedPartitions, member.classicMemberMetadata == nil {
                let deadline = step.now.monotonicMs + Int64(max(member.details.rebalanceTimeoutMs, 0))
                self.members[memberID]?.rebalanceDeadline = deadline
                self.wakeAt = min(self.wakeAt, deadline)
            }
        }
    }

    /// A member was heard of. Constant time.
    mutating func keepAlive(_ memberID: String, _ step: Step) {
        guard let member = self.members[memberID] else { return }
        let deadline = step.now.monotonicMs + self.sessionTimeoutMs(of: member, step.settings)
        self.members[memberID]?.sessionDeadline = deadline
        self.wakeAt = min(self.wakeAt, deadline, member.rebalanceDeadline)
    }

    /// Members that a line of the log names.
    private static let notedMembersMax = 10

    /// Removes members. The next heartbeat of another one makes the assignment without them; if there is nobody left,
    /// it is made at once, for nobody.
    mutating func remove(_ memberIDs: [String], _ reason: String, _ step: inout Step) {
        for memberID in memberIDs {
            for record in self.tombstones(of: memberID) { self.write(record, &step) }
        }
        _ = self.refreshTopics(&step)
        self.bumpEpoch(&step)
        step.effects.note(
            self.id, "members are out of the group",
            [
                "epoch": "\(self.epoch)", "reason": reason, "left": "\(self.members.count)",
                "members": memberIDs.prefix(Self.notedMembersMax).joined(separator: ", "),
            ])
        if self.members.isEmpty {
            self.write(self.targetEpochRecord(self.epoch), &step)
            self.emptySinceMs = step.now.wallMs
        }
    }
}
