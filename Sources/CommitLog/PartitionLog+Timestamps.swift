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
    /// May be called from any thread. Reads an index block, some batch headers and the batches between an entry of the
    /// time index and the record, each of which is checked. Damaged batches are stepped over, whether known before or
    /// found now: the answer is the first good record, and a consumer that reads on from there misses what it would
    /// have been told of by an error at an earlier offset. Throws `malformed` when a batch whose checksum is right
    /// cannot be read.
    public func offsetForTimestamp(_ timestamp: Int64) throws(LogError) -> TimestampedOffset? {
        for view in try self.allViews() {
            let (largest, start) = try disk { () throws(FileSystemError) in
                (
                    try view.segment.maxTimestamp(skipping: view.skips),
                    try view.segment.offsetBefore(timestamp: timestamp, skipping: view.skips)
                )
            }
            guard largest >= timestamp else { continue }
            if let found = try self.firstRecord(
                in: view, from: max(start, self.logStartOffset), where: { $0 >= timestamp })
            {
                return found
            }
        }
        return nil
    }

    /// The first record with the largest timestamp of the log, or nil when no record has one. Damaged batches do not
    /// count.
    ///
    /// Reads the headers of one stretch between two index entries and the batches from there to the record.
    public func maxTimestampOffset() throws(LogError) -> TimestampedOffset? {
        // Of segments that say more than their records do.
        var found: [Int64: Int64] = [:]
        for _ in 0...Self.attemptsMax {
            var best: (view: ReadView, timestamp: Int64)?
            for view in try self.allViews() {
                let largest = try disk { () throws(FileSystemError) in
                    if let known = found[view.segment.baseOffset] { return known }
                    return try view.segment.maxTimestamp(skipping: view.skips)
                }
                if largest >= 0, largest > best?.timestamp ?? -1 { best = (view, largest) }
            }
            guard let best else { return nil }
            let start = try disk { () throws(FileSystemError) in
                try best.view.segment.offsetBefore(timestamp: best.timestamp, skipping: best.view.skips)
            }
            if let found = try self.firstRecord(
                in: best.view, from: max(start, self.logStartOffset), where: { $0 >= best.timestamp })
            {
                return found
            }
            // The batch that said so is damaged, or before the log start.
            found[best.view.segment.baseOffset] = try self.checkedMaxTimestamp(
                of: best.view.segment.baseOffset, below: best.timestamp)
        }
        return nil
    }

    /// The largest timestamp below another one that a good batch of a segment has; -1 when there is none. Reads the
    /// whole segment.
    private func checkedMaxTimestamp(of baseOffset: Int64, below limit: Int64) throws(LogError) -> Int64 {
        guard let view = try self.allViews().first(where: { $0.segment.baseOffset == baseOffset }) else { return -1 }
        let logStartOffset = self.logStartOffset
        return try CheckWindows.shared.withWindow { window throws(LogError) in
            try disk { () throws(FileSystemError) in
                var scan = CheckedScan(
                    file: try view.segment.logFile(), from: 0, to: view.endPosition, expecting: baseOffset,
                    upperOffset: view.endOffset, damage: view.damage, window: window)
                var largest: Int64 = -1
                while case .batch(let header, _) = try scan.next() {
                    guard header.lastOffset >= logStartOffset, header.maxTimestamp < limit else { continue }
                    largest = max(largest, header.maxTimestamp)
                }
                return largest
            }
        }
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
        var view = view
        var attempts = 0
        while true {
            do throws(LogError) {
                return try self.firstCheckedRecord(in: view, from: offset, where: fits)
            } catch {
                try self.lookInto(error, in: view, .mayWait, &attempts)
            }
            let segment = view.segment
            let changed = self.shared.withLock { shared in
                shared.segments.firstIndex { $0 === segment }.map { shared.view(at: $0) }
            }
            guard let changed else { return nil }
            view = changed
        }
    }

    /// The same; throws `corrupt` where it meets damage that is not known yet.
    private func firstCheckedRecord(
        in view: ReadView, from offset: Int64, where fits: (Int64) -> Bool
    ) throws(LogError) -> TimestampedOffset? {
        let first = try view.segment.locate(offset, before: view.endPosition, skipping: view.skips)
        guard let first else { return nil }
        let file = try disk { () throws(FileSystemError) in try view.segment.logFile() }
        return try CheckWindows.shared.withWindow { window throws(LogError) in
            var scan = CheckedScan(
                file: file, from: first.position, to: view.endPosition,
                expecting: first.expectedOffset, upperOffset: view.endOffset,
                damage: view.damage, window: window)
            while true {
                switch try disk({ () throws(FileSystemError) in try scan.next() }) {
                case .batch(let header, let position):
                    guard header.recordCount > 0, fits(header.maxTimestamp), header.lastOffset >= offset else {
                        continue
                    }
                    let slice = LogSlice(
                        file: file, position: position, byteCount: header.sizeInBytes, startOffset: header.baseOffset)
                    if let found = try self.record(in: slice, from: offset, where: fits) { return found }
                case .damaged(let fault):
                    throw .corrupt(
                        self.topicPartition,
                        DamagedRange(
                            startOffset: fault.expectedOffset, endOffset: fault.expectedOffset &+ 1,
                            segmentBaseOffset: view.segment.baseOffset, startPosition: fault.position,
                            endPosition: fault.position))
                case .cutOff, .end:
                    return nil
                }
            }
        }
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
