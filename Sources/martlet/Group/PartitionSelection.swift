// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// A topic, or some of its partitions: `orders`, `orders:3`, `orders:0,2-5`.
struct PartitionSelection: Hashable, Sendable, ExpressibleByArgument {
    /// No topic has more partitions than this, far from it; a range that is longer is a slip.
    static let partitionsMax = 1_000_000

    var topic: String
    /// Ascending; nil for all of them.
    var partitions: [Int32]?

    init(topic: String, partitions: [Int32]? = nil) {
        self.topic = topic
        self.partitions = partitions
    }

    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let topic = parts.first, !topic.isEmpty else { return nil }
        self.topic = String(topic)
        guard parts.count == 2 else { return }
        var partitions: Set<Int32> = []
        for item in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = item.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
            guard (1...2).contains(bounds.count), let first = bounds.first ?? nil, let last = bounds.last ?? nil,
                first >= 0, last >= first, last - first < Self.partitionsMax
            else { return nil }
            partitions.formUnion(first...last)
        }
        self.partitions = partitions.sorted()
    }

    /// What is selected of a topic that is there. Throws `CommandFailure` for a partition that it does not have.
    func partitions(of description: TopicDescription) throws -> [TopicPartition] {
        let all = description.partitions.map(\.index)
        for index in self.partitions ?? [] where description.partition(PartitionIndex(index)) == nil {
            throw CommandFailure("the topic \(self.topic) has no partition \(index): it has \(all.count), from 0")
        }
        return (self.partitions?.map { PartitionIndex($0) } ?? all)
            .map { TopicPartition(topic: self.topic, partition: $0) }
    }

    func contains(_ partition: TopicPartition) -> Bool {
        partition.topic == self.topic && self.partitions?.contains(partition.partition.rawValue) ?? true
    }
}

extension [TopicPartition] {
    /// Partitions in the form of `PartitionSelection`, topic by topic; `-` for none. They have to be ascending.
    var shortText: String {
        var topics: [String] = []
        var runs: [ClosedRange<Int32>] = []
        func finishTopic(_ name: String) {
            let ranges = runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            topics.append("\(name):\(ranges.joined(separator: ","))")
            runs = []
        }
        var topic: String?
        for partition in self {
            if let finished = topic, finished != partition.topic { finishTopic(finished) }
            topic = partition.topic
            let index = partition.partition.rawValue
            if let run = runs.last, run.upperBound < Int32.max, run.upperBound + 1 == index {
                runs[runs.count - 1] = run.lowerBound...index
            } else {
                runs.append(index...index)
            }
        }
        if let topic { finishTopic(topic) }
        return topics.isEmpty ? "-" : topics.joined(separator: " ")
    }
}
