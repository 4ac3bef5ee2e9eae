// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Decides which part of a log may be compacted, and whether it is time. A value type without IO.
///
/// A log is clean up to some offset and dirty behind it. Only whole sealed segments are cleaned, and only those whose
/// every record is
/// - below the high watermark and the last stable offset, and before every open transaction,
/// - on stable storage,
/// - older than `min.compaction.lag.ms`, together with all segments before it.
struct CompactionPolicy: Sendable {
    /// One sealed segment, oldest first.
    struct Segment: Sendable {
        var baseOffset: Int64
        /// The offset after the segment.
        var endOffset: Int64
        var sizeInBytes: Int64
        /// The largest record timestamp in milliseconds since 1970, -1 without one. Needed with
        /// `min.compaction.lag.ms`.
        var maxTimestamp: Int64 = -1
        /// The timestamp of its first batch, -1 without one. Needed with `max.compaction.lag.ms`.
        var firstTimestamp: Int64 = -1
        /// Wall-clock milliseconds: counts where records have no timestamps.
        var lastAppendMs: Int64
    }

    /// What is known of the log besides its segments.
    struct Limits: Sendable {
        var logStartOffset: Int64
        /// The smaller of high watermark and last stable offset.
        var stableOffset: Int64
        var flushedOffset: Int64
        /// Where the oldest open transaction begins; nil without one.
        var openTransactionOffset: Int64?
        /// Up to here the log was cleaned before.
        var cleanedOffset: Int64
    }

    /// The first offset to be cleaned: what is before it is clean or deleted.
    private(set) var firstDirtyOffset: Int64
    /// The offset that must not be cleaned any more: the base of a segment.
    private(set) var endOffset: Int64
    /// Bytes of the segments before the first dirty one.
    private(set) var cleanBytes: Int64 = 0
    /// Bytes of the dirty segments that may be cleaned.
    private(set) var dirtyBytes: Int64 = 0
    /// A record has waited longer than `max.compaction.lag.ms`.
    private(set) var isOverdue = false

    /// Looks at the sealed segments of a log. `now` is wall-clock milliseconds.
    init(_ segments: [Segment], limits: Limits, now: Int64, config: LogConfig) {
        let start = max(limits.logStartOffset, segments.first?.baseOffset ?? limits.logStartOffset)
        // What a lost or foreign note says of offsets that are not there proves nothing.
        let isKnown = limits.cleanedOffset >= start && limits.cleanedOffset <= limits.flushedOffset
        self.firstDirtyOffset = isKnown ? limits.cleanedOffset : start
        self.endOffset = start
        var stableOffset = min(limits.stableOffset, limits.flushedOffset)
        if let open = limits.openTransactionOffset { stableOffset = min(stableOffset, open) }
        for segment in segments {
            guard segment.endOffset <= stableOffset, !Self.isTooYoung(segment, now: now, config: config) else { break }
            self.endOffset = segment.endOffset
            if segment.endOffset <= self.firstDirtyOffset {
                self.cleanBytes += segment.sizeInBytes
            } else {
                self.dirtyBytes += segment.sizeInBytes
                if Self.isOverdue(segment, now: now, config: config) { self.isOverdue = true }
            }
        }
        self.endOffset = max(self.endOffset, self.firstDirtyOffset)
    }

    /// The part of the bytes that may be cleaned that is dirty, from 0 to 1.
    var dirtyRatio: Double {
        let total = self.cleanBytes + self.dirtyBytes
        return total > 0 ? Double(self.dirtyBytes) / Double(total) : 0
    }

    /// Whether it is time to clean.
    func isDue(_ config: LogConfig) -> Bool {
        guard config.isCompacted, self.dirtyBytes > 0, self.endOffset > self.firstDirtyOffset else { return false }
        return self.isOverdue || self.dirtyRatio >= config.minCleanableDirtyRatio
    }

    /// Whether the active segment is to be sealed, as its first record has waited for `max.compaction.lag.ms`. The
    /// timestamp is that of the first batch, nil or negative without one; then the time of the segment's beginning
    /// counts.
    static func needsRoll(firstTimestamp: Int64?, createdMs: Int64, now: Int64, config: LogConfig) -> Bool {
        guard config.isCompacted, config.maxCompactionLagMs != .max else { return false }
        let first = firstTimestamp.flatMap { $0 >= 0 ? $0 : nil } ?? createdMs
        return self.age(of: first, now: now) > config.maxCompactionLagMs
    }

    private static func isTooYoung(_ segment: Segment, now: Int64, config: LogConfig) -> Bool {
        guard config.minCompactionLagMs > 0 else { return false }
        let newest = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.lastAppendMs
        return self.age(of: newest, now: now) < config.minCompactionLagMs
    }

    private static func isOverdue(_ segment: Segment, now: Int64, config: LogConfig) -> Bool {
        guard config.maxCompactionLagMs != .max else { return false }
        let first = segment.firstTimestamp >= 0 ? segment.firstTimestamp : segment.lastAppendMs
        return self.age(of: first, now: now) > config.maxCompactionLagMs
    }

    private static func age(of timestamp: Int64, now: Int64) -> Int64 {
        let (age, overflow) = now.subtractingReportingOverflow(timestamp)
        return overflow ? (timestamp < 0 ? .max : .min) : age
    }
}

/// Decides which neighbouring segments become one when they are cleaned, so that a log whose records go does not end up
/// with thousands of small files. A value type without IO.
struct SegmentGroups: Sendable {
    /// One sealed segment, oldest first.
    struct Segment: Sendable {
        var baseOffset: Int64
        /// The offset after the segment.
        var endOffset: Int64
        var sizeInBytes: Int64
        var offsetIndexCount: Int
        var timeIndexCount: Int
    }

    /// Splits the segments, in their order, into runs that fit into one segment by what they have before cleaning:
    /// `segment.bytes`, `segment.index.bytes` for each index, and offsets that are relative in 32 bits. A segment that
    /// is too large by itself is a group of its own.
    static func plan(_ segments: [Segment], config: LogConfig) -> [Range<Int>] {
        let bytesMax = min(config.segmentBytes, Int64(Int32.max))
        // One entry is kept free in the time index for the one written at the end.
        let offsetsMax = Int(clamping: config.segmentIndexBytes) / OffsetIndexEntry.byteCount
        let timesMax = Int(clamping: config.segmentIndexBytes) / TimeIndexEntry.byteCount - 1
        var groups: [Range<Int>] = []
        var first = 0
        while first < segments.count {
            var next = first + 1
            var (bytes, offsets, times) = (
                segments[first].sizeInBytes, segments[first].offsetIndexCount, segments[first].timeIndexCount
            )
            while next < segments.count {
                let segment = segments[next]
                bytes += segment.sizeInBytes
                offsets += segment.offsetIndexCount
                times += segment.timeIndexCount
                guard bytes <= bytesMax, offsets <= offsetsMax, times <= timesMax,
                    segment.endOffset - 1 - segments[first].baseOffset <= Int64(Int32.max)
                else { break }
                next += 1
            }
            groups.append(first..<next)
            first = next
        }
        return groups
    }
}
