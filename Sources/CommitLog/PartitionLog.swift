// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import Logging
import Synchronization

/// The log of one partition: a directory of segments, written at its end and read anywhere.
///
/// Threads: one writer at a time (append, roll, retention, close), which holds the writer's lock while it works on the
/// disk; one flush at a time and one cleaning at a time, beside the writer; readers from any thread, who wait for none
/// of them. What all need lies under a lock of its own that is held for moments and never while the disk is touched.
///
/// Invariants:
/// - log start ≤ high watermark ≤ end, recovery point ≤ synced ≤ flushed ≤ end; all of them only grow.
/// - what readers see (`endOffset`, the size of the active segment) has been written whole.
/// - after a failed write or sync the log is fenced: what was not acknowledged by then never will be. Reads go on. A
///   write that found no room is taken back instead, and a sync that fails for want of room is a failed sync.
/// - offsets in `damagedRanges` are never served.
///
/// Durability: an append is in the page cache when it returns and on stable storage after the next `flush`, or after a
/// `JournalLane` has committed the log, which is cheaper where many logs are written to at once.
public final class PartitionLog: Sendable {
    /// How the log was left.
    public enum Recovery: Sendable, Hashable {
        /// Closed in order: nothing is scanned.
        case clean
        /// Not closed: everything from this offset on is read and checked.
        case unclean(recoveryPoint: Int64)
    }

    /// What the writer alone uses.
    struct Writer: Sendable {
        var active: Segment
        var activeFile: any LogFile
        var indexer: SegmentIndexer
        /// When the active segment began, in wall-clock milliseconds.
        var activeCreatedMs: Int64
        var endOffset: Int64
        var endPosition: Int64
        var producers: ProducerState
        /// What was appended and is not known to be durable.
        var undurable = UndurablePieces()
        /// Sealed segments with bytes that are not synced, oldest first.
        var dirtySegments: [Segment] = []
        /// Sealed segments whose indexes are not synced.
        var dirtyIndexes: [Segment] = []
        /// File names were made that are not synced.
        var directoryIsDirty = false
        var epochsAreDirty = false
        /// `damaged-ranges` could not be written yet.
        var damageIsDirty = false
        /// The offsets of the snapshots on disk, ascending.
        var snapshots: [Int64] = []
        /// Bytes appended since the recovery point moved.
        var bytesAfterRecoveryPoint: Int64 = 0
        /// Files renamed to `.deleted`, and when they may go.
        var removals: [(path: String, dueMs: Int64)] = []
        /// Cleaned segments are taking the place of others: no segment is deleted meanwhile.
        var isSwapping = false
    }

    /// What readers need to see in one piece.
    struct Shared: Sendable {
        /// By base offset; the last is the active one. Never empty.
        var segments: [Segment]
        var logStartOffset: Int64
        var endOffset: Int64
        /// The bytes of the active segment that may be read.
        var endPosition: Int64
        var damage: [DamagedRange]
        /// Offsets before it may be missing because of a cleaning, whatever `cleanup.policy` says today.
        var gapsBefore: Int64 = 0
        var epochs: LeaderEpochCache
        var config: LogConfig
        /// Why nothing can be appended.
        var refusal: LogError?
        var isClosed = false
    }

    /// Whose log it is.
    public let topicPartition: TopicPartition
    /// The topic that it belongs to; nil when that is not known. Then it is never journaled.
    public let topicID: TopicID?
    /// The directory of the partition when it was opened.
    public let directory: String
    let fileSystem: any FileSystem
    let logger: Logger?

    /// Held while batches are synced, and taken before `writer`. The system tells of a failed sync once for each open
    /// file: were two syncs to run side by side, one could be told of success for what the other saw fail.
    let syncing = Mutex<Void>(())
    /// Held while files of cleaned segments are put in place, and taken before `writer`.
    let compaction: Mutex<CompactionState>
    let writer: Mutex<Writer>
    let shared: Mutex<Shared>
    /// Held while the file of damaged ranges is written. Nothing else is locked inside of it but `shared`.
    let damageFile = Mutex<Void>(())
    let atomicLogStartOffset: Atomic<Int64>
    let atomicEndOffset: Atomic<Int64>
    let atomicFlushedOffset: Atomic<Int64>
    let atomicSyncedOffset: Atomic<Int64>
    let atomicHighWatermark: Atomic<Int64>
    let atomicRecoveryPoint: Atomic<Int64>

    /// Opens the log of a partition in its directory, which must exist; an empty one becomes an empty log that begins
    /// at `logStartOffset`.
    ///
    /// After `.clean` a few small reads are made, after `.unclean` everything past the recovery point is read: see
    /// `SegmentRecovery` for what becomes of damage. What was recovered counts as flushed up to the recovery point, and
    /// is to be flushed like anything appended. `now` is wall-clock milliseconds. Throws `storage` when the disk fails,
    /// and `malformed` when segments are not what they could be after any crash.
    public static func open(
        fileSystem: any FileSystem, directory: String, topicPartition: TopicPartition, topicID: TopicID? = nil,
        config: LogConfig, recovery: Recovery, logStartOffset: Int64 = 0, now: Int64, logger: Logger? = nil
    ) throws(LogError) -> PartitionLog {
        var loader = LogLoader(
            fileSystem: fileSystem, directory: directory, topicPartition: topicPartition, config: config, now: now,
            logger: logger)
        let loaded = try loader.load(
            recovery: recovery, logStartOffset: min(max(logStartOffset, 0), SegmentFileName.offsetLimit))
        return PartitionLog(loaded, loader: loader, topicID: topicID)
    }

    private init(_ loaded: LogLoader.Loaded, loader: LogLoader, topicID: TopicID?) {
        self.topicID = topicID
        self.topicPartition = loader.topicPartition
        self.directory = loader.directory
        self.fileSystem = loader.fileSystem
        self.logger = loader.logger
        self.compaction = Mutex(CompactionState(loaded.compaction))
        self.writer = Mutex(loaded.writer)
        self.shared = Mutex(loaded.shared)
        self.atomicLogStartOffset = Atomic(loaded.shared.logStartOffset)
        self.atomicEndOffset = Atomic(loaded.shared.endOffset)
        self.atomicFlushedOffset = Atomic(loaded.flushedOffset)
        self.atomicSyncedOffset = Atomic(loaded.flushedOffset)
        self.atomicHighWatermark = Atomic(loaded.shared.logStartOffset)
        self.atomicRecoveryPoint = Atomic(loaded.recoveryPoint)
    }

    // MARK: - Offsets

    /// The first offset that can be read.
    public var logStartOffset: Int64 { self.atomicLogStartOffset.load(ordering: .acquiring) }

    /// The offset that the next record gets.
    public var endOffset: Int64 { self.atomicEndOffset.load(ordering: .acquiring) }

    /// Everything before it is on stable storage: in the segments or in the journal.
    public var flushedOffset: Int64 { self.atomicFlushedOffset.load(ordering: .acquiring) }

    /// Everything before it is on stable storage in the segments.
    public var syncedOffset: Int64 { self.atomicSyncedOffset.load(ordering: .acquiring) }

    /// Everything before it may be shown to consumers. After opening it is the log start offset until it is advanced.
    public var highWatermark: Int64 { self.atomicHighWatermark.load(ordering: .acquiring) }

    /// Everything before it may be shown to consumers that read committed records only: there are no transactions yet,
    /// so it is the high watermark.
    public var lastStableOffset: Int64 { self.highWatermark }

    /// Everything before it, indexes and snapshots included, needs no look after a crash.
    public var recoveryPoint: Int64 { self.atomicRecoveryPoint.load(ordering: .acquiring) }

    /// Moves the high watermark forward, to the end of the log at most; it never goes back.
    public func advanceHighWatermark(to offset: Int64) {
        self.atomicHighWatermark.max(min(offset, self.endOffset), ordering: .acquiringAndReleasing)
    }

    // MARK: - What is known about it

    /// The bytes of all segments. Linear in their number.
    public var sizeInBytes: Int64 {
        self.shared.withLock { shared in shared.segments.reduce(0) { $0 + $1.size } }
    }

    /// The number of segments, the active one included.
    public var segmentCount: Int { self.shared.withLock { $0.segments.count } }

    /// Which leader wrote which offsets.
    public var leaderEpochCache: LeaderEpochCache { self.shared.withLock { $0.epochs } }

    /// The offsets that are damaged on disk, ascending.
    public var damagedRanges: [DamagedRange] { self.shared.withLock { $0.damage } }

    /// Why nothing can be appended: the log is fenced or closed. Nil while all is well.
    public var refusal: LogError? { self.shared.withLock { $0.refusal } }

    /// What the log was told about its topic last.
    public var config: LogConfig { self.shared.withLock { $0.config } }

    /// Takes effect with the next append or retention.
    public func updateConfig(_ config: LogConfig) { self.shared.withLock { $0.config = config } }

    /// Answers OffsetForLeaderEpoch: the largest epoch not above the one asked for and where it ended, or nil.
    public func endOffset(forEpoch epoch: Int32) -> (epoch: Int32, endOffset: Int64)? {
        self.shared.withLock { $0.epochs.endOffset(forEpoch: epoch, logEndOffset: $0.endOffset) }
    }

    /// The idempotent producers that the log remembers, by id. Waits for the writer; linear in their number.
    public func activeProducers(now: Int64) -> [ActiveProducer] {
        let expirationMs = self.config.producerIDExpirationMs
        return self.writer.withLock { writer in
            _ = writer.producers.removeExpired(now: now, expirationMs: expirationMs)
            return writer.producers.entries.values.sorted { $0.producerID < $1.producerID }.map { ActiveProducer($0) }
        }
    }

    // MARK: - Failure

    /// Stops all appends for good after the disk failed under the writer.
    func fence(_ error: FileSystemError) -> LogError {
        let refusal = LogError.fenced(self.topicPartition, reason: error.description)
        self.shared.withLock { shared in
            if shared.refusal == nil { shared.refusal = refusal }
        }
        self.logger?.critical(
            "disk failure: the log takes no more records until it is opened again",
            metadata: ["partition": "\(self.topicPartition)", "error": "\(error)"])
        return refusal
    }

    /// Does the writer's work on the disk: a failure fences the log.
    func fencing<Result>(_ work: () throws(FileSystemError) -> Result) throws(LogError) -> Result {
        do { return try work() } catch { throw self.fence(error) }
    }

    /// The same for work that has errors of both kinds.
    func fencing(_ work: () throws(LogError) -> Void) throws(LogError) {
        do {
            try work()
        } catch {
            if case .storage(let failure) = error { throw self.fence(failure) }
            throw error
        }
    }

    func checkWritable() throws(LogError) {
        if let refusal = self.refusal { throw refusal }
    }
}
