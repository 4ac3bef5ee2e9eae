// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords

/// Looks for the first record at or after an offset, as a fetch would: index, batch, record. Waits for the disk.
enum GroupLagSearch {
    /// Batches that one search reads at most. Nearly always the first one has the record; where there are only gaps and
    /// markers another search goes on behind them.
    static let batchesMax = 8

    /// What the first record is, up to `end`, a high watermark. Records that are damaged are stepped over: nobody will
    /// ever read them. A log that retention cuts off or that is closed in the meantime cannot be read.
    ///
    /// - Throws: when the disk fails, or a batch whose checksum is right cannot be read.
    static func firstRecord(
        in log: PartitionLog, from offset: Int64, upTo end: Int64
    ) throws(LogError) -> GroupLagBook.Finding {
        var next = offset
        for _ in 0..<Self.batchesMax {
            if next >= end { break }
            let slice: LogSlice
            do throws(LogError) {
                // One byte and "at least one batch": exactly one.
                slice = try log.read(from: next, maxBytes: 1, atLeastOneBatch: true, upTo: end)
            } catch {
                switch error {
                case .corrupt(_, let range) where range.endOffset > next:
                    next = range.endOffset
                    continue
                case .corrupt, .offsetOutOfRange, .closed: return .unreadable
                default: throw error
                }
            }
            if slice.isEmpty { return .nothing(before: end) }
            let bytes = try slice.bytes()
            do throws(RecordError) {
                let batch = try RecordBatch(parsing: bytes)
                if let timestampMs = try Self.timestamp(in: batch, from: next) {
                    return .record(timestampMs: timestampMs)
                }
                guard batch.header.nextOffset > next else { return .unreadable }
                next = batch.header.nextOffset
            } catch {
                throw .malformed(
                    path: slice.file?.path ?? "\(log.topicPartition)",
                    reason: "the batch at offset \(slice.startOffset) cannot be read: \(error)"
                )
            }
        }
        return .nothing(before: next)
    }

    /// The timestamp of the first record at or after the offset; nil when the batch has none there, or markers only.
    static func timestamp(in batch: RecordBatch, from offset: Int64) throws(RecordError) -> Int64? {
        if batch.header.isControl || batch.header.recordCount == 0 { return nil }
        if batch.header.timestampType == .logAppendTime, batch.header.baseOffset >= offset {
            return batch.header.maxTimestamp
        }
        var records = try batch.records()
        while let record = try records.next() {
            if record.offset >= offset { return record.timestamp }
        }
        return nil
    }
}
