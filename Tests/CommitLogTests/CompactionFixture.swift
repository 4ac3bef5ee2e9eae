// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

/// A record with a key, as tests compare them.
struct KeyedRecord: Hashable, CustomStringConvertible {
    var offset: Int64
    var key: String?
    /// Nil for a tombstone.
    var value: String?
    var timestamp: Int64

    var description: String { "\(self.offset):\(self.key ?? "null")=\(self.value?.prefix(16) ?? "null")" }
}

/// What a batch of keyed records looks like.
struct KeyedShape {
    var records: [(key: String?, value: String?)]
    var timestamp: Int64 = testNow
    var codec: CompressionCodec = .none
    var producerID: Int64 = -1
    var sequence: Int32 = -1
    var isTransactional = false
    var logAppendTime: Int64?
}

func keyedBatch(_ shape: KeyedShape) -> PreparedBatch {
    var options = RecordBatchBuilder.Options()
    options.codec = shape.codec
    options.producerID = shape.producerID
    options.producerEpoch = shape.producerID >= 0 ? 0 : -1
    options.baseSequence = shape.sequence
    options.isTransactional = shape.isTransactional
    options.logAppendTime = shape.logAppendTime
    var builder = RecordBatchBuilder(options)
    for (index, record) in shape.records.enumerated() {
        let headers = [RecordHeader(name: "n", value: ByteBuffer(string: "\(index)"))]
        try! builder.append(
            key: record.key.map { ByteBuffer(string: $0) }, value: record.value.map { ByteBuffer(string: $0) },
            headers: headers, timestamp: shape.timestamp + Int64(index))
    }
    return PreparedBatch(trusting: try! builder.finish())
}

/// A batch of records `key=value`; without a value, a tombstone.
func keyed(_ texts: String..., codec: CompressionCodec = .none, timestamp: Int64 = testNow) -> PreparedBatch {
    let records = texts.map { text -> (key: String?, value: String?) in
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : nil)
    }
    return keyedBatch(KeyedShape(records: records, timestamp: timestamp, codec: codec))
}

func marker(_ outcome: EndTransactionMarker.Outcome, producer: Int64, timestamp: Int64 = testNow) -> PreparedBatch {
    let marker = EndTransactionMarker(outcome: outcome, coordinatorEpoch: 0)
    return PreparedBatch(
        trusting: try! marker.batch(producerID: producer, producerEpoch: 0, timestamp: timestamp))
}

extension LogConfig {
    /// What the tests of compaction begin with: everything is due, nothing has to wait.
    static var compacted: LogConfig {
        var config = LogConfig()
        config.isCompacted = true
        config.isDeleted = false
        config.minCleanableDirtyRatio = 0
        config.indexIntervalBytes = 200
        config.fileDeleteDelayMs = 0
        return config
    }
}

let testSeed = CompactionSeed(0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00)

extension PartitionLog {
    /// Seals what there is and makes it visible, as a broker would in time.
    func seal(now: Int64 = testNow) throws {
        try self.roll(now: now)
        try self.flush()
        self.advanceHighWatermark(to: self.endOffset)
    }

    /// Cleans once.
    @discardableResult
    func clean(now: Int64 = testNow, mapByteCount: Int = 1 << 20) throws -> CompactionResult {
        try self.compact(CompactionOptions(mapByteCount: mapByteCount, now: now, seed: testSeed)) { _ in true }
    }

    /// All records from an offset on, read as a consumer does: every batch checked, offsets rising.
    func keyedRecords(from offset: Int64? = nil, maxBytes: Int = 1 << 20) throws -> [KeyedRecord] {
        var seen: [KeyedRecord] = []
        for batch in try self.allBatches(from: offset, maxBytes: maxBytes) where !batch.header.isControl {
            var records = try batch.records()
            while let record = try records.next() {
                guard record.offset >= offset ?? self.logStartOffset else { continue }
                guard record.offset > seen.last?.offset ?? -1 else { throw TestFailure("offset \(record.offset)") }
                seen.append(
                    KeyedRecord(
                        offset: record.offset, key: record.key.map { String(buffer: $0) },
                        value: record.value.map { String(buffer: $0) }, timestamp: record.timestamp))
            }
        }
        return seen
    }

    func allBatches(from offset: Int64? = nil, maxBytes: Int = 1 << 20) throws -> [RecordBatch] {
        var all: [RecordBatch] = []
        var next = offset ?? self.logStartOffset
        while true {
            let batches = try self.batches(from: next, maxBytes: maxBytes)
            guard let last = batches.last else { return all }
            for batch in batches where !batch.verifyChecksum() {
                throw TestFailure("the batch at \(batch.header.baseOffset) is damaged")
            }
            all += batches
            next = last.header.nextOffset
        }
    }
}

/// `offset=value` of each record, for short expectations.
func shown(_ records: [KeyedRecord]) -> [String] {
    records.map { "\($0.offset) \($0.key ?? "-")=\($0.value ?? "-")" }
}

/// All that was ever written to a log, and what compaction may make of it.
struct KeyedModel {
    var records: [KeyedRecord] = []

    mutating func append(_ shape: KeyedShape) {
        for (index, record) in shape.records.enumerated() {
            self.records.append(
                KeyedRecord(
                    offset: Int64(self.records.count), key: record.key, value: record.value,
                    timestamp: shape.logAppendTime ?? shape.timestamp + Int64(index)))
        }
    }

    /// The last record of each key before an offset.
    func latest(before end: Int64) -> [String: KeyedRecord] {
        var latest: [String: KeyedRecord] = [:]
        for record in self.records.prefix(Int(end)) { if let key = record.key { latest[key] = record } }
        return latest
    }

    /// Why a log that has gone through any number of cleanings and crashes is wrong; nil when it is right.
    func problem(of log: PartitionLog) throws -> String? {
        guard log.endOffset <= Int64(self.records.count) else { return "it ends at \(log.endOffset)" }
        guard log.damagedRanges.isEmpty else { return "damage: \(log.damagedRanges)" }
        let found = try log.keyedRecords()
        for record in found where self.records[Int(record.offset)] != record {
            return "found \(record) instead of \(self.records[Int(record.offset)])"
        }
        let present = Set(found.map(\.offset))
        for (key, record) in self.latest(before: log.endOffset)
        where record.value != nil && record.offset >= log.logStartOffset && !present.contains(record.offset) {
            return "the last record of \(key) is missing: \(record)"
        }
        // A tombstone may have gone, but then nothing of its key may be left.
        for record in found {
            guard let key = record.key, let latest = self.latest(before: log.endOffset)[key] else { continue }
            if latest.value == nil, !present.contains(latest.offset) { return "\(record) has come back" }
        }
        return nil
    }
}
