// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Synchronization

/// What a log knows of its cleanings. Under the lock `compaction` of the log.
struct CompactionState: Sendable {
    /// What the compaction file says, or shall say.
    var file: CompactionFile
    /// The file on disk may still name a swap that was finished: nothing may be written under its names before it has
    /// been replaced.
    var isStale = false
    /// Somebody is cleaning the log.
    var isRunning = false

    init(_ file: CompactionFile?) { self.file = file ?? CompactionFile() }
}

/// How much of a log there is to compact.
public struct CompactionStatus: Sendable, Hashable {
    /// The first offset that was not cleaned yet.
    public var firstDirtyOffset: Int64
    /// The offset up to which it may be cleaned now.
    public var endOffset: Int64
    /// The part of the bytes that may be cleaned that is dirty, from 0 to 1.
    public var dirtyRatio: Double
    /// It is time: the dirty ratio is reached, or a record has waited for `max.compaction.lag.ms`.
    public var isDue: Bool
    /// The active segment is to be rolled, as its first record has waited for `max.compaction.lag.ms`.
    public var needsRoll: Bool

    /// What a log says of itself.
    public init(firstDirtyOffset: Int64, endOffset: Int64, dirtyRatio: Double, isDue: Bool, needsRoll: Bool) {
        self.firstDirtyOffset = firstDirtyOffset
        self.endOffset = endOffset
        self.dirtyRatio = dirtyRatio
        self.isDue = isDue
        self.needsRoll = needsRoll
    }
}

/// What a cleaning may use, and what it is told of its surroundings.
public struct CompactionOptions: Sendable {
    /// Bytes for the map of keys: 24 for each key, four fifths of which are used. A log with more keys is cleaned in
    /// several runs.
    public var mapByteCount: Int
    /// Wall-clock milliseconds.
    public var now: Int64
    /// For the hashes of keys.
    public var seed: CompactionSeed
    /// Bytes of the file system that are left free: what a cleaning may need for a while must fit besides.
    public var reservedBytes: Int64

    /// Options of one cleaning.
    public init(mapByteCount: Int, now: Int64, seed: CompactionSeed, reservedBytes: Int64 = 0) {
        self.mapByteCount = mapByteCount
        self.now = now
        self.seed = seed
        self.reservedBytes = reservedBytes
    }
}

/// What a cleaning did.
public struct CompactionResult: Sendable, Hashable {
    /// The log is clean up to this offset.
    public var cleanedOffset: Int64 = 0
    /// Where it was clean before.
    public var firstDirtyOffset: Int64 = 0
    /// Bytes read from segments; those of the dirty part are read twice.
    public var bytesRead: Int64 = 0
    /// Bytes of batches written.
    public var bytesWritten: Int64 = 0
    /// Bytes by which the log has become smaller.
    public var bytesFreed: Int64 = 0
    /// Segments that were replaced.
    public var segmentsReplaced = 0
    /// Segments that took their place.
    public var segmentsWritten = 0
    /// It ended before its end because `pace` said so, or because segments were deleted meanwhile. What was done by then
    /// is kept.
    public var wasStopped = false
}

extension PartitionLog {
    /// Looks at how much there is to compact. Costs nothing on disk, but with `min.compaction.lag.ms` or
    /// `max.compaction.lag.ms` a small read for each segment not looked at before. `now` is wall-clock milliseconds.
    ///
    /// Waits for the writer. Throws `closed`, and `storage` when the disk fails.
    public func compactionStatus(now: Int64) throws(LogError) -> CompactionStatus {
        let config = self.config
        let (policy, _) = try self.compactionPolicy(now: now, config: config)
        let (size, firstTimestamp, createdMs) = self.writer.withLock { writer in
            (writer.endPosition, writer.indexer.firstTimestamp, writer.activeCreatedMs)
        }
        return CompactionStatus(
            firstDirtyOffset: policy.firstDirtyOffset, endOffset: policy.endOffset, dirtyRatio: policy.dirtyRatio,
            isDue: policy.isDue(config),
            needsRoll: size > 0
                && CompactionPolicy.needsRoll(
                    firstTimestamp: firstTimestamp, createdMs: createdMs, now: now, config: config)
        )
    }

    /// Cleans the log: of each key in the sealed segments that may be cleaned, the last record stays. Offsets do not
    /// change. Readers and appends go on meanwhile; the writer waits for moments only.
    ///
    /// Blocks until it is done; one call at a time, a second one returns at once. `pace` is called with the bytes that
    /// were read, inflated and written since its last call; it may sleep, and ends the cleaning by returning false.
    ///
    /// Throws `malformed` for a batch that cannot be read and `corrupt` for a damaged range in what is to be cleaned:
    /// the log is as it was then, but for groups of segments that were done before. Throws `storage` when the disk
    /// fails before anything was replaced; `fenced` when it fails in the middle of replacing, which the next opening
    /// of the log finishes; `closed` when the log was closed or deleted.
    public func compact(
        _ options: CompactionOptions, pace: (Int64) -> Bool
    ) throws(LogError) -> CompactionResult {
        let isFirst = self.compaction.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else { return CompactionResult() }
        defer { self.compaction.withLock { $0.isRunning = false } }
        try self.checkWritable()
        // A segment is replaced only when its bytes are on stable storage.
        try self.flush()
        return try withoutActuallyEscaping(pace) { pace throws(LogError) in
            let run = LogCompaction(log: self, options: options, pace: pace)
            return try run.run()
        }
    }

    /// The policy's view of the log, and the sealed segments that it looked at.
    func compactionPolicy(
        now: Int64, config: LogConfig
    ) throws(LogError) -> (policy: CompactionPolicy, views: [ReadView]) {
        let (views, isClosed) = self.shared.withLock { shared in
            (shared.segments.indices.dropLast().map { shared.view(at: $0) }, shared.isClosed)
        }
        if isClosed { throw .closed(self.topicPartition) }
        let cleanedOffset = self.compaction.withLock { $0.file.cleanedOffset }
        var segments: [CompactionPolicy.Segment] = []
        segments.reserveCapacity(views.count)
        for view in views {
            var segment = CompactionPolicy.Segment(
                baseOffset: view.segment.baseOffset, endOffset: view.endOffset, sizeInBytes: view.segment.size,
                lastAppendMs: view.segment.lastAppendMs)
            try disk { () throws(FileSystemError) in
                if config.minCompactionLagMs > 0 { segment.maxTimestamp = try view.segment.maxTimestamp() }
                if config.maxCompactionLagMs != .max, segment.sizeInBytes > 0, segment.endOffset > cleanedOffset {
                    let scanner = BatchScanner(file: try view.segment.logFile(), from: 0, to: segment.sizeInBytes)
                    segment.firstTimestamp = try scanner.peek(at: 0)?.maxTimestamp ?? -1
                }
            }
            segments.append(segment)
        }
        let open = self.writer.withLock { writer in
            writer.producers.entries.values.lazy.map(\.transactionFirstOffset).filter { $0 >= 0 }.min()
        }
        let limits = CompactionPolicy.Limits(
            logStartOffset: self.logStartOffset, stableOffset: min(self.highWatermark, self.lastStableOffset),
            flushedOffset: self.flushedOffset, openTransactionOffset: open,
            cleanedOffset: cleanedOffset)
        return (CompactionPolicy(segments, limits: limits, now: now, config: config), views)
    }

    /// The last batch of each producer that the log remembers.
    func lastBatches() -> [Int64: CompactionFilter.LastBatch] {
        self.writer.withLock { writer in
            writer.producers.entries.mapValues { entry in
                CompactionFilter.LastBatch(lastOffset: entry.batches.last?.lastOffset, epoch: entry.epoch)
            }
        }
    }
}

// MARK: - Replacing segments

extension PartitionLog {
    /// Makes sure that nothing on disk names a swap any more, before files are written that it could be about.
    func prepareSwap() throws(LogError) {
        try self.compaction.withLock { state throws(LogError) in
            try self.checkWritable()
            guard state.isStale else { return }
            try state.file.write(in: self.directory, on: self.fileSystem)
            state.isStale = false
        }
    }

    /// Notes that the log is clean up to an offset. A note that is lost means that it is cleaned once more.
    func noteCleaned(upTo offset: Int64) throws(LogError) {
        try self.compaction.withLock { state throws(LogError) in
            try self.checkWritable()
            guard state.file.cleanedOffset != offset else { return }
            var file = state.file
            file.cleanedOffset = offset
            try file.write(in: self.directory, on: self.fileSystem)
            state.file = file
        }
    }

    /// Puts a cleaned segment, which is on stable storage, in place of the segments it was made from.
    ///
    /// The log's writer waits while this looks whether the segments are still there, and while the list of segments is
    /// changed; the files are renamed in between. Meanwhile nothing else changes files of sealed segments: retention
    /// stands back, and deleting the partition waits.
    ///
    /// Returns false and leaves everything as it was when a segment is not there any more; throws and does so when one
    /// is damaged, or when the disk fails before the swap is decided. When it fails later, the log is fenced and reads
    /// on from the files that are open; the next opening finishes the swap.
    func swap(_ cleaned: CleanedSegment, for sources: [Segment], endOffset: Int64) throws(LogError) -> Bool {
        try self.compaction.withLock { state throws(LogError) in
            guard let dirtyIndexes = try self.beginSwap(of: sources) else { return false }
            let lastAppendMs = sources.map(\.lastAppendMs).max() ?? 0
            let replaced = Set(sources.map(\.baseOffset))
            let start = self.shared.withLock { $0.segments[0].baseOffset }
            var decided = state.file
            decided.gapsBefore = max(decided.gapsBefore, endOffset)
            // Of segments that are gone nothing need be known.
            decided.appended = decided.appended.filter { $0.key >= start && !replaced.contains($0.key) }
            decided.appended[cleaned.baseOffset] = max(lastAppendMs, 0)
            let settled = decided
            decided.installs = cleaned.kinds.map { SegmentFileName(cleaned.baseOffset, $0) }
            decided.removals = Self.replacedFiles(sources, installs: decided.installs)
            do throws(LogError) {
                try decided.write(in: self.directory, on: self.fileSystem)
            } catch {
                try self.takeBack(&state, after: error)
                self.endSwap(of: sources, with: nil, dirtyIndexes: dirtyIndexes)
                throw error
            }
            try self.fencing { () throws(FileSystemError) in try self.exchangeFiles(decided) }
            self.endSwap(
                of: sources, with: self.segment(cleaned, lastAppendMs: lastAppendMs),
                gapsBefore: settled.gapsBefore)
            state.file = settled
            state.isStale = true
            try settled.write(in: self.directory, on: self.fileSystem)
            state.isStale = false
            return true
        }
    }

    /// The files that have no place any more: those of the other segments, and what the first has and the new one not.
    /// Snapshots belong to offsets and not to segments.
    private static func replacedFiles(_ sources: [Segment], installs: [SegmentFileName]) -> [SegmentFileName] {
        sources.flatMap { segment in
            SegmentFileName.Kind.allCases.filter { $0 != .snapshot }.map { SegmentFileName(segment.baseOffset, $0) }
        }
        .filter { !installs.contains($0) }
    }

    /// Makes the sources safe to replace; returns those that wait for a sync of their indexes, or nil when the sources
    /// are not there any more, or not flushed.
    private func beginSwap(of sources: [Segment]) throws(LogError) -> [Segment]? {
        try self.writer.withLock { writer throws(LogError) in
            try self.checkWritable()
            let (segments, damage) = self.shared.withLock { ($0.segments, $0.damage) }
            let bases = Set(sources.map(\.baseOffset))
            if let range = damage.first(where: { bases.contains($0.segmentBaseOffset) }) {
                throw .corrupt(self.topicPartition, range)
            }
            guard let first = segments.firstIndex(where: { $0 === sources.first }),
                first + sources.count < segments.count,
                zip(segments[first...], sources).allSatisfy({ $0 === $1 }),
                !writer.dirtySegments.contains(where: { dirty in sources.contains { $0 === dirty } })
            else { return nil }
            try disk { () throws(FileSystemError) in
                for (index, segment) in sources.enumerated() {
                    do throws(FileSystemError) {
                        try segment.retire()
                    } catch {
                        for retired in sources[..<index] { retired.reinstate() }
                        throw error
                    }
                }
            }
            writer.isSwapping = true
            let dirty = writer.dirtyIndexes.filter { segment in sources.contains { $0 === segment } }
            writer.dirtyIndexes.removeAll { segment in sources.contains { $0 === segment } }
            return dirty
        }
    }

    /// Ends the swap in memory: with a new segment it shows that one, without it the sources stay.
    private func endSwap(
        of sources: [Segment], with segment: Segment?, gapsBefore: Int64 = 0, dirtyIndexes: [Segment] = []
    ) {
        self.writer.withLock { writer in
            writer.isSwapping = false
            guard let segment else {
                for source in sources { source.reinstate() }
                writer.dirtyIndexes.insert(contentsOf: dirtyIndexes, at: 0)
                return
            }
            self.shared.withLock { shared in
                guard let first = shared.segments.firstIndex(where: { $0 === sources[0] }) else { return }
                shared.segments.replaceSubrange(first..<first + sources.count, with: [segment])
                shared.gapsBefore = max(shared.gapsBefore, gapsBefore)
            }
        }
    }

    /// After a failed decision: sees to it that it does not count after a crash either. Only a directory that was not
    /// synced leaves that open; anything that failed before it has not named the swap.
    private func takeBack(_ state: inout CompactionState, after failure: LogError) throws(LogError) {
        guard case .storage(let error) = failure, error.operation == .syncDirectory else { return }
        let file = state.file
        try self.fencing { () throws(LogError) in try file.write(in: self.directory, on: self.fileSystem) }
    }

    private func exchangeFiles(_ decided: CompactionFile) throws(FileSystemError) {
        for file in decided.installs {
            let path = self.directory + "/" + file.name
            try self.fileSystem.rename(
                path + SegmentFileName.cleanedSuffix, to: path + SegmentFileName.swapSuffix)
        }
        // For Kafka, should it be the next to open the directory: it must not find neither old nor new.
        try self.fileSystem.syncDirectory(self.directory)
        for file in decided.removals {
            try SmallFile.remove(self.directory + "/" + file.name, from: self.fileSystem)
        }
        for file in decided.installs {
            let path = self.directory + "/" + file.name
            try self.fileSystem.rename(path + SegmentFileName.swapSuffix, to: path)
        }
        try self.fileSystem.syncDirectory(self.directory)
    }

    private func segment(_ cleaned: CleanedSegment, lastAppendMs: Int64) -> Segment {
        Segment(
            self.topicPartition, directory: self.directory, baseOffset: cleaned.baseOffset,
            fileSystem: self.fileSystem,
            state: Segment.State(
                file: nil, size: cleaned.size, lastAppendMs: lastAppendMs, offsetIndex: nil, timeIndex: nil,
                maxTimestamp: cleaned.indexer.maxTimestamp))
    }
}
