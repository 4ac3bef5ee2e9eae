// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Which member each partition belongs to, to use or to give up: what keeps a partition from having two owners.
struct PartitionOwners: Sendable {
    private var byTopic: [TopicID: [Int32: String]] = [:]
    /// Grows whenever a partition becomes free: who waits for one need not look before.
    private(set) var releases = 0

    /// The member that owns a partition; nil when it is free.
    func owner(of topic: TopicID, _ index: Int32) -> String? { self.byTopic[topic]?[index] }

    /// A member goes on from what it held to what it holds now. Linear in its partitions, but for logarithms.
    ///
    /// The last one to take a partition has it: a compacted log may lack the record by which the owner before gave it
    /// up, but the one by which it was taken comes later than that.
    mutating func move(_ member: String, from old: CurrentAssignment, to new: CurrentAssignment) {
        for set in [old.assigned, old.pendingRevocation] {
            for topic in set.topics {
                for index in set[topic] where !new.holds(topic, index) { self.release(topic, index, of: member) }
            }
        }
        for set in [new.assigned, new.pendingRevocation] {
            for topic in set.topics {
                for index in set[topic] where !old.holds(topic, index) {
                    self.byTopic[topic, default: [:]][index] = member
                }
            }
        }
    }

    private mutating func release(_ topic: TopicID, _ index: Int32, of member: String) {
        guard self.byTopic[topic]?[index] == member else { return }
        self.byTopic[topic]?[index] = nil
        if self.byTopic[topic]?.isEmpty == true { self.byTopic[topic] = nil }
        self.releases += 1
    }
}
