// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Partitions of several topics: for each topic the indexes, ascending, none twice, no topic without any.
public struct PartitionSet: Sendable, Hashable {
    private var byTopic: [TopicID: [Int32]] = [:]

    /// No partitions.
    public init() {}

    /// Takes the indexes in any order and drops repetitions.
    public init(_ partitions: some Sequence<(TopicID, [Int32])>) {
        for (topic, indexes) in partitions { self.formUnion(topic, indexes) }
    }

    /// No partition is in it.
    public var isEmpty: Bool { self.byTopic.isEmpty }

    /// The number of partitions.
    public var count: Int { self.byTopic.values.reduce(0) { $0 + $1.count } }

    /// The topics that have a partition in it, in no order.
    public var topics: some Collection<TopicID> { self.byTopic.keys }

    /// The indexes of a topic's partitions, ascending; setting takes ascending ones without repetitions.
    public subscript(topic: TopicID) -> [Int32] {
        get { self.byTopic[topic] ?? [] }
        set { self.byTopic[topic] = newValue.isEmpty ? nil : newValue }
    }

    /// Topics by ascending id with their indexes: the order in which they are written.
    public var sorted: [(topic: TopicID, indexes: [Int32])] {
        self.byTopic.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Whether that partition is in it. Logarithmic in the topic's partitions.
    public func contains(_ topic: TopicID, _ index: Int32) -> Bool {
        guard let indexes = self.byTopic[topic] else { return false }
        var (low, high) = (0, indexes.count)
        while low < high {
            let middle = (low + high) / 2
            if indexes[middle] < index { low = middle + 1 } else { high = middle }
        }
        return low < indexes.count && indexes[low] == index
    }

    /// Adds partitions of one topic, in any order.
    public mutating func formUnion(_ topic: TopicID, _ indexes: [Int32]) {
        if indexes.isEmpty { return }
        let all = (self.byTopic[topic] ?? []) + indexes
        self.byTopic[topic] = Set(all).sorted()
    }

    /// What is in either.
    public func union(_ other: PartitionSet) -> PartitionSet {
        var result = self
        for (topic, indexes) in other.byTopic { result.formUnion(topic, indexes) }
        return result
    }

    /// What is in both.
    public func intersection(_ other: PartitionSet) -> PartitionSet {
        self.filtered { other.contains($0, $1) }
    }

    /// What is in this one and not in the other.
    public func subtracting(_ other: PartitionSet) -> PartitionSet {
        self.filtered { !other.contains($0, $1) }
    }

    /// Every partition of this one is in the other.
    public func isSubset(of other: PartitionSet) -> Bool { self.subtracting(other).isEmpty }

    private func filtered(_ keeps: (TopicID, Int32) -> Bool) -> PartitionSet {
        var result = PartitionSet()
        for (topic, indexes) in self.byTopic { result[topic] = indexes.filter { keeps(topic, $0) } }
        return result
    }
}
