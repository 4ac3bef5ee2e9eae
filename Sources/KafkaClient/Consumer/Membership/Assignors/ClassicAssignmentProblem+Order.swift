// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// The order that Java's assignors give to members and topics: for `range` and `roundrobin` it decides who gets what,
/// and so it has to be the same whoever leads.
extension ClassicAssignmentProblem {
    /// A topic with partitions.
    struct Topic {
        var name: String
        /// How many partitions it has, 1 and more.
        var count: Int

        func partition(_ index: Int) -> TopicPartition {
            TopicPartition(topic: self.name, partition: PartitionIndex(Int32(clamping: index)))
        }
    }

    /// Members with an instance id before the others, in the order of those ids; the others by member id.
    func membersInJavasOrder() -> [ClassicGroupMember] {
        self.members.sorted { left, right in
            switch (left.instanceID, right.instanceID) {
            case (let left?, let right?): left.precedesInJava(right)
            case (_?, nil): true
            case (nil, _?): false
            case (nil, nil): left.memberID.precedesInJava(right.memberID)
            }
        }
    }

    /// Topics that have partitions and subscribers, by name, and the ids of their subscribers, in Java's order.
    func subscribersInJavasOrder() -> (topics: [Topic], subscribers: [[String]]) {
        var subscribers: [String: [String]] = [:]
        for member in self.membersInJavasOrder() {
            for topic in member.topics { subscribers[topic, default: []].append(member.memberID) }
        }
        let topics = self.topicsInJavasOrder(subscribers.keys)
        return (topics, topics.map { subscribers[$0.name] ?? [] })
    }

    /// Those that have partitions, by name.
    func topicsInJavasOrder(_ names: some Sequence<String>) -> [Topic] {
        names.compactMap { name in
            guard let count = self.partitionCounts[name], count > 0 else { return nil }
            return Topic(name: name, count: count)
        }.sorted { $0.name.precedesInJava($1.name) }
    }
}

extension String {
    /// By UTF-16 code units, as Java compares. For ASCII, which ids and names nearly always are, it is the order of the
    /// bytes.
    func precedesInJava(_ other: String) -> Bool { self.utf16.lexicographicallyPrecedes(other.utf16) }
}

extension Array {
    /// The first index whose element, and all after it, fulfil the condition. The array is in an order in which those
    /// that do come last.
    func partitioningIndex(where isLate: (Element) -> Bool) -> Int {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if isLate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
