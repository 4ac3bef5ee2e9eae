// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

@testable import GroupCoordinator

extension ConsumerGroup {
    /// Whether another one knows the same from records. Quick, as it is asked after every step.
    func knowsTheSame(as other: ConsumerGroup) -> Bool {
        guard self.epoch == other.epoch, self.targetEpoch == other.targetEpoch, self.target == other.target,
            self.topics == other.topics, self.staticMembers == other.staticMembers, self.votes == other.votes,
            self.members.count == other.members.count
        else { return false }
        return self.members.allSatisfy { id, member in
            guard let same = other.members[id] else { return false }
            return member.details == same.details && member.current == same.current
                && (member.classicMemberMetadata == nil) == (same.classicMemberMetadata == nil)
        }
    }

    /// Everything that the group knows from records, as text: equal for equal states.
    var dump: String {
        var lines = ["epoch \(self.epoch) target@\(self.targetEpoch)"]
        for topic in self.topics.values.sorted(by: { $0.name < $1.name }) {
            lines.append("topic \(topic.name) \(topic.id) \(topic.partitionCount)")
        }
        for (id, member) in self.members.sorted(by: { $0.key < $1.key }) {
            let current = member.current
            lines.append("member \(id) \(member.details) \(String(describing: member.classicMemberMetadata))")
            lines.append(
                "  \(current.epoch) \(current.previousEpoch) \(current.state) "
                    + "\(current.assigned.sorted) \(current.pendingRevocation.sorted)"
            )
        }
        for (id, target) in self.target.sorted(by: { $0.key < $1.key }) {
            lines.append("target \(id) \(target.sorted)")
        }
        lines.append("static \(self.staticMembers.sorted { $0.key < $1.key })")
        lines.append("votes \(self.votes.sorted { $0.key < $1.key })")
        return lines.joined(separator: "\n")
    }

    /// What is wrong with the group: partitions that two members have, or that belong to somebody else than the group
    /// thinks.
    var brokenInvariants: [String] {
        var found: [String] = []
        var owners: [TopicID: [Int32: String]] = [:]
        for (id, member) in self.members.sorted(by: { $0.key < $1.key }) {
            for set in [member.current.assigned, member.current.pendingRevocation] {
                for (topic, indexes) in set.sorted {
                    for index in indexes {
                        if let other = owners[topic, default: [:]].updateValue(id, forKey: index) {
                            found.append("\(topic)-\(index) belongs to \(other) and \(id)")
                        }
                        let owner = self.owners.owner(of: topic, index)
                        if owner != id { found.append("\(topic)-\(index) of \(id) is kept for \(owner ?? "nobody")") }
                    }
                }
            }
            if member.current.epoch > self.targetEpoch { found.append("\(id) is ahead of the target") }
        }
        let underWay = self.members.values.count { !$0.current.isReconciled(to: self.targetEpoch) }
        if underWay != self.underWay { found.append("\(underWay) are under way, not \(self.underWay)") }
        if self.targetEpoch > self.epoch { found.append("the target is ahead of the group") }
        return found
    }
}
