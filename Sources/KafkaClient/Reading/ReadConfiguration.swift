// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords
public import KafkaTypes

/// Where to begin and where to end in one partition.
public struct ReadRange: Hashable, Sendable {
    /// The partition.
    public var partition: TopicPartition
    /// The first offset that is wanted.
    public var start: Offset
    /// The first offset that is not wanted any more; nil to wait for new records without end.
    public var end: Offset?

    /// A part of a partition.
    public init(_ partition: TopicPartition, from start: Offset, upTo end: Offset? = nil) {
        self.partition = partition
        self.start = start
        self.end = end
    }
}

/// How to read. The defaults suit reading much at once.
public struct ReadConfiguration: Sendable {
    /// What to do when the offset to be read is not in the partition any more, or not yet.
    public enum OutOfRangePolicy: Sendable {
        /// Throw; the error says which offsets there are.
        case fail
        /// Go on with the first record that is still there. An offset beyond the end is an error all the same.
        case skipToEarliest
    }

    /// How long a broker waits for new records before it answers with none.
    public var maxWait: Duration = .milliseconds(500)
    /// A broker answers as soon as it has so many bytes.
    public var minBytes: Int32 = 1
    /// What one broker may send in one answer, in bytes. The first batch comes even when it is larger. Two answers per
    /// broker are held at a time: one that is being read and one that is on its way.
    public var maxBytes: Int32 = 16 * 1024 * 1024
    /// What one partition may contribute to an answer, in bytes.
    public var partitionMaxBytes: Int32 = 4 * 1024 * 1024
    /// Records that were deleted while they were about to be read.
    public var outOfRangePolicy = OutOfRangePolicy.fail
    /// Which records of transactions are read. With read-committed, a range without an end waits at the first
    /// transaction that is still open.
    public var isolation = ReadIsolation.readUncommitted
    /// Compare the checksum of every batch. It costs about one tenth of a second per GB.
    public var verifiesChecksums = true

    /// The defaults.
    public init() {}
}

/// A batch that was read, and which of its records are wanted.
public struct ReadBatch: Sendable {
    /// Where it comes from.
    public var partition: TopicPartition
    /// The whole batch: it may begin before the range that is wanted and end after it.
    public var batch: RecordBatch
    /// Records before this offset are not wanted.
    public var start: Offset
    /// Records from this offset on are not wanted; nil: all after `start` are.
    public var end: Offset?
    /// More batches follow at once, since they came in the same answer: a receiver may put off what it does when
    /// there is nothing to do.
    public internal(set) var isFollowed = false

    /// The offset of a record of the batch lies in the range that is wanted.
    @inlinable
    public func contains(offset: Int64) -> Bool {
        guard offset >= self.start.rawValue else { return false }
        guard let end = self.end else { return true }
        return offset < end.rawValue
    }
}

/// Whether to go on reading.
public enum ReadDecision: Sendable {
    /// With the next batch.
    case more
    /// Nothing more is wanted, of any partition.
    case stop
}
