// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Logging
import Synchronization

/// Opens the directory of a partition: finds the segments, recovers them if need be, and puts together what the log
/// knows of epochs and producers.
struct LogLoader {
    struct Loaded {
        var writer: PartitionLog.Writer
        var shared: PartitionLog.Shared
        var recoveryPoint: Int64
        /// What is certain to be on stable storage.
        var flushedOffset: Int64 = 0
        /// What is known of cleanings; nil for a log that was never cleaned.
        var compaction: CompactionFile?
    }

    /// What the directory holds.
    private struct Listing {
        var bases: [Int64] = []
        var snapshots: [Int64] = []
        var hasEpochs = false
        var hasDamage = false
        var strays: [String] = []
        var compaction: CompactionFile?
    }

    let fileSystem: any FileSystem
    let directory: String
    let topicPartition: TopicPartition
    let config: LogConfig
    /// Wall-clock milliseconds.
    let now: Int64
    let logger: Logger?

    init(
        fileSystem: any FileSystem, directory: String, topicPartition: TopicPartition, config: LogConfig, now: Int64,
        logger: Logger?
    ) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.topicPartition = topicPartition
        self.config = config
        self.now = now
        self.logger = logger
    }

    mutating func load(recovery: PartitionLog.Recovery, logStartOffset: Int64) throws(LogError) -> Loaded {
        let listing = try self.list()
        for name in listing.strays {
            try disk { () throws(FileSystemError) in
                try SmallFile.remove(self.directory + "/" + name, from: self.fileSystem)
            }
        }
        let isNew = listing.bases.isEmpty
        var segments = try self.segments(listing.bases.isEmpty ? [max(logStartOffset, 0)] : listing.bases)
        self.setAges(segments, listing.compaction)
        var damage = try self.readDamage(listing)
        let knownDamage = damage
        var recoveryPoint: Int64 = 0
        var outcome: SegmentRecovery.Outcome?
        switch recovery {
        case .unclean(let point):
            recoveryPoint = min(max(point, 0), SegmentFileName.offsetLimit)
        case .clean:
            outcome = try self.tail(of: segments, damage: damage, snapshots: listing.snapshots)
            // What a clean log held, its last snapshot says.
            recoveryPoint = outcome?.endOffset ?? listing.snapshots.last ?? 0
        }
        if outcome == nil {
            var recovery = SegmentRecovery(
                self.topicPartition, directory: self.directory, fileSystem: self.fileSystem, config: self.config,
                recoveryPoint: recoveryPoint, gapsBefore: listing.compaction?.gapsBefore ?? 0, logger: self.logger)
            outcome = try recovery.run(segments, damage: damage)
        }
        guard var outcome else { preconditionFailure("a log was neither opened nor recovered") }
        let logStart = self.believed(logStartOffset, recovery: recovery, isNew: isNew, outcome)
        var isReset = false
        if outcome.endOffset < logStart {
            outcome = try self.reset(outcome, to: logStart)
            isReset = true
        }
        segments = outcome.segments
        damage = outcome.damage.filter { $0.endOffset > logStart && $0.startOffset < outcome.endOffset }
        let damageIsDirty = damage == knownDamage ? false : try !self.writeDamage(damage)

        let active = segments[segments.count - 1]
        var loaded = Loaded(
            writer: PartitionLog.Writer(
                active: active, activeFile: try disk { () throws(FileSystemError) in try active.logFile() },
                indexer: outcome.indexer, activeCreatedMs: active.lastAppendMs, endOffset: outcome.endOffset,
                endPosition: active.size, producers: ProducerState()),
            shared: PartitionLog.Shared(
                segments: segments, logStartOffset: logStart, endOffset: outcome.endOffset, endPosition: active.size,
                damage: damage, epochs: LeaderEpochCache(), config: self.config),
            recoveryPoint: min(recoveryPoint, outcome.endOffset))
        // The name of a segment made just before a process was killed may not be synced yet.
        let mayBeUnnamed = recovery != .clean && (outcome.scannedBytes > 0 || active.size == 0)
        loaded.compaction = listing.compaction
        loaded.shared.gapsBefore = listing.compaction?.gapsBefore ?? 0
        // What was cut off comes again, and is not clean then.
        loaded.compaction?.cleanedOffset = min(listing.compaction?.cleanedOffset ?? 0, outcome.endOffset)
        loaded.writer.directoryIsDirty = isNew || isReset || mayBeUnnamed
        loaded.writer.damageIsDirty = damageIsDirty
        loaded.writer.bytesAfterRecoveryPoint = outcome.scannedBytes
        let scanned = segments.lastIndex { $0.baseOffset <= outcome.scannedFrom } ?? 0
        loaded.writer.dirtyIndexes = Array(segments[scanned...].dropLast())
        // What a killed process had written may be in the page cache only.
        loaded.writer.dirtySegments = loaded.writer.dirtyIndexes
        loaded.flushedOffset = outcome.scannedBytes > 0 ? min(recoveryPoint, outcome.endOffset) : outcome.endOffset
        loaded.writer.snapshots = try self.usableSnapshots(listing.snapshots, outcome: outcome)
        try self.loadEpochs(&loaded, outcome: outcome, exists: listing.hasEpochs)
        try self.loadProducers(&loaded)
        return loaded
    }

    // MARK: - The directory

    private func list() throws(LogError) -> Listing {
        var names = try disk { () throws(FileSystemError) in try self.fileSystem.list(self.directory) }
        var listing = Listing()
        if SwapRecovery.concerns(names) {
            let recovery = SwapRecovery(fileSystem: self.fileSystem, directory: self.directory, logger: self.logger)
            listing.compaction = try recovery.run(names)
            names = try disk { () throws(FileSystemError) in try self.fileSystem.list(self.directory) }
        }
        var files: [SegmentFileName] = []
        for name in names {
            if name.hasSuffix(SegmentFileName.deletedSuffix) || name.hasSuffix(SmallFile.temporarySuffix) {
                listing.strays.append(name)
            } else if let file = SegmentFileName(parsing: name) {
                files.append(file)
            } else if name == LeaderEpochCache.fileName {
                listing.hasEpochs = true
            } else if name == DamagedRangesFile.name {
                listing.hasDamage = true
            }
        }
        listing.bases = files.filter { $0.kind == .log }.map(\.offset).sorted()
        listing.snapshots = files.filter { $0.kind == .snapshot }.map(\.offset).sorted()
        let bases = Set(listing.bases)
        for file in files where file.kind != .log && file.kind != .snapshot && !bases.contains(file.offset) {
            listing.strays.append(file.name)
        }
        return listing
    }

    private func segments(_ bases: [Int64]) throws(LogError) -> [Segment] {
        var segments: [Segment] = []
        segments.reserveCapacity(bases.count)
        for base in bases {
            let path = self.directory + "/" + SegmentFileName(base, .log).name
            let (status, file) = try disk { () throws(FileSystemError) -> (FileStatus?, (any LogFile)?) in
                // The active segment is opened here and now, and made if there is none yet.
                let file = base == bases.last ? try self.fileSystem.open(path, .create) : nil
                return (try self.fileSystem.status(path), file)
            }
            guard let status, !status.isDirectory else { throw .malformed(path: path, reason: "it is no file") }
            segments.append(
                Segment(
                    self.topicPartition, directory: self.directory, baseOffset: base, fileSystem: self.fileSystem,
                    state: Segment.State(file: file, size: status.size, lastAppendMs: status.modificationTimeMs)))
        }
        return segments
    }

    /// Cleaned segments are as old as what they were made from.
    private func setAges(_ segments: [Segment], _ compaction: CompactionFile?) {
        for segment in segments {
            guard let appended = compaction?.appended[segment.baseOffset] else { continue }
            segment.state.withLock { $0.lastAppendMs = min($0.lastAppendMs, appended) }
        }
    }

    private func readDamage(_ listing: Listing) throws(LogError) -> [DamagedRange] {
        guard listing.hasDamage else { return [] }
        let path = self.directory + "/" + DamagedRangesFile.name
        do throws(LogError) {
            guard let text = try SmallFile.readText(path, from: self.fileSystem) else { return [] }
            return try DamagedRangesFile.parse(text, path: path)
        } catch {
            guard case .malformed = error else { throw error }
            self.logger?.warning(
                "damage that was noted is forgotten, and found again when it is read", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Returns whether they are on disk: where there is no room for them, a later checkpoint writes them.
    private func writeDamage(_ damage: [DamagedRange]) throws(LogError) -> Bool {
        do throws(LogError) {
            try DamagedRangesFile.write(damage, in: self.directory, on: self.fileSystem)
            return true
        } catch {
            guard error.isFull else { throw error }
            self.logger?.error(
                "the damaged ranges of a log cannot be written down now",
                metadata: ["partition": "\(self.topicPartition)", "error": "\(error)"])
            return false
        }
    }

    /// The log start offset: what the checkpoint says, but not before the first segment.
    private func believed(
        _ logStartOffset: Int64, recovery: PartitionLog.Recovery, isNew: Bool, _ outcome: SegmentRecovery.Outcome
    ) -> Int64 {
        let first = outcome.segments[0].baseOffset
        guard recovery == .clean, !isNew, outcome.endOffset < logStartOffset else { return max(logStartOffset, first) }
        // Nothing is lost in a clean shutdown, so it is the checkpoint that is wrong.
        self.logger?.error(
            "the log start offset is past the end of the log and is not believed; deleted records may come back",
            metadata: [
                "partition": "\(self.topicPartition)", "endOffset": "\(outcome.endOffset)",
                "logStartOffset": "\(logStartOffset)",
            ])
        return first
    }

    // MARK: - Opening without recovery

    /// Looks at the end of the active segment, behind its last index entry. Nil when what is there is not what a clean
    /// shutdown leaves: then the log is recovered after all.
    private func tail(
        of segments: [Segment], damage: [DamagedRange], snapshots: [Int64]
    ) throws(LogError) -> SegmentRecovery.Outcome? {
        let active = segments[segments.count - 1]
        var indexer = SegmentIndexer()
        var expected = active.baseOffset
        if active.size > 0 {
            try disk { () throws(FileSystemError) in try active.loadIndexes() }
            let (offset, time) = active.state.withLock { ($0.offsetIndex?.last, $0.timeIndex?.last) }
            let file = try disk { () throws(FileSystemError) in try active.logFile() }
            var scanner = BatchScanner(
                file: file, from: 0, to: active.size,
                skipping: damage.filter {
                    $0.segmentBaseOffset == active.baseOffset && $0.endPosition > $0.startPosition
                }
                .map { $0.startPosition..<$0.endPosition })
            guard let start = try self.trustedStart(active, scanner) else { return self.isNotClean(active, 0) }
            scanner.seek(to: start)
            if start > 0 {
                let header = try disk { () throws(FileSystemError) in
                    try BatchScanner(file: file, from: 0, to: active.size).peek(at: 0)
                }
                indexer.firstTimestamp = header?.maxTimestamp
            }
            if let time {
                indexer.maxTimestamp = time.timestamp
                indexer.maxTimestampOffset = time.offset
            }
            scan: while true {
                switch try disk({ () throws(FileSystemError) in try scanner.next() }) {
                case .batch(let header, let position):
                    guard header.baseOffset >= expected, header.nextOffset < SegmentFileName.offsetLimit else {
                        return self.isNotClean(active, position)
                    }
                    _ = indexer.add(header, position: position, intervalBytes: .max)
                    expected = header.nextOffset
                case .damaged(let position, _):
                    return self.isNotClean(active, position)
                case .end:
                    break scan
                }
            }
            indexer.bytesSinceLastEntry = active.size - (offset?.position ?? 0)
        } else {
            active.state.withLock { state in
                state.offsetIndex = SegmentIndex()
                state.timeIndex = SegmentIndex()
            }
        }
        // Damage at the very end of the log has no batches behind it.
        if let last = damage.last, last.segmentBaseOffset == active.baseOffset {
            expected = max(expected, last.endOffset)
        }
        if let snapshot = snapshots.last, snapshot > expected { return self.isNotClean(active, active.size) }
        active.state.withLock { $0.maxTimestamp = indexer.maxTimestamp }
        active.closeIndexFiles()
        return SegmentRecovery.Outcome(
            segments: segments, endOffset: expected, indexer: indexer, damage: damage, scannedFrom: expected)
    }

    /// From where the headers of the active segment have to be looked at, by what its indexes say last. Nil when the
    /// batches say otherwise: what is wrong would be added to as if it were right.
    private func trustedStart(_ active: Segment, _ scanner: BatchScanner) throws(LogError) -> Int64? {
        let (offset, time) = active.state.withLock { ($0.offsetIndex?.last, $0.timeIndex?.last) }
        return try disk { () throws(FileSystemError) in
            if let offset, !scanner.skips(offset.position), try !active.agrees(with: offset, scanner) { return nil }
            // Without its time index the largest timestamp is found by looking at all headers, and where the index
            // has lost entries at its end, at those behind the last that is left.
            guard let time else { return 0 }
            return try active.place(of: time, scanner).map { min($0.position, offset?.position ?? 0) }
        }
    }

    private func isNotClean(_ active: Segment, _ position: Int64) -> SegmentRecovery.Outcome? {
        self.logger?.error(
            "a log is not as its clean shutdown left it and is recovered",
            metadata: [
                "partition": "\(self.topicPartition)", "segment": "\(active.baseOffset)", "position": "\(position)",
            ])
        return nil
    }

    /// Begins anew at an offset that the log does not reach: all that it holds was deleted before.
    private func reset(
        _ outcome: SegmentRecovery.Outcome, to logStart: Int64
    ) throws(LogError) -> SegmentRecovery.Outcome {
        self.logger?.warning(
            "the log ends before its log start offset and begins anew there",
            metadata: [
                "partition": "\(self.topicPartition)", "endOffset": "\(outcome.endOffset)",
                "logStartOffset": "\(logStart)",
            ])
        for segment in outcome.segments.reversed() {
            try disk { () throws(FileSystemError) in
                for kind in SegmentFileName.Kind.allCases {
                    try SmallFile.remove(segment.path(kind), from: self.fileSystem)
                }
                try self.fileSystem.syncDirectory(self.directory)
            }
        }
        let segments = try self.segments([logStart])
        segments[0].state.withLock { state in
            state.offsetIndex = SegmentIndex()
            state.timeIndex = SegmentIndex()
            state.maxTimestamp = -1
        }
        return SegmentRecovery.Outcome(
            segments: segments, endOffset: logStart, indexer: SegmentIndexer(), damage: [], scannedFrom: logStart,
            removedFiles: true)
    }

    // MARK: - Epochs and producers

    private func loadEpochs(
        _ loaded: inout Loaded, outcome: SegmentRecovery.Outcome, exists: Bool
    ) throws(LogError) {
        var epochs: LeaderEpochCache?
        if exists {
            let path = self.directory + "/" + LeaderEpochCache.fileName
            do throws(LogError) {
                if let text = try SmallFile.readText(path, from: self.fileSystem) {
                    let parsed = try LeaderEpochCache.parse(text, path: path)
                    guard try self.agrees(with: parsed, loaded.shared, scannedFrom: outcome.scannedFrom) else {
                        throw .malformed(path: path, reason: "it says other leader epochs than the batches")
                    }
                    epochs = parsed
                }
            } catch {
                guard case .malformed = error else { throw error }
                self.logger?.warning("leader epochs are read from the log again", metadata: ["error": "\(error)"])
            }
        }
        let isScannedWhole = outcome.scannedFrom <= outcome.segments[0].baseOffset
        if epochs == nil, !isScannedWhole {
            var found = EpochHistory()
            try self.forEachBatch(in: loaded.shared, from: outcome.segments[0].baseOffset) { header, _ in
                found.see(header)
            }
            epochs = found.cache
            loaded.writer.epochsAreDirty = true
        }
        var cache = epochs ?? LeaderEpochCache()
        let known = cache
        // What was scanned tells of itself.
        _ = cache.truncateFromEnd(min(outcome.endOffset, outcome.scannedFrom))
        for entry in outcome.epochs { _ = cache.assign(epoch: entry.epoch, startOffset: entry.startOffset) }
        _ = cache.truncateFromStart(loaded.shared.logStartOffset)
        if cache != known { loaded.writer.epochsAreDirty = true }
        loaded.shared.epochs = cache
    }

    /// Whether the batches at which leader epochs begin have them, and the first and the last batch too: the checkpoint has no
    /// checksum. What was scanned tells of itself, and of what is damaged nothing can be said.
    private func agrees(
        with epochs: LeaderEpochCache, _ shared: PartitionLog.Shared, scannedFrom: Int64
    ) throws(LogError) -> Bool {
        let last = min(shared.endOffset, scannedFrom) - 1
        for offset in epochs.entries.map(\.startOffset) + [shared.logStartOffset, last]
        where offset >= shared.segments[0].baseOffset && offset <= last {
            let view = shared.view(at: shared.segmentIndex(of: offset))
            do throws(LogError) {
                guard let place = try view.segment.locate(offset, before: view.endPosition, skipping: view.skips),
                    place.baseOffset <= offset
                else { continue }
                let header = try disk { () throws(FileSystemError) in
                    try CheckedScan.header(
                        at: place.position, before: view.endPosition, of: try view.segment.logFile())
                }
                guard let header else { continue }
                if header.partitionLeaderEpoch != epochs.epoch(of: offset) ?? -1 { return false }
            } catch {
                guard case .corrupt = error else { throw error }
            }
        }
        return true
    }

    /// The snapshots that are not past the end of the log. Those that are go: the log will grow past them again, with
    /// other batches.
    private func usableSnapshots(
        _ snapshots: [Int64], outcome: SegmentRecovery.Outcome
    ) throws(LogError) -> [Int64] {
        let past = snapshots.filter { $0 > outcome.endOffset }
        if !past.isEmpty {
            try disk { () throws(FileSystemError) in
                for offset in past {
                    try SmallFile.remove(
                        self.directory + "/" + SegmentFileName(offset, .snapshot).name, from: self.fileSystem)
                }
                try self.fileSystem.syncDirectory(self.directory)
            }
        }
        return snapshots.filter { $0 <= outcome.endOffset }
    }

    /// Reads the latest snapshot that is whole, and the headers of the batches behind it.
    private func loadProducers(_ loaded: inout Loaded) throws(LogError) {
        var start = loaded.shared.segments[0].baseOffset
        var producers = ProducerState()
        for offset in loaded.writer.snapshots.reversed() {
            let path = self.directory + "/" + SegmentFileName(offset, .snapshot).name
            do throws(LogError) {
                guard let bytes = try SmallFile.read(path, from: self.fileSystem) else { continue }
                producers = try ProducerState(snapshot: bytes, path: path, now: self.now)
                start = max(start, offset)
                break
            } catch {
                guard case .malformed = error else { throw error }
                self.logger?.warning("an older producer snapshot is used", metadata: ["error": "\(error)"])
                loaded.writer.snapshots.removeAll { $0 == offset }
                try disk { () throws(FileSystemError) in try SmallFile.remove(path, from: self.fileSystem) }
            }
        }
        let producersMax = self.config.producersMax
        try self.forEachBatch(in: loaded.shared, from: start) { header, appendedMs in
            producers.add(header, appendedMs: appendedMs, producersMax: producersMax)
        }
        _ = producers.removeExpired(now: self.now, expirationMs: self.config.producerIDExpirationMs)
        loaded.writer.producers = producers
    }

    /// Calls with the header of every batch from an offset on, and the time of the segment's last append.
    private func forEachBatch(
        in shared: PartitionLog.Shared, from offset: Int64, _ body: (RecordBatchHeader, Int64) -> Void
    ) throws(LogError) {
        guard offset < shared.endOffset else { return }
        for index in shared.segmentIndex(of: offset)..<shared.segments.count {
            let view = shared.view(at: index)
            let segment = view.segment
            let first = max(offset, segment.baseOffset)
            guard segment.size > 0,
                let location = try segment.locate(first, before: view.endPosition, skipping: view.skips)
            else { continue }
            let file = try disk { () throws(FileSystemError) in try segment.logFile() }
            var scanner = BatchScanner(
                file: file, from: location.position, to: view.endPosition, skipping: view.skips)
            while case .batch(let header, _) = try disk({ () throws(FileSystemError) in try scanner.next() }) {
                if header.baseOffset >= offset { body(header, segment.lastAppendMs) }
            }
        }
    }
}
