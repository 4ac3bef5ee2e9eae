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

    /// The number of partitions. Linear in the topics.
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
        return indexes.sortedIndex(of: index) != nil
    }

    /// Adds partitions of one topic, in any order. Linear when they are ascending and none is there twice.
    public mutating func formUnion(_ topic: TopicID, _ indexes: [Int32]) {
        if indexes.isEmpty { return }
        let ascending = indexes.isStrictlyAscending ? indexes : Set(indexes).sorted()
        self.byTopic[topic] = self.byTopic[topic].map { Self.merge($0, ascending) } ?? ascending
    }

    /// What is in either.
    public func union(_ other: PartitionSet) -> PartitionSet {
        if other.isEmpty { return self }
        var result = self
        for (topic, indexes) in other.byTopic { result.formUnion(topic, indexes) }
        return result
    }

    /// What is in both.
    public func intersection(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for (topic, indexes) in self.byTopic {
            guard let others = other.byTopic[topic] else { continue }
            result[topic] = indexes.filter { others.sortedIndex(of: $0) != nil }
        }
        return result
    }

    /// What is in this one and not in the other.
    public func subtracting(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for (topic, indexes) in self.byTopic {
            let others = other.byTopic[topic] ?? []
            result[topic] = others.isEmpty ? indexes : indexes.filter { others.sortedIndex(of: $0) == nil }
        }
        return result
    }

    /// Every partition of this one is in the other. Makes no copies.
    public func isSubset(of other: PartitionSet) -> Bool {
        self.byTopic.allSatisfy { topic, indexes in
            guard let others = other.byTopic[topic], others.count >= indexes.count else { return false }
            return indexes.allSatisfy { others.sortedIndex(of: $0) != nil }
        }
    }

    /// No partition is in both. Makes no copies.
    public func isDisjoint(with other: PartitionSet) -> Bool {
        self.byTopic.allSatisfy { topic, indexes in
            guard let others = other.byTopic[topic] else { return true }
            return indexes.allSatisfy { others.sortedIndex(of: $0) == nil }
        }
    }

    /// Both ascending without repetitions, and so is the result.
    private static func merge(_ left: [Int32], _ right: [Int32]) -> [Int32] {
        if let last = left.last, let first = right.first, last < first { return left + right }
        var merged: [Int32] = []
        merged.reserveCapacity(left.count + right.count)
        var (l, r) = (0, 0)
        while l < left.count, r < right.count {
            merged.append(min(left[l], right[r]))
            // Both move on where both have the same one.
            if left[l] <= right[r] {
                if left[l] == right[r] { r += 1 }
                l += 1
            } else {
                r += 1
            }
        }
        merged.append(contentsOf: left[l...])
        merged.append(contentsOf: right[r...])
        return merged
    }
}

extension [Int32] {
    /// Where that value is in an ascending array; nil when it is not there. Logarithmic.
    func sortedIndex(of value: Int32) -> Int? {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < self.count && self[low] == value ? low : nil
    }

    fileprivate var isStrictlyAscending: Bool { zip(self, self.dropFirst()).allSatisfy { $0 < $1 } }
}
