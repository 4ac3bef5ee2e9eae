// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Decides which batches of a segment get index entries. Appends and recoveries use the same one, so that a rebuilt
/// index is the one that was lost. A value type without IO.
struct SegmentIndexer: Sendable, Hashable {
    /// Bytes since the last entry of the offset index.
    var bytesSinceLastEntry: Int64 = 0
    /// The largest timestamp of the segment so far in milliseconds since 1970, -1 before the first.
    var maxTimestamp: Int64 = -1
    /// The last offset of the first batch that has it.
    var maxTimestampOffset: Int64 = -1
    /// The largest timestamp of the segment's first batch: rolling by time counts from it. Nil before that batch.
    var firstTimestamp: Int64?

    /// Takes note of a batch at a position and returns the entries that are due because of it.
    mutating func add(
        _ header: RecordBatchHeader, position: Int64, intervalBytes: Int64
    ) -> (offset: OffsetIndexEntry, time: TimeIndexEntry?)? {
        if self.firstTimestamp == nil { self.firstTimestamp = header.maxTimestamp }
        // A batch from which compaction took all records has none at that time.
        if header.recordCount > 0, header.maxTimestamp > self.maxTimestamp {
            self.maxTimestamp = header.maxTimestamp
            self.maxTimestampOffset = header.lastOffset
        }
        defer { self.bytesSinceLastEntry += Int64(header.sizeInBytes) }
        guard self.bytesSinceLastEntry > intervalBytes, position > 0 else { return nil }
        self.bytesSinceLastEntry = 0
        return (OffsetIndexEntry(offset: header.lastOffset, position: position), self.timeEntry)
    }

    /// The entry that says what the largest timestamp is so far; nil without timestamps.
    var timeEntry: TimeIndexEntry? {
        guard self.maxTimestamp >= 0, self.maxTimestampOffset >= 0 else { return nil }
        return TimeIndexEntry(timestamp: self.maxTimestamp, offset: self.maxTimestampOffset)
    }
}
