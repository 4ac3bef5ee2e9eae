// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Who writes to which topics and who reads which partitions: topics by their numbers, all shared out as evenly as
/// goes.
struct LoadPlan: Sendable, Equatable {
    struct Partition: Sendable, Hashable {
        var topic: Int
        var index: Int32
    }

    struct Reader: Sendable, Equatable {
        var subscription: Int
        /// Empty for a member of a group, which is told by the group.
        var partitions: [Partition]
        /// What a member of a group asks for.
        var topics: [Int]
    }

    /// The topics of each producer.
    var writers: [[Int]]
    var readers: [Reader]

    init(_ workload: Workload) {
        self.writers = Self.topics(workload.producers, topicCount: workload.topicCount)
        self.readers = (0..<workload.subscriptions).flatMap { subscription in
            switch workload.consumers {
            case .total(let number) where workload.usesGroups:
                (0..<number).map { _ in
                    Reader(subscription: subscription, partitions: [], topics: Array(0..<workload.topicCount))
                }
            case .total(let number):
                Self.deal(Self.partitions(of: 0..<workload.topicCount, workload), to: number, subscription)
            case .perTopic(let number):
                (0..<workload.topicCount).flatMap { topic in
                    workload.usesGroups
                        ? (0..<number).map { _ in Reader(subscription: subscription, partitions: [], topics: [topic]) }
                        : Self.deal(Self.partitions(of: topic..<topic + 1, workload), to: number, subscription)
                }
            }
        }
    }

    private static func partitions(of topics: Range<Int>, _ workload: Workload) -> [Partition] {
        topics.flatMap { topic in
            (0..<Int32(clamping: workload.partitionsPerTopic)).map { Partition(topic: topic, index: $0) }
        }
    }

    /// Whoever would get nothing is left out.
    private static func deal(_ partitions: [Partition], to number: Int, _ subscription: Int) -> [Reader] {
        (0..<min(number, partitions.count)).map { position in
            let own = stride(from: position, to: partitions.count, by: number).map { partitions[$0] }
            return Reader(subscription: subscription, partitions: own, topics: Set(own.map(\.topic)).sorted())
        }
    }

    private static func topics(_ workers: Workload.Workers, topicCount: Int) -> [[Int]] {
        switch workers {
        case .perTopic(let number): (0..<topicCount).flatMap { topic in Array(repeating: [topic], count: number) }
        case .total(let number):
            (0..<number).map { position in
                number >= topicCount
                    ? [position % topicCount] : Array(stride(from: position, to: topicCount, by: number))
            }
        }
    }
}
