// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Synchronization

/// A record found by its timestamp.
public struct TimestampedOffset: Sendable, Hashable {
    /// The offset of the record.
    public var offset: Int64
    /// Milliseconds since 1970.
    public var timestamp: Int64
    /// -1 when it is not known.
    public var leaderEpoch: Int32
}

extension PartitionLog {
    /// The first record at or after the log start whose timestamp is not below `timestamp`, or nil.
    ///
    /// May be called from any thread. Reads an index block, some batch headers and one batch. Damaged ranges are
    /// stepped over. Throws `malformed` when the batch that holds the record cannot be read.
    public func offsetForTimestamp(_ timestamp: Int64) throws(LogError) -> TimestampedOffset? {
        for view in try self.allViews() {
            let largest = try disk { () throws(FileSystemError) in try view.segment.maxTimestamp() }
            guard largest >= timestamp else { continue }
            let start = try disk { () throws(FileSystemError) in
                try view.segment.offsetBefore(timestamp: timestamp)
            }
            if let found = try self.firstRecord(
                in: view, from: max(start, self.logStartOffset), where: { $0 >= timestamp })
            {
                return found
            }
        }
        return nil
    }

    /// The first record with the largest timestamp of the log, or nil when no record has one.
    ///
    /// Reads the headers of one stretch between two index entries and one batch.
    public func maxTimestampOffset() throws(LogError) -> TimestampedOffset? {
        var best: (view: ReadView, timestamp: Int64)?
        for view in try self.allViews() {
            let largest = try disk { () throws(FileSystemError) in try view.segment.maxTimestamp() }
            if largest >= 0, largest > best?.timestamp ?? -1 { best = (view, largest) }
        }
        guard let best else { return nil }
        let start = try disk { () throws(FileSystemError) in
            try best.view.segment.offsetBefore(timestamp: best.timestamp)
        }
        return try self.firstRecord(
            in: best.view, from: max(start, self.logStartOffset), where: { $0 >= best.timestamp })
    }

    private func allViews() throws(LogError) -> [ReadView] {
        try self.shared.withLock { shared throws(LogError) in
            if shared.isClosed { throw .closed(self.topicPartition) }
            return shared.segments.indices.map { shared.view(at: $0) }
        }
    }

    /// The first record at or after an offset whose timestamp fits; the test must hold for all larger timestamps.
    private func firstRecord(
        in view: ReadView, from offset: Int64, where fits: (Int64) -> Bool
    ) throws(LogError) -> TimestampedOffset? {
        let skips = view.skips
        guard let first = try view.segment.locate(offset, before: view.endPosition, skipping: skips) else { return nil }
        let file = try disk { () throws(FileSystemError) in try view.segment.logFile() }
        var scanner = BatchScanner(file: file, from: first.position, to: view.endPosition, skipping: skips)
        while case .batch(let header, let position) = try disk({ () throws(FileSystemError) in try scanner.next() }) {
            guard fits(header.maxTimestamp), header.lastOffset >= offset else { continue }
            let slice = LogSlice(
                file: file, position: position, byteCount: header.sizeInBytes, startOffset: header.baseOffset)
            if let found = try self.record(in: slice, from: offset, where: fits) { return found }
        }
        return nil
    }

    private func record(
        in slice: LogSlice, from offset: Int64, where fits: (Int64) -> Bool
    ) throws(LogError) -> TimestampedOffset? {
        let bytes = try slice.bytes()
        do throws(RecordError) {
            let batch = try RecordBatch(parsing: bytes)
            guard batch.verifyChecksum() else {
                throw .checksumMismatch(stored: batch.header.crc, computed: batch.computedChecksum())
            }
            let epoch = batch.header.partitionLeaderEpoch
            if batch.header.timestampType == .logAppendTime {
                return TimestampedOffset(
                    offset: max(batch.header.baseOffset, offset), timestamp: batch.header.maxTimestamp,
                    leaderEpoch: epoch)
            }
            var records = try batch.records()
            while let record = try records.next() {
                if record.offset >= offset, fits(record.timestamp) {
                    return TimestampedOffset(offset: record.offset, timestamp: record.timestamp, leaderEpoch: epoch)
                }
            }
            return nil
        } catch {
            throw .malformed(
                path: slice.file?.path ?? self.directory,
                reason: "the batch at offset \(slice.startOffset) cannot be read: \(error)")
        }
    }
}
