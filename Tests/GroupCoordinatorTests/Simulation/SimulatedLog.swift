// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import SimulatedIO
import NIOCore

@testable import GroupCoordinator

/// A partition of `__consumer_offsets` whose end is not on the disk yet: batches, each there as a whole or not at all.
struct SimulatedLog {
    /// A record as it is on the disk. What its bytes say does not change, so it is read once.
    private final class Entry {
        let key: ByteBuffer
        let value: ByteBuffer?
        private var known: CoordinatorRecord?

        init(_ record: CoordinatorRecord) throws { (self.key, self.value) = try record.encoded() }

        func record() throws -> CoordinatorRecord? {
            if self.known == nil { self.known = try CoordinatorRecord(key: self.key, value: self.value) }
            return self.known
        }
    }

    private struct Batch {
        let sequence: Int
        var entries: [Entry]
    }

    private var batches: [Batch] = []
    /// The last batch that was appended; 0 before the first.
    private(set) var lastSequence = 0
    /// The last batch that no crash can take.
    private(set) var durableSequence = 0
    /// When that which was appended last is durable: batches become durable in order.
    private var lastFlushAt: Int64 = 0

    /// Appends a batch.
    ///
    /// - Returns: When it is durable.
    mutating func append(_ records: [CoordinatorRecord], now: Int64, flushMs: Int64) throws -> Int64 {
        self.lastSequence += 1
        let entries = try records.map(Entry.init)
        self.batches.append(Batch(sequence: self.lastSequence, entries: entries))
        self.lastFlushAt = max(self.lastFlushAt, now + flushMs)
        return self.lastFlushAt
    }

    mutating func flushed(_ sequence: Int) { self.durableSequence = max(self.durableSequence, sequence) }

    /// What is not durable is lost, from some batch on.
    ///
    /// - Returns: The last batch that is still there.
    mutating func crash(now: Int64, using random: inout SeededGenerator) -> Int {
        let kept =
            random.oneIn(3)
            ? Int.random(in: self.durableSequence...self.lastSequence, using: &random)
            : self.durableSequence
        self.batches.removeAll { $0.sequence > kept }
        self.lastSequence = kept
        self.durableSequence = kept
        self.lastFlushAt = now
        return kept
    }

    /// Keeps the last record of every key, as the cleaner does, in all but the newest batches; sometimes it drops the
    /// tombstones as well.
    mutating func compact(using random: inout SeededGenerator) {
        let cleaned = Int.random(in: 0...self.batches.count, using: &random)
        var last: [ByteBuffer: Int] = [:]
        for (number, batch) in self.batches.prefix(cleaned).enumerated() {
            for entry in batch.entries { last[entry.key] = number }
        }
        let dropsTombstones = random.oneIn(2)
        for number in 0..<cleaned {
            var kept: [Entry] = []
            for (index, entry) in self.batches[number].entries.enumerated() {
                let isLast =
                    last[entry.key] == number
                    && !self.batches[number].entries[(index + 1)...].contains { $0.key == entry.key }
                if isLast, entry.value != nil || !dropsTombstones { kept.append(entry) }
            }
            self.batches[number].entries = kept
        }
        self.batches.removeAll { $0.entries.isEmpty }
    }

    /// All records, as they are read from the disk.
    func records() throws -> [CoordinatorRecord] {
        try self.batches.flatMap { batch in try batch.entries.compactMap { try $0.record() } }
    }
}
