// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a partition's log is told about its topic. Names and defaults are those of Kafka's topic configs.
public struct LogConfig: Sendable, Hashable {
    /// A segment is rolled before it grows past this many bytes. `segment.bytes`; at most Int32.max, because the
    /// offset index holds positions in 32 bits.
    public var segmentBytes: Int64 = 1 << 30
    /// A segment is rolled when its records span more than this many milliseconds. `segment.ms`.
    public var segmentMs: Int64 = 7 * 24 * 60 * 60 * 1_000
    /// Up to this many milliseconds are taken off `segmentMs`, differently for each segment, so that the partitions
    /// of a topic do not roll all at once. `segment.jitter.ms`.
    public var segmentJitterMs: Int64 = 0
    /// An index entry is written after this many bytes of batches. `index.interval.bytes`.
    public var indexIntervalBytes: Int64 = 4_096
    /// A segment is rolled when its offset index would grow past this many bytes. `segment.index.bytes`.
    public var segmentIndexBytes: Int64 = 10 << 20
    /// The oldest segments go when the log is larger than this and stays as large without them; negative for no
    /// limit. `retention.bytes`.
    public var retentionBytes: Int64 = -1
    /// A segment goes when its newest record is older than this many milliseconds; negative for no limit.
    /// `retention.ms`.
    public var retentionMs: Int64 = 7 * 24 * 60 * 60 * 1_000
    /// `cleanup.policy` contains `delete`: `retentionBytes` and `retentionMs` apply.
    public var isDeleted = true
    /// `cleanup.policy` contains `compact`: offsets may be missing between batches.
    public var isCompacted = false
    /// How long the tombstone of a key stays after the cleaning that found it, in milliseconds.
    /// `delete.retention.ms`.
    public var deleteRetentionMs: Int64 = 24 * 60 * 60 * 1_000
    /// The part of the log, from 0 to 1, that must be dirty before it is cleaned. `min.cleanable.dirty.ratio`.
    public var minCleanableDirtyRatio = 0.5
    /// Records younger than this many milliseconds are not cleaned. `min.compaction.lag.ms`.
    public var minCompactionLagMs: Int64 = 0
    /// A record that is older than this many milliseconds does not wait for the dirty ratio; `Int64.max` for no limit.
    /// `max.compaction.lag.ms`.
    public var maxCompactionLagMs: Int64 = .max
    /// The largest batch in bytes. `max.message.bytes`; enforced where batches are validated, told here for messages.
    public var maxMessageBytes: Int = 1_048_588
    /// A flush is due after this many records. `flush.messages`.
    public var flushMessages: Int64 = .max
    /// A flush is due after this many milliseconds. `flush.ms`.
    public var flushMs: Int64 = .max
    /// The files of a deleted segment stay this long under their `.deleted` name. `file.delete.delay.ms`.
    public var fileDeleteDelayMs: Int64 = 60_000
    /// A producer that has not written for this long is forgotten. `producer.id.expiration.ms`.
    public var producerIDExpirationMs: Int64 = 24 * 60 * 60 * 1_000
    /// The most producers remembered for one partition; past it the least recently active are forgotten.
    public var producersMax: Int = 100_000

    /// Kafka's defaults.
    public init() {}
}
