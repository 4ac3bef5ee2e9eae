// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// All idempotent producers that a log remembers. A value type without IO, changed by the log's writer alone.
struct ProducerState: Sendable, Hashable {
    private(set) var entries: [Int64: ProducerEntry] = [:]

    /// What producers were before some batches were added, in the order of the changes.
    struct Undo: Sendable {
        fileprivate var before: [(producerID: Int64, entry: ProducerEntry?)] = []
    }

    /// Judges a batch. Batches of one call see each other when each is added before the next is judged.
    func judge(_ batch: RecordBatchHeader) -> ProducerVerdict {
        ProducerEntry.judge(batch, against: self.entries[batch.producerID])
    }

    /// Takes note of a batch that is in the log; batches without a producer id are ignored.
    mutating func add(_ batch: RecordBatchHeader, appendedMs: Int64, producersMax: Int) {
        var nothing: Undo?
        self.add(batch, appendedMs: appendedMs, producersMax: producersMax, undo: &nothing)
    }

    /// The same, and notes what it changes for `takeBack`, unless that is nil: it costs a copy of the producer's entry.
    mutating func add(_ batch: RecordBatchHeader, appendedMs: Int64, producersMax: Int, undo: inout Undo?) {
        guard batch.hasProducerID else { return }
        if self.entries[batch.producerID] == nil, self.entries.count >= max(producersMax, 1) {
            self.forgetIdlest(downTo: producersMax, undo: &undo)
        }
        undo?.before.append((batch.producerID, self.entries[batch.producerID]))
        self.entries[
            batch.producerID,
            default: ProducerEntry(
                producerID: batch.producerID, epoch: batch.producerEpoch, lastTimestamp: batch.maxTimestamp,
                lastAppendMs: appendedMs)
        ].add(batch, appendedMs: appendedMs)
    }

    /// Forgets a sixteenth of the producers at once, so that a full table does not sort itself for every new one.
    private mutating func forgetIdlest(downTo producersMax: Int, undo: inout Undo?) {
        let kept = producersMax - max(producersMax / 16, 1)
        let idlest = self.entries.values.filter { $0.transactionFirstOffset < 0 }
            .sorted { ($0.lastAppendMs, $0.producerID) < ($1.lastAppendMs, $1.producerID) }
        for entry in idlest.prefix(max(self.entries.count - kept, 0)) {
            self.entries[entry.producerID] = nil
            undo?.before.append((entry.producerID, entry))
        }
    }

    /// Makes the producers what they were before the batches of `undo`: they are not in the log after all. Nothing else
    /// may have been added since.
    mutating func takeBack(_ undo: Undo) {
        for (producerID, entry) in undo.before.reversed() { self.entries[producerID] = entry }
    }

    /// Forgets producers without an open transaction that have not been heard of for this long, by the later of the
    /// time of their last append and its timestamp. Returns how many. Linear in the number of producers.
    mutating func removeExpired(now: Int64, expirationMs: Int64) -> Int {
        let count = self.entries.count
        self.entries = self.entries.filter { _, entry in
            let last = max(entry.lastAppendMs, entry.lastTimestamp)
            return entry.transactionFirstOffset >= 0
                || now.subtractingReportingOverflow(last).partialValue < expirationMs
        }
        return count - self.entries.count
    }
}

// MARK: - The snapshot

/// The file `<offset>.snapshot`: the producers as they were before the batch at that offset, in version 1 of Kafka's
/// schema. It holds the last batch of each producer; of the four before only the log knows.
extension ProducerState {
    private static let version: Int16 = 1
    private static let headerByteCount = 10
    private static let entryByteCount = 46

    var snapshot: [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(4 + self.entries.count * Self.entryByteCount)
        body.appendBigEndian(Int32(clamping: self.entries.count))
        for entry in self.entries.values.sorted(by: { $0.producerID < $1.producerID }) {
            body.appendBigEndian(entry.producerID)
            body.appendBigEndian(entry.epoch)
            body.appendBigEndian(entry.lastSequence)
            body.appendBigEndian(entry.batches.last?.lastOffset ?? -1)
            body.appendBigEndian(entry.batches.last?.offsetDelta ?? 0)
            body.appendBigEndian(entry.lastTimestamp)
            body.appendBigEndian(entry.coordinatorEpoch)
            body.appendBigEndian(entry.transactionFirstOffset)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(6 + body.count)
        bytes.appendBigEndian(Self.version)
        bytes.appendBigEndian(body.withUnsafeBytes { crc32c($0) })
        bytes.append(contentsOf: body)
        return bytes
    }

    /// Reads a snapshot; throws `malformed` for anything but a whole one with the right checksum. `now` counts as the
    /// time of the last append of every producer in it.
    init(snapshot bytes: [UInt8], path: String, now: Int64) throws(LogError) {
        let parsed = bytes.withUnsafeBytes { Self.parse($0, now: now) }
        switch parsed {
        case .success(let entries): self.entries = entries
        case .failure(let problem): throw .malformed(path: path, reason: problem.reason)
        }
    }

    private struct Problem: Error { var reason: String }

    private static func parse(
        _ bytes: UnsafeRawBufferPointer, now: Int64
    ) -> Result<[Int64: ProducerEntry], Problem> {
        guard bytes.count >= self.headerByteCount else { return .failure(Problem(reason: "it is too short")) }
        let version = bytes.bigEndian(at: 0, as: Int16.self)
        guard version == self.version else { return .failure(Problem(reason: "its version \(version) is not known")) }
        guard crc32c(UnsafeRawBufferPointer(rebasing: bytes[6...])) == bytes.bigEndian(at: 2, as: UInt32.self) else {
            return .failure(Problem(reason: "its checksum is wrong"))
        }
        let count = Int(bytes.bigEndian(at: 6, as: Int32.self))
        guard count >= 0, bytes.count == self.headerByteCount + count * self.entryByteCount else {
            return .failure(Problem(reason: "it says \(count) producers, which is not what it holds"))
        }
        var entries: [Int64: ProducerEntry] = [:]
        entries.reserveCapacity(count)
        for index in 0..<count {
            let start = self.headerByteCount + index * self.entryByteCount
            let fields = UnsafeRawBufferPointer(rebasing: bytes[start..<start + self.entryByteCount])
            guard let entry = self.entry(fields, now: now), entries.updateValue(entry, forKey: entry.producerID) == nil
            else { return .failure(Problem(reason: "its entry \(index) is impossible")) }
        }
        return .success(entries)
    }

    private static func entry(_ fields: UnsafeRawBufferPointer, now: Int64) -> ProducerEntry? {
        let lastSequence = fields.bigEndian(at: 10, as: Int32.self)
        let lastOffset = fields.bigEndian(at: 14, as: Int64.self)
        let offsetDelta = fields.bigEndian(at: 22, as: Int32.self)
        let timestamp = fields.bigEndian(at: 26, as: Int64.self)
        var entry = ProducerEntry(
            producerID: fields.bigEndian(at: 0, as: Int64.self), epoch: fields.bigEndian(at: 8, as: Int16.self),
            lastTimestamp: timestamp, lastAppendMs: now)
        entry.coordinatorEpoch = fields.bigEndian(at: 34, as: Int32.self)
        entry.transactionFirstOffset = fields.bigEndian(at: 38, as: Int64.self)
        guard entry.producerID >= 0, entry.epoch >= 0, lastSequence >= -1, lastOffset >= -1, offsetDelta >= 0 else {
            return nil
        }
        if lastSequence >= 0, lastOffset >= 0 {
            guard lastOffset >= Int64(offsetDelta) else { return nil }
            let base = (Int64(lastSequence) - Int64(offsetDelta)) & 0x7fff_ffff
            entry.batches = [
                ProducerEntry.Batch(
                    baseSequence: Int32(base), lastSequence: lastSequence, lastOffset: lastOffset,
                    offsetDelta: offsetDelta, timestamp: timestamp)
            ]
        }
        return entry
    }
}

/// A producer that wrote to a partition, as DescribeProducers tells it (KIP-664).
public struct ActiveProducer: Sendable, Hashable {
    /// Handed out once per cluster.
    public var producerID: Int64
    /// The incarnation of the producer that wrote last.
    public var producerEpoch: Int16
    /// -1 when it is not known.
    public var lastSequence: Int32
    /// Milliseconds since 1970.
    public var lastTimestamp: Int64
    /// -1 before the first transaction marker.
    public var coordinatorEpoch: Int32
    /// -1 when no transaction is open.
    public var currentTransactionStartOffset: Int64

    init(_ entry: ProducerEntry) {
        self.producerID = entry.producerID
        self.producerEpoch = entry.epoch
        self.lastSequence = entry.lastSequence
        self.lastTimestamp = entry.lastTimestamp
        self.coordinatorEpoch = entry.coordinatorEpoch
        self.currentTransactionStartOffset = entry.transactionFirstOffset
    }
}
