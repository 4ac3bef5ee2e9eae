// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Why a log cannot do what it was asked.
public enum LogError: Error, Sendable, Hashable {
    /// The offset was deleted or is not written yet. The two offsets are what the log had at that moment.
    case offsetOutOfRange(TopicPartition, requested: Int64, logStartOffset: Int64, endOffset: Int64)
    /// The offset lies among records that are damaged on disk. They are never served.
    case corrupt(TopicPartition, DamagedRange)
    /// A write or a sync failed before. Nothing is appended until the log has been opened again; reads go on.
    case fenced(TopicPartition, reason: String)
    /// There is no room on the disk for what had to be written. Nothing of it is in the log; the log takes records again
    /// as soon as there is room.
    case full(TopicPartition, FileSystemError)
    /// The log was closed or its partition deleted.
    case closed(TopicPartition)
    /// The file system refused.
    case storage(FileSystemError)
    /// A file is not what it should be, and opening the log without it would mean guessing.
    case malformed(path: String, reason: String)
    /// Another process has the data directory open.
    case directoryLocked(path: String)
    /// The partition is there already.
    case partitionExists(TopicPartition)
}

extension LogError: CustomStringConvertible {
    /// What happened and what to do, for an operator.
    public var description: String {
        switch self {
        case .offsetOutOfRange(let partition, let requested, let start, let end):
            "\(partition) has no offset \(requested): it holds offsets \(start) up to, not including, \(end)"
        case .corrupt(let partition, let range):
            "\(partition) is damaged from offset \(range.startOffset) up to, not including, \(range.endOffset): "
                + "these records cannot be served; delete them with DeleteRecords or read on from \(range.endOffset)"
        case .fenced(let partition, let reason):
            "\(partition) takes no records because its disk failed: \(reason); "
                + "check the disk and restart the broker, which recovers the log"
        case .full(let partition, let error):
            "\(partition) has no room on its disk: \(error); delete topics or records, lower retention or enlarge the "
                + "volume: it goes on by itself when there is room"
        case .closed(let partition):
            "the log of \(partition) is closed"
        case .storage(let error):
            error.description
        case .malformed(let path, let reason):
            "\(path) is malformed: \(reason)"
        case .directoryLocked(let path):
            "\(path) is in use by another process; give every broker a data directory of its own"
        case .partitionExists(let partition):
            "the log of \(partition) exists already"
        }
    }
}

/// Why one batch was not appended. The log is as if the batch had never come.
public enum AppendError: Error, Sendable, Hashable {
    /// The batch does not continue the producer's sequence: something between was lost, or it came out of order.
    case outOfOrderSequence(message: String)
    /// A newer incarnation of the producer has written: this one is fenced off.
    case invalidProducerEpoch(message: String)
    /// The batch was appended before, so long ago that its offset is not remembered. It is in the log.
    case duplicateSequence(message: String)
    /// The batch is larger than a segment may be.
    case recordListTooLarge(message: String)
    /// The log has seen records of a newer leader.
    case fencedLeaderEpoch(message: String)
    /// The disk is full, and the batch is not in the log; or it failed, now or before, and whether the batch is on disk
    /// is not known.
    case storage(LogError)
}

extension AppendError: CustomStringConvertible {
    /// What happened and what to do, for an operator.
    public var description: String {
        switch self {
        case .outOfOrderSequence(let message), .invalidProducerEpoch(let message), .duplicateSequence(let message),
            .recordListTooLarge(let message), .fencedLeaderEpoch(let message):
            message
        case .storage(let error):
            error.description
        }
    }
}

/// Where a batch was put.
public struct AppendResult: Sendable, Hashable {
    /// The offset of the first record.
    public var baseOffset: Int64
    /// The offset of the last record.
    public var lastOffset: Int64
    /// The time given to the records by the log, in milliseconds since 1970; -1 if they kept their own.
    public var logAppendTime: Int64
    /// The first offset of the log that can be read.
    public var logStartOffset: Int64
    /// The batch was in the log already; the offsets are those it got then. It may not be durable yet all the same.
    public var isDuplicate: Bool

    /// An answer of a log.
    public init(
        baseOffset: Int64, lastOffset: Int64, logAppendTime: Int64, logStartOffset: Int64, isDuplicate: Bool = false
    ) {
        self.baseOffset = baseOffset
        self.lastOffset = lastOffset
        self.logAppendTime = logAppendTime
        self.logStartOffset = logStartOffset
        self.isDuplicate = isDuplicate
    }
}

/// Runs a piece of file work, turning its error into the log's.
@inline(__always)
func disk<Result>(_ work: () throws(FileSystemError) -> Result) throws(LogError) -> Result {
    do { return try work() } catch { throw .storage(error) }
}
