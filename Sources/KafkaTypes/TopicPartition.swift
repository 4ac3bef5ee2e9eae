// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One partition of a topic, by name: `orders-3` is partition 3 of `orders`.
public struct TopicPartition: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The name of the topic.
    public var topic: String
    /// The number of the partition in it.
    public var partition: PartitionIndex

    /// A partition that may or may not exist.
    public init(topic: String, partition: PartitionIndex) {
        self.topic = topic
        self.partition = partition
    }

    /// By topic, then by number.
    public static func < (lhs: TopicPartition, rhs: TopicPartition) -> Bool {
        (lhs.topic, lhs.partition) < (rhs.topic, rhs.partition)
    }

    /// The name of its directory on disk, too: `topic-partition`.
    public var description: String { "\(self.topic)-\(self.partition)" }
}
