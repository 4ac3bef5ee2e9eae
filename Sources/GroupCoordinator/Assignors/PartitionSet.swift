// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Partitions of several topics: for each topic the indexes, ascending, none twice, no topic without any.
///
/// An array sorted by topic id, and not a dictionary: sets are made and compared by the hundred at every assignment, and
/// few are changed.
public struct PartitionSet: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        let topic: TopicID
        var indexes: [Int32]
    }

    /// By ascending topic id, none twice.
    private var entries: [Entry] = []

    /// No partitions.
    public init() {}

    /// Takes topics and indexes in any order and drops repetitions. Sorts what is not in order.
    public init(_ partitions: some Sequence<(TopicID, [Int32])>) {
        var partitions = Array(partitions)
        let isAscending = zip(partitions, partitions.dropFirst()).allSatisfy { $0.0 < $1.0 }
        if !isAscending { partitions.sort { $0.0 < $1.0 } }
        // One after the other at the end.
        for (topic, indexes) in partitions { self.formUnion(topic, indexes) }
    }

    /// No partition is in it.
    public var isEmpty: Bool { self.entries.isEmpty }

    /// The number of partitions. Linear in the topics.
    public var count: Int { self.entries.reduce(0) { $0 + $1.indexes.count } }

    /// The topics that have a partition in it, ascending.
    public var topics: some Collection<TopicID> { self.entries.lazy.map(\.topic) }

    /// The indexes of a topic's partitions, ascending; setting takes ascending ones without repetitions. Logarithmic in
    /// the topics; a new topic that is not the last one moves those after it.
    public subscript(topic: TopicID) -> [Int32] {
        get {
            let place = self.place(of: topic)
            return self.has(topic, at: place) ? self.entries[place].indexes : []
        }
        set {
            let place = self.place(of: topic)
            switch (self.has(topic, at: place), newValue.isEmpty) {
            case (true, true): self.entries.remove(at: place)
            case (true, false): self.entries[place].indexes = newValue
            case (false, true): break
            case (false, false): self.entries.insert(Entry(topic: topic, indexes: newValue), at: place)
            }
        }
    }

    /// Where a topic is, or would be. Constant time for one that comes after all others.
    private func place(of topic: TopicID) -> Int {
        guard let last = self.entries.last, topic <= last.topic else { return self.entries.count }
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].topic < topic { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func has(_ topic: TopicID, at place: Int) -> Bool {
        place < self.entries.count && self.entries[place].topic == topic
    }

    /// Topics by ascending id with their indexes: the order in which they are written.
    public var sorted: [(topic: TopicID, indexes: [Int32])] { self.entries.map { ($0.topic, $0.indexes) } }

    /// Whether that partition is in it. Logarithmic in topics and the topic's partitions.
    public func contains(_ topic: TopicID, _ index: Int32) -> Bool {
        let place = self.place(of: topic)
        return self.has(topic, at: place) && self.entries[place].indexes.sortedIndex(of: index) != nil
    }

    /// Adds partitions of one topic, in any order. Linear when they are ascending and none is there twice.
    public mutating func formUnion(_ topic: TopicID, _ indexes: [Int32]) {
        if indexes.isEmpty { return }
        let ascending = indexes.isStrictlyAscending ? indexes : Set(indexes).sorted()
        let place = self.place(of: topic)
        if self.has(topic, at: place) {
            self.entries[place].indexes = Self.merge(self.entries[place].indexes, ascending)
        } else {
            self.entries.insert(Entry(topic: topic, indexes: ascending), at: place)
        }
    }

    /// What is in either.
    public func union(_ other: PartitionSet) -> PartitionSet {
        if self.isEmpty { return other }
        var result = self
        for entry in other.entries { result.formUnion(entry.topic, entry.indexes) }
        return result
    }

    /// What is in both.
    public func intersection(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for entry in self.entries {
            let others = other[entry.topic]
            result[entry.topic] = entry.indexes.filter { others.sortedIndex(of: $0) != nil }
        }
        return result
    }

    /// What is in this one and not in the other.
    public func subtracting(_ other: PartitionSet) -> PartitionSet {
        var result = PartitionSet()
        for entry in self.entries {
            let others = other[entry.topic]
            result[entry.topic] =
                others.isEmpty ? entry.indexes : entry.indexes.filter { others.sortedIndex(of: $0) == nil }
        }
        return result
    }

    /// Every partition of this one is in the other. Makes no copies.
    public func isSubset(of other: PartitionSet) -> Bool {
        self.entries.allSatisfy { entry in
            let others = other[entry.topic]
            return others.count >= entry.indexes.count && entry.indexes.allSatisfy { others.sortedIndex(of: $0) != nil }
        }
    }

    /// No partition is in both. Makes no copies.
    public func isDisjoint(with other: PartitionSet) -> Bool {
        self.entries.allSatisfy { entry in
            let others = other[entry.topic]
            return others.isEmpty || entry.indexes.allSatisfy { others.sortedIndex(of: $0) == nil }
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
