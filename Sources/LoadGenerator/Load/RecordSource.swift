// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore

/// What one producer writes next: topic, partition, key and value. Everything is made beforehand, nothing is allocated
/// for a record.
struct RecordSource {
    struct Key {
        var bytes: ByteBuffer
        var partition: PartitionIndex
    }

    /// What a record is made of. `lane` tells records apart that cannot share a batch; nil where the client chooses the
    /// partition.
    struct Choice {
        var topic: Int
        var partition: PartitionIndex?
        var key: ByteBuffer?
        var payload: Int
        var lane: Int?
    }

    private let topicCount: Int
    private let partitionCount: Int
    private let rule: KeyChoice
    private let keys: [Key]
    private(set) var pool: PayloadPool
    private var turn: Int
    private var random: FastRandom

    /// - Parameters:
    ///   - topicCount: how many topics this producer writes to, in turn.
    ///   - share: see `PayloadPool`.
    init(_ workload: Workload, topicCount: Int, share: Double, seed: UInt64) {
        var random = FastRandom(seed: seed)
        self.topicCount = topicCount
        self.partitionCount = workload.partitionsPerTopic
        self.rule = workload.keys
        self.keys = (0..<workload.keys.count).map { number in
            let bytes = ByteBuffer(string: "key-\(number)")
            let partition = partition(of: bytes, count: Int32(clamping: workload.partitionsPerTopic))
            return Key(bytes: bytes, partition: partition)
        }
        self.pool = PayloadPool(workload, share: share, using: &random)
        self.turn = Int(random.next() % UInt64(workload.partitionsPerTopic))
        self.random = random
    }

    /// How many different lanes there may be.
    var laneCount: Int { self.topicCount * self.partitionCount }

    mutating func next(_ number: Int) -> Choice {
        let topic = self.topicCount == 1 ? 0 : number % self.topicCount
        let payload = self.pool.values.count == 1 ? 0 : number % self.pool.values.count
        switch self.rule {
        case .none:
            // Each topic has one partition at a time that gets the records.
            return Choice(topic: topic, payload: payload)
        case .partition:
            self.turn = self.turn &+ 1 == self.partitionCount ? 0 : self.turn &+ 1
            return Choice(
                topic: topic, partition: PartitionIndex(Int32(truncatingIfNeeded: self.turn)), payload: payload,
                lane: topic * self.partitionCount + self.turn)
        case .roundRobin(let count):
            return self.choice(topic, self.keys[number % count], payload)
        case .random(let count):
            return self.choice(topic, self.keys[Int(self.random.next(below: UInt32(count)))], payload)
        }
    }

    private func choice(_ topic: Int, _ key: Key, _ payload: Int) -> Choice {
        Choice(
            topic: topic, partition: key.partition, key: key.bytes, payload: payload,
            lane: topic * self.partitionCount + Int(key.partition.rawValue))
    }

    /// The value of a choice, with a stamp if there is one.
    mutating func value(_ choice: Choice, stamp: RecordStamp?) -> ByteBuffer {
        if let stamp { self.pool.stamp(choice.payload, stamp) }
        return self.pool.values[choice.payload]
    }
}

/// xorshift64*: good enough to choose keys and fill payloads, a nanosecond a number, and the same for the same seed.
struct FastRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed == 0 ? 0x9e37_79b9_7f4a_7c15 : seed }

    mutating func next() -> UInt64 {
        self.state ^= self.state >> 12
        self.state ^= self.state << 25
        self.state ^= self.state >> 27
        return self.state &* 0x2545_f491_4f6c_dd1d
    }

    /// From 0 to `limit`, without it.
    mutating func next(below limit: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: ((self.next() >> 32) &* UInt64(limit)) >> 32)
    }
}
