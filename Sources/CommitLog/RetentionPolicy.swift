// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Decides which segments of a log have had their time. A value type without IO.
///
/// The age of a segment counts from the later of the largest record timestamp and the last append. Old records that
/// are copied in today are kept for `retention.ms` from today, where Kafka would delete them at once.
struct RetentionPolicy: Sendable {
    /// One segment, oldest first.
    struct Segment: Sendable {
        var baseOffset: Int64
        /// The offset after the segment.
        var endOffset: Int64
        var sizeInBytes: Int64
        /// The largest record timestamp in milliseconds since 1970, -1 without one.
        var maxTimestamp: Int64
        /// Wall-clock milliseconds.
        var lastAppendMs: Int64
    }

    /// How many segments at the beginning may go, each with the reason. Only what lies before both the high watermark
    /// and the end of the log is looked at, and segments go from the oldest on without leaving one out.
    static func deletable(
        _ segments: [Segment], logStartOffset: Int64, highWatermark: Int64, now: Int64, config: LogConfig
    ) -> [DeletedSegment.Reason] {
        var reasons: [DeletedSegment.Reason] = []
        var total = segments.reduce(0) { $0 + $1.sizeInBytes }
        for segment in segments {
            guard segment.endOffset <= highWatermark, segment.endOffset > segment.baseOffset else { break }
            guard let reason = self.reason(segment, total, logStartOffset: logStartOffset, now: now, config: config)
            else { break }
            reasons.append(reason)
            total -= segment.sizeInBytes
        }
        return reasons
    }

    private static func reason(
        _ segment: Segment, _ total: Int64, logStartOffset: Int64, now: Int64, config: LogConfig
    ) -> DeletedSegment.Reason? {
        if segment.endOffset <= logStartOffset { return .logStartOffset }
        guard config.isDeleted else { return nil }
        if config.retentionMs >= 0 {
            let counted = max(segment.maxTimestamp, segment.lastAppendMs)
            let age = now.subtractingReportingOverflow(counted)
            if !age.overflow, age.partialValue > config.retentionMs {
                return .retentionMs(
                    countedFrom: counted,
                    basis: segment.maxTimestamp >= segment.lastAppendMs ? .recordTime : .appendTime)
            }
        }
        if config.retentionBytes >= 0, total - segment.sizeInBytes >= config.retentionBytes {
            return .retentionBytes(logSize: total)
        }
        return nil
    }
}

/// A segment that retention took away.
public struct DeletedSegment: Sendable, Hashable {
    /// Which of two times the age of a segment was counted from: the later one.
    public enum TimeBasis: String, Sendable, Hashable {
        case recordTime = "record timestamp"
        case appendTime = "append time"
    }

    /// Why a segment was deleted.
    public enum Reason: Sendable, Hashable, CustomStringConvertible {
        /// All of its records lie before the log start offset.
        case logStartOffset
        /// It was older than `retention.ms`, counted from this time in milliseconds since 1970.
        case retentionMs(countedFrom: Int64, basis: TimeBasis)
        /// The log was larger than `retention.bytes`.
        case retentionBytes(logSize: Int64)

        /// The reason in words, for the log line.
        public var description: String {
            switch self {
            case .logStartOffset:
                "all of its records are before the log start offset"
            case .retentionMs(let time, let basis):
                "it is older than retention.ms, counted from its newest \(basis.rawValue) \(time), "
                    + "the later of record timestamp and append time"
            case .retentionBytes(let logSize):
                "the log has \(logSize) bytes, more than retention.bytes"
            }
        }
    }

    /// The first offset of the segment.
    public var baseOffset: Int64
    /// The offset after the segment.
    public var endOffset: Int64
    /// The size of its batches in bytes.
    public var sizeInBytes: Int64
    /// Why it was deleted.
    public var reason: Reason
}
