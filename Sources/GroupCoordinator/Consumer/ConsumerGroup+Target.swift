// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

extension ConsumerGroup {
    /// Takes note of the topics that members want now. Constant time when neither they nor the topics changed.
    ///
    /// - Returns: whether the assignment has to follow.
    mutating func refreshTopics(_ step: inout Step) -> Bool {
        if self.subscriptions.isResolved(for: step.topics) { return false }
        let (facts, changed) = self.subscriptions.resolve(step.topics)
        if facts == self.topics { return changed }
        self.write(self.topicsRecord(facts), &step)
        return true
    }

    /// Takes note of the rules about weights that hold now. Linear in the number of rules, of which there are few.
    ///
    /// - Returns: whether the assignment has to follow.
    mutating func refreshWeightRules(_ settings: GroupSettings) -> Bool {
        let rules = settings.groups[self.id]?.weights ?? []
        if rules == self.weightRules { return false }
        let old = self.weightRules
        self.weightRules = rules
        guard self.weighs(settings) else { return false }
        return self.members.values.contains { $0.details.weight(under: old) != $0.details.weight(under: rules) }
    }

    /// Whether the assignor in use goes by weights.
    func weighs(_ settings: GroupSettings) -> Bool { self.assignor(settings).name == WeightedAssignor.name }

    /// Something changed that the assignment depends on.
    mutating func bumpEpoch(_ step: inout Step) {
        self.write(self.epochRecord(self.epoch.successor), &step)
    }

    /// Makes a target assignment if there is none for this epoch. Writes what each member gets whose part changed.
    mutating func updateTarget(_ step: inout Step) {
        if self.targetEpoch >= self.epoch { return }
        let assignment = self.assignor(step.settings).assign(self.assignmentInput())
        for memberID in self.members.keys.sorted() {
            let partitions = assignment[memberID] ?? PartitionSet()
            if self.target[memberID] != partitions { self.write(self.targetRecord(memberID, partitions), &step) }
        }
        self.write(self.targetEpochRecord(self.epoch), &step)
        step.effects.note(
            self.id, "a new assignment was made", isRebalance: true,
            [
                "epoch": "\(self.epoch)", "members": "\(self.members.count)", "topics": "\(self.topics.count)",
                "assignor": self.assignor(step.settings).name,
            ])
    }

    /// An assignor that moves few partitions at a time goes on when everybody has arrived where it sent them. Constant
    /// time but once for each target.
    mutating func continueAssignment(_ step: inout Step) {
        if self.underWay > 0 || self.settledEpoch == self.targetEpoch || self.epoch > self.targetEpoch { return }
        if self.assignor(step.settings).isSettled(self.assignmentInput()) {
            self.settledEpoch = self.targetEpoch
        } else {
            self.bumpEpoch(&step)
            self.updateTarget(&step)
        }
    }

    private func assignmentInput() -> AssignmentInput {
        var members: [String: AssignmentInput.Member] = [:]
        members.reserveCapacity(self.members.count)
        for (memberID, member) in self.members {
            members[memberID] = AssignmentInput.Member(
                instanceID: member.details.instanceID,
                rackID: member.details.rackID,
                subscribed: member.subscriptionSlot.map { self.subscriptions.topics(of: $0) } ?? [],
                assigned: self.target[memberID] ?? PartitionSet(),
                weight: member.details.weight(under: self.weightRules)
            )
        }
        return AssignmentInput(members: members, topics: self.topics)
    }

    /// Has a member take its next step to its target, if there is one that it can take.
    mutating func reconcile(_ memberID: String, owned: CurrentAssignment.Owned, _ step: inout Step) {
        guard let member = self.members[memberID], !member.current.isReconciled(to: self.targetEpoch) else { return }
        // One that waits for partitions of others need not look as long as nobody gave any up.
        let isWaiting = member.current.state == .unreleasedPartitions && member.current.epoch == self.targetEpoch
        if isWaiting, member.releasesSeen == self.owners.releases { return }
        let next = member.current.advanced(
            to: self.target[memberID] ?? PartitionSet(), epoch: self.targetEpoch, owned: owned
        ) { topic, index in
            self.owners.owner(of: topic, index).map { $0 != memberID } ?? false
        }
        if next != member.current {
            self.write(self.currentRecord(memberID, next), &step)
            let gives = next.state == .unrevokedPartitions && member.classicMemberMetadata == nil
            self.members[memberID]?.rebalanceDeadline =
                gives ? step.now.monotonicMs + Int64(max(member.details.rebalanceTimeoutMs, 0)) : .max
        }
        self.members[memberID]?.releasesSeen = self.owners.releases
    }
}
