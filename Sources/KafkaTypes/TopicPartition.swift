// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One partition of a topic, by name: `orders-3` is partition 3 of `orders`.
public struct TopicPartition: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var topic: String
    public var partition: PartitionIndex

    public init(topic: String, partition: PartitionIndex) {
        self.topic = topic
        self.partition = partition
    }

    public static func < (lhs: TopicPartition, rhs: TopicPartition) -> Bool {
        (lhs.topic, lhs.partition) < (rhs.topic, rhs.partition)
    }

    /// The name of its directory on disk, too: `topic-partition`.
    public var description: String { "\(self.topic)-\(self.partition)" }
}
