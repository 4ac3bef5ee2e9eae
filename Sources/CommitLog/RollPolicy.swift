// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Decides whether the next batch begins a new segment, by Kafka's rules. A value type without IO.
struct RollPolicy: Sendable {
    /// The active segment, with what is about to be written to it.
    struct Segment: Sendable {
        var baseOffset: Int64
        var sizeInBytes: Int64
        /// The largest timestamp of the first batch; nil for an empty segment, negative when it had none.
        var firstTimestamp: Int64?
        /// When the segment began, in wall-clock milliseconds: used when the records have no timestamps.
        var createdMs: Int64
        var offsetIndexCount: Int
        var timeIndexCount: Int
    }

    enum Reason: String, Sendable {
        case size = "segment.bytes"
        case time = "segment.ms"
        case index = "segment.index.bytes"
        case relativeOffset = "offsets relative to the segment take 32 bits"
    }

    /// Why a batch of `byteCount` bytes that ends at `lastOffset` needs a new segment; nil when it goes into this one.
    static func reason(
        for segment: Segment, byteCount: Int, lastOffset: Int64, maxTimestamp: Int64, now: Int64, config: LogConfig
    ) -> Reason? {
        guard segment.sizeInBytes > 0 else {
            return lastOffset - segment.baseOffset > Int64(Int32.max) ? .relativeOffset : nil
        }
        let segmentBytes = min(max(config.segmentBytes, 1), Int64(Int32.max))
        if segment.sizeInBytes > segmentBytes - Int64(byteCount) { return .size }
        if self.timeWaited(by: segment, maxTimestamp: maxTimestamp, now: now)
            > config.segmentMs - self.jitterMs(of: segment.baseOffset, config: config)
        {
            return .time
        }
        if segment.offsetIndexCount >= Int(config.segmentIndexBytes) / OffsetIndexEntry.byteCount
            // One entry is kept free for the one written at the end.
            || segment.timeIndexCount >= Int(config.segmentIndexBytes) / TimeIndexEntry.byteCount - 1
        {
            return .index
        }
        return lastOffset - segment.baseOffset > Int64(Int32.max) ? .relativeOffset : nil
    }

    private static func timeWaited(by segment: Segment, maxTimestamp: Int64, now: Int64) -> Int64 {
        if let first = segment.firstTimestamp, first >= 0, maxTimestamp >= 0 {
            return maxTimestamp.subtractingReportingOverflow(first).partialValue
        }
        return now.subtractingReportingOverflow(segment.createdMs).partialValue
    }

    /// Spread over the segments by their base offset, so that no source of randomness is needed.
    static func jitterMs(of baseOffset: Int64, config: LogConfig) -> Int64 {
        let jitter = min(config.segmentJitterMs, config.segmentMs)
        guard jitter > 0 else { return 0 }
        var mixed = UInt64(bitPattern: baseOffset) &* 0x9e37_79b9_7f4a_7c15
        mixed ^= mixed >> 32
        return Int64(mixed % UInt64(jitter))
    }
}
