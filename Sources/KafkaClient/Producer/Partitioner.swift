// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaRecords
import NIOCore
import Synchronization

/// Which partition a record goes to that names none.
public struct Partitioner: Sendable {
    enum Kind: Sendable {
        case keyHash
        case roundRobin
        case random
        case weighted([Double])
        case custom(@Sendable (ProducerRecord, Int32) -> PartitionIndex)
    }

    let kind: Kind

    /// By the murmur2 hash of the key, as Java's producer does, so that both put a key into the same partition; records
    /// without a key stay with one partition until its batch is full or sent, and go on with another one chosen at
    /// random (KIP-480). An empty key is a key. The default; Java: no `partitioner.class`.
    public static let keyHash = Partitioner(kind: .keyHash)

    /// The partitions in turn, whatever the key. Java: `RoundRobinPartitioner`.
    public static let roundRobin = Partitioner(kind: .roundRobin)

    /// Any partition, all alike, whatever the key. librdkafka: `random`.
    public static let random = Partitioner(kind: .random)

    /// Any partition, whatever the key, in proportion to its weight: element `n` is that of partition `n`. Negative
    /// weights and partitions beyond the end count as 0; with no weight above 0 all partitions are alike.
    public static func weighted(_ weights: [Double]) -> Partitioner { Partitioner(kind: .weighted(weights)) }

    /// What `choose` says of a record and the number of partitions, at least 1. It is called by the tasks that produce, at
    /// the same time; an index that the topic does not have fails the record with `invalidRequest`.
    public static func custom(
        _ choose: @escaping @Sendable (_ record: ProducerRecord, _ partitionCount: Int32) -> PartitionIndex
    ) -> Partitioner {
        Partitioner(kind: .custom(choose))
    }
}

/// A partitioner at work on one topic with a fixed number of partitions. Any number of tasks use it at once.
final class PartitionChoice: Sendable {
    struct Answer {
        var index: Int
        /// Another partition would do as well: the next call may choose one.
        var isAnywhere: Bool
    }

    private enum Rule {
        case keyHash, roundRobin, random
        /// Sums of the weights up to and with each partition.
        case weighted([Double])
        case custom(@Sendable (ProducerRecord, Int32) -> PartitionIndex)
    }

    private let count: Int32
    private let rule: Rule
    /// The partition of records without a key.
    private let sticky: Atomic<Int>
    private let turn: Atomic<Int>
    private let random: Atomic<UInt64>

    /// `count` is at least 1.
    init(_ partitioner: Partitioner, count: Int32, seed: UInt64) {
        self.count = count
        self.random = Atomic(seed)
        let start = Int(Self.mix(seed) % UInt64(count))
        self.sticky = Atomic(start)
        self.turn = Atomic(start)
        switch partitioner.kind {
        case .keyHash: self.rule = .keyHash
        case .roundRobin: self.rule = .roundRobin
        case .random: self.rule = .random
        case .custom(let choose): self.rule = .custom(choose)
        case .weighted(let weights):
            var sum = 0.0
            let sums = (0..<Int(count)).map { index in
                let weight = index < weights.count ? weights[index] : 0
                if weight.isFinite, weight > 0 { sum += weight }
                return sum
            }
            self.rule = sum > 0 && sum.isFinite ? .weighted(sums) : .random
        }
    }

    /// The index may be out of range when the caller's own partitioner said so.
    func partition(for record: ProducerRecord) -> Answer {
        switch self.rule {
        case .keyHash:
            guard let key = record.key else {
                return Answer(index: self.sticky.load(ordering: .relaxed), isAnywhere: self.count > 1)
            }
            return Answer(index: Int(KafkaRecords.partition(of: key, count: self.count).rawValue), isAnywhere: false)
        case .roundRobin:
            let turn = self.turn.wrappingAdd(1, ordering: .relaxed).oldValue
            return Answer(index: Int(UInt(bitPattern: turn) % UInt(self.count)), isAnywhere: false)
        case .random:
            return Answer(index: Int(self.nextRandom() % UInt64(self.count)), isAnywhere: false)
        case .weighted(let sums):
            return Answer(index: self.weighted(sums), isAnywhere: false)
        case .custom(let choose):
            return Answer(index: Int(choose(record, self.count).rawValue), isAnywhere: false)
        }
    }

    /// A batch of this partition ended: records without a key go to another one from now on.
    func rotate(from index: Int) {
        guard self.count > 1 else { return }
        let steps = 1 + Int(self.nextRandom() % UInt64(self.count - 1))
        // Whoever came first has moved it already.
        _ = self.sticky.compareExchange(
            expected: index, desired: (index + steps) % Int(self.count), ordering: .relaxed)
    }

    private func weighted(_ sums: [Double]) -> Int {
        let total = sums.last ?? 0
        // 53 bits are what a Double holds.
        let point = Double(self.nextRandom() >> 11) / Double(1 << 53) * total
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > point { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// SplitMix64: a counter that all tasks share, mixed.
    private func nextRandom() -> UInt64 {
        Self.mix(self.random.wrappingAdd(0x9e37_79b9_7f4a_7c15, ordering: .relaxed).newValue)
    }

    private static func mix(_ state: UInt64) -> UInt64 {
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
