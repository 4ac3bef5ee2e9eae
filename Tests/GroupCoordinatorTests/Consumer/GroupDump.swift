// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

@testable import GroupCoordinator

extension ConsumerGroup {
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
        var owners: [String: String] = [:]
        for (id, member) in self.members.sorted(by: { $0.key < $1.key }) {
            for set in [member.current.assigned, member.current.pendingRevocation] {
                for (topic, indexes) in set.sorted {
                    for index in indexes {
                        if let other = owners.updateValue(id, forKey: "\(topic)-\(index)") {
                            found.append("\(topic)-\(index) belongs to \(other) and \(id)")
                        }
                        let owner = self.owners.owner(of: topic, index)
                        if owner != id { found.append("\(topic)-\(index) of \(id) is kept for \(owner ?? "nobody")") }
                    }
                }
            }
            if member.current.epoch > self.targetEpoch { found.append("\(id) is ahead of the target") }
        }
        if self.targetEpoch > self.epoch { found.append("the target is ahead of the group") }
        return found
    }
}
