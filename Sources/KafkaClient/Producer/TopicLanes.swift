// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Synchronization

/// The lanes of one topic. Topics only grow: with more partitions there is a successor, which has the same lanes and
/// more of them.
final class TopicLanes: Sendable {
    let name: String
    /// By partition index, without gaps. Never empty.
    let lanes: [ProducerLane]
    let choice: PartitionChoice
    private let successor = AtomicLazyReference<TopicLanes>()

    init(name: String, lanes: [ProducerLane], choice: PartitionChoice) {
        self.name = name
        self.lanes = lanes
        self.choice = choice
    }

    /// The lanes as they are now.
    var current: TopicLanes {
        var current = self
        while let next = current.successor.load() { current = next }
        return current
    }

    /// Lets `current` be `lanes` from now on. Called by the sender only, on the last one.
    func replace(with lanes: TopicLanes) { _ = self.successor.storeIfNil(lanes) }
}

/// The topics of a producer, read without a lock: for every record one is looked up.
///
/// A hash table whose buckets are lists that only grow. The sender alone adds to it.
final class TopicTable: Sendable {
    private final class Node: Sendable {
        let topic: TopicLanes
        let next = AtomicLazyReference<Node>()
        init(_ topic: TopicLanes) { self.topic = topic }
    }

    private final class Bucket: Sendable {
        let first = AtomicLazyReference<Node>()
    }

    /// A producer of a thousand topics compares four names for one record.
    private static let bucketCount = 256

    private let buckets = (0..<TopicTable.bucketCount).map { _ in Bucket() }

    subscript(_ name: String) -> TopicLanes? {
        var node = self.bucket(of: name).first.load()
        while let found = node {
            if found.topic.name == name { return found.topic.current }
            node = found.next.load()
        }
        return nil
    }

    /// Every topic, in no order.
    var all: [TopicLanes] {
        self.buckets.flatMap { bucket in
            sequence(first: bucket.first.load()) { $0.flatMap { $0.next.load() } }
                .prefix { $0 != nil }.compactMap { $0?.topic.current }
        }
    }

    /// Adds a topic, or the lanes that one has got.
    func insert(_ topic: TopicLanes) {
        let bucket = self.bucket(of: topic.name)
        guard var node = bucket.first.load() else {
            _ = bucket.first.storeIfNil(Node(topic))
            return
        }
        while true {
            if node.topic.name == topic.name { return node.topic.current.replace(with: topic) }
            guard let next = node.next.load() else { break }
            node = next
        }
        _ = node.next.storeIfNil(Node(topic))
    }

    /// FNV-1a: names are short, and nobody gains by making them collide.
    private func bucket(of name: String) -> Bucket {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return self.buckets[Int(truncatingIfNeeded: (hash ^ hash >> 32) % UInt64(Self.bucketCount))]
    }
}
