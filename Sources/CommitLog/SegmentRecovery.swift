// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Logging
import Synchronization

/// Reads a log that was not closed in order from its recovery point on, checks every batch, rebuilds the indexes and
/// cuts off or fences in what is damaged, as `RecoveryDecision` says.
///
/// Every step can be repeated: a crash during a recovery leaves a log that recovers to the same end.
struct SegmentRecovery {
    /// What a recovery found.
    struct Outcome {
        /// The segments that are left; the last is active.
        var segments: [Segment]
        var endOffset: Int64
        /// The indexer of the active segment.
        var indexer: SegmentIndexer
        var damage: [DamagedRange]
        /// The leader epochs of the scanned batches.
        var epochs: [LeaderEpochCache.Entry] = []
        /// The first offset that was scanned.
        var scannedFrom: Int64
        var scannedBytes: Int64 = 0
        /// Names were removed from the directory.
        var removedFiles = false
    }

    let topicPartition: TopicPartition
    let directory: String
    let fileSystem: any FileSystem
    let config: LogConfig
    let recoveryPoint: Int64
    /// Offsets before it may be missing because the log was cleaned, whatever its policy is now.
    let gapsBefore: Int64
    let logger: Logger?

    private let window = ScanWindow(byteCount: BatchScanner.fullWindow)
    private var outcome = Outcome(segments: [], endOffset: 0, indexer: SegmentIndexer(), damage: [], scannedFrom: 0)
    private var epochs = EpochHistory()
    /// The offset that should come next.
    private var expected: Int64 = 0

    init(
        _ topicPartition: TopicPartition, directory: String, fileSystem: any FileSystem, config: LogConfig,
        recoveryPoint: Int64, gapsBefore: Int64 = 0, logger: Logger?
    ) {
        self.topicPartition = topicPartition
        self.directory = directory
        self.fileSystem = fileSystem
        self.config = config
        self.recoveryPoint = recoveryPoint
        self.gapsBefore = gapsBefore
        self.logger = logger
    }

    /// Recovers from the segment that holds the recovery point on. `segments` must not be empty; `damage` is what
    /// earlier recoveries found.
    mutating func run(_ segments: [Segment], damage: [DamagedRange]) throws(LogError) -> Outcome {
        let first = max((segments.lastIndex { $0.baseOffset <= self.recoveryPoint }) ?? 0, 0)
        self.outcome.segments = segments
        self.outcome.damage = damage
        var index = first
        while index < self.outcome.segments.count {
            let segment = self.outcome.segments[index]
            if index > first, try self.isGap(before: segment) {
                // The end of the segment before it never reached the disk, so nothing of this one counts.
                try self.remove(from: index)
                break
            }
            let start = try self.prepare(segment, isFirst: index == first)
            let isCut = try self.scan(segment, at: index, from: start)
            if isCut { try self.remove(from: index + 1) }
            index += 1
        }
        try self.closeTail()
        self.outcome.endOffset = self.expected
        self.outcome.epochs = self.epochs.cache.entries
        return self.outcome
    }

    // MARK: - Beginning a segment

    /// Sets indexes and indexer to what is known before `position`, from where the segment is scanned.
    private mutating func prepare(_ segment: Segment, isFirst: Bool) throws(LogError) -> Int64 {
        self.outcome.indexer = SegmentIndexer()
        let trusted = isFirst ? try disk { () throws(FileSystemError) in try self.trustedStart(of: segment) } : nil
        guard let trusted else {
            if isFirst {
                self.expected = segment.baseOffset
                self.outcome.scannedFrom = segment.baseOffset
            }
            segment.state.withLock { state in
                state.offsetIndex = SegmentIndex()
                state.timeIndex = SegmentIndex()
                state.indexIsWrong = false
                state.timeIndexIsWrong = false
            }
            return 0
        }
        self.expected = trusted.header.baseOffset
        self.outcome.scannedFrom = trusted.header.baseOffset
        self.outcome.indexer.firstTimestamp = trusted.firstTimestamp
        self.outcome.indexer.maxTimestamp = trusted.largest.timestamp
        self.outcome.indexer.maxTimestampOffset = trusted.largest.offset
        segment.state.withLock { state in
            state.offsetIndex = SegmentIndex(stored: trusted.offsets)
            state.timeIndex = SegmentIndex(stored: trusted.times)
        }
        return trusted.position
    }

    private struct TrustedStart {
        var header: RecordBatchHeader
        var position: Int64
        var offsets: SegmentIndex<OffsetIndexEntry>.Stored
        var times: SegmentIndex<TimeIndexEntry>.Stored
        var firstTimestamp: Int64?
        /// Of the batches before.
        var largest: TimeIndexEntry
    }

    /// The last place before the recovery point that the offset index knows. Indexes are synced before the recovery
    /// point moves, so what they say of offsets before it is as good as the log; the batch there is checked all the
    /// same. Nil when the segment has to be read from its beginning.
    private func trustedStart(of segment: Segment) throws(FileSystemError) -> TrustedStart? {
        var offsets = try SegmentIndex<OffsetIndexEntry>.Stored.open(
            segment.path(.index), baseOffset: segment.baseOffset, on: self.fileSystem)
        var times = try SegmentIndex<TimeIndexEntry>.Stored.open(
            segment.path(.timeindex), baseOffset: segment.baseOffset, on: self.fileSystem)
        let base = segment.baseOffset
        try offsets.truncate(baseOffset: base) { $0.offset < self.recoveryPoint && $0.position < segment.size }
        guard let entry = offsets.last, times.count > 0 else { return nil }
        try times.truncate(baseOffset: base) { $0.offset <= entry.offset }
        guard let time = times.last else { return nil }
        let scanner = BatchScanner(
            file: try segment.logFile(), from: entry.position, to: segment.size, window: self.window)
        guard let header = try scanner.validBatch(at: entry.position), header.lastOffset == entry.offset,
            header.baseOffset >= segment.baseOffset,
            let largest = try self.largest(before: header, at: entry.position, since: time, in: segment, offsets)
        else { return nil }
        let first = try BatchScanner(file: scanner.file, from: 0, to: segment.size).peek(at: 0)
        return TrustedStart(
            header: header, position: entry.position, offsets: offsets, times: times,
            firstTimestamp: first?.maxTimestamp, largest: largest)
    }

    /// The largest timestamp before a batch: that of the last entry of the time index, if the log agrees, or of a batch
    /// behind it, as the index may have lost entries at its end. Nil when the log does not agree.
    private func largest(
        before batch: RecordBatchHeader, at end: Int64, since entry: TimeIndexEntry, in segment: Segment,
        _ offsets: SegmentIndex<OffsetIndexEntry>.Stored
    ) throws(FileSystemError) -> TimeIndexEntry? {
        let start = try offsets.lookup(entry.offset, baseOffset: segment.baseOffset)?.position ?? 0
        var scanner = BatchScanner(file: try segment.logFile(), from: min(start, end), to: end, window: self.window)
        var largest = entry
        var isTrue = entry.offset >= batch.baseOffset && batch.maxTimestamp == entry.timestamp
        while case .batch(let header, _) = try scanner.next() {
            if !isTrue, header.lastOffset >= entry.offset {
                guard header.baseOffset <= entry.offset, header.maxTimestamp == entry.timestamp else { return nil }
                isTrue = true
            }
            if header.maxTimestamp > largest.timestamp {
                largest = TimeIndexEntry(timestamp: header.maxTimestamp, offset: header.lastOffset)
            }
        }
        return isTrue ? largest : nil
    }

    /// Whether offsets are missing before a segment because the end of the one before was lost. Where they were on
    /// stable storage once, they are noted as damaged instead.
    private mutating func isGap(before segment: Segment) throws(LogError) -> Bool {
        guard segment.baseOffset >= self.expected else {
            throw .malformed(
                path: segment.path(.log), reason: "the segment before it has offsets up to \(self.expected)")
        }
        guard segment.baseOffset > self.expected, !self.mayBeMissing(before: segment.baseOffset) else {
            self.expected = segment.baseOffset
            return false
        }
        if self.expected >= self.recoveryPoint { return true }
        if let before = self.outcome.segments.last(where: { $0.baseOffset < segment.baseOffset }) {
            self.note(
                DamagedRange(
                    startOffset: self.expected, endOffset: segment.baseOffset, segmentBaseOffset: before.baseOffset,
                    startPosition: before.size, endPosition: before.size))
        }
        self.expected = segment.baseOffset
        return false
    }

    /// Whether compaction explains that the offsets up to this one are not there: our own, which is written down, or that
    /// of another broker, of which nothing says how far it went but that it was on stable storage. Past that, offsets
    /// are missing because a write was lost.
    private func mayBeMissing(before offset: Int64) -> Bool {
        offset <= self.gapsBefore || self.config.isCompacted && offset <= self.recoveryPoint
    }

    // MARK: - Scanning a segment

    /// Checks the batches of a segment from a position on. Returns whether the log was cut in it.
    private mutating func scan(_ segment: Segment, at index: Int, from start: Int64) throws(LogError) -> Bool {
        let file = try disk { () throws(FileSystemError) in try segment.logFile() }
        let size = segment.size
        var scanner = BatchScanner(file: file, from: start, to: size, window: self.window)
        let upperOffset =
            index + 1 < self.outcome.segments.count
            ? self.outcome.segments[index + 1].baseOffset : Int64.max
        self.outcome.scannedBytes += size - start
        var isCut = false
        scan: while true {
            self.stepOverKnownDamage(of: segment, &scanner)
            switch try disk({ () throws(FileSystemError) in try scanner.next(verifyingChecksum: true) }) {
            case .end:
                break scan
            case .batch(let header, let position):
                let problem = try disk { () throws(FileSystemError) in
                    try self.offsetProblem(header, scanner, upperOffset: upperOffset)
                }
                if let problem {
                    let damage = BatchScanner.Damage(
                        reason: problem, claimedEnd: scanner.position, isTruncated: false)
                    isCut = try self.handle(damage, at: position, of: segment, index, &scanner, upperOffset)
                } else {
                    try self.accept(header, at: position, of: segment)
                }
            case .damaged(let position, let damage):
                isCut = try self.handle(damage, at: position, of: segment, index, &scanner, upperOffset)
            }
            if isCut { break }
        }
        try self.finish(segment, isScanned: size > start || isCut, isLast: isCut || upperOffset == .max)
        // What was cut off must not come back under what is appended next.
        if isCut { try disk { () throws(FileSystemError) in try file.syncData() } }
        return isCut
    }

    private mutating func stepOverKnownDamage(of segment: Segment, _ scanner: inout BatchScanner) {
        let position = scanner.position
        for range in self.outcome.damage
        where range.segmentBaseOffset == segment.baseOffset && range.startPosition == position
            && range.startOffset == self.expected
        {
            self.expected = range.endOffset
            scanner.seek(to: min(range.endPosition, scanner.end))
        }
    }

    /// Why the offset in a header is wrong: the checksum does not cover it. Nil when it is plausible.
    private func offsetProblem(
        _ header: RecordBatchHeader, _ scanner: BatchScanner, upperOffset: Int64
    ) throws(FileSystemError) -> String? {
        if header.baseOffset < self.expected {
            return "its base offset \(header.baseOffset) comes after offset \(self.expected - 1)"
        }
        guard header.nextOffset < SegmentFileName.offsetLimit else {
            return "its last offset \(header.lastOffset) is out of range"
        }
        if header.nextOffset > upperOffset {
            return "its last offset \(header.lastOffset) belongs to the segment \(upperOffset)"
        }
        guard header.baseOffset > self.expected, !self.mayBeMissing(before: header.baseOffset) else { return nil }
        // A gap, which only compaction leaves. If the next batch lies inside of it, this header is the wrong one.
        guard let next = try scanner.peek(at: scanner.position) else {
            return header.nextOffset == upperOffset
                ? nil : "its base offset is \(header.baseOffset) instead of \(self.expected)"
        }
        guard next.baseOffset > self.expected, next.baseOffset < header.nextOffset else { return nil }
        return "its base offset \(header.baseOffset) is past that of the batch after it"
    }

    private mutating func accept(
        _ header: RecordBatchHeader, at position: Int64, of segment: Segment
    ) throws(LogError) {
        self.expected = header.nextOffset
        self.epochs.see(header)
        guard
            let entries = self.outcome.indexer.add(
                header, position: position, intervalBytes: self.config.indexIntervalBytes)
        else { return }
        let needsWrite = segment.state.withLock { state in
            state.offsetIndex?.append(entries.offset)
            if let time = entries.time { state.timeIndex?.append(time) }
            return state.offsetIndex?.needsWrite == true
        }
        if needsWrite { _ = try disk { () throws(FileSystemError) in try segment.writeIndexesIfRoom() } }
    }

    /// Decides about damage and goes on behind it. Returns whether the log is cut here.
    private mutating func handle(
        _ damage: BatchScanner.Damage, at position: Int64, of segment: Segment, _ index: Int,
        _ scanner: inout BatchScanner, _ upperOffset: Int64
    ) throws(LogError) -> Bool {
        if damage.isOldFormat, position == 0 {
            throw .malformed(
                path: segment.path(.log),
                reason: "it begins with a message of a format before magic 2, which is not supported; "
                    + "mirror the topic with current clients instead of moving its files")
        }
        let follower = try self.follower(of: damage, at: position, of: segment, scanner, upperOffset)
        let end = follower?.position ?? segment.size
        let looksUnwritten = try disk { () throws(FileSystemError) in
            damage.isTruncated && follower == nil
                ? true : try scanner.looksUnwritten(from: position, claimedEnd: damage.claimedEnd, to: end)
        }
        let later = self.outcome.segments[(index + 1)...]
        let site = RecoveryDecision.Site(
            offset: self.expected, recoveryPoint: self.recoveryPoint, follower: follower,
            nextSegmentBase: later.contains { $0.size > 0 } ? later.first?.baseOffset : nil,
            looksUnwritten: looksUnwritten, fileEnd: segment.size)
        switch RecoveryDecision.decide(site) {
        case .cut:
            self.logger?.warning(
                "cutting off the end of a log that was not closed",
                metadata: [
                    "partition": "\(self.topicPartition)", "offset": "\(self.expected)", "position": "\(position)",
                    "bytes": "\(segment.size - position)", "segmentsAfter": "\(later.count)",
                    "reason": "\(damage.reason)",
                ])
            let file = try disk { () throws(FileSystemError) in
                let file = try segment.logFile()
                try file.truncate(to: position)
                return file
            }
            segment.state.withLock { state in
                state.size = position
                state.file = file
            }
            return true
        case .damaged(let endOffset, let endPosition):
            self.note(
                DamagedRange(
                    startOffset: self.expected, endOffset: endOffset, segmentBaseOffset: segment.baseOffset,
                    startPosition: position, endPosition: endPosition))
            self.expected = endOffset
            scanner.seek(to: endPosition)
            return false
        }
    }

    /// The next valid batch of the same segment.
    private func follower(
        of damage: BatchScanner.Damage, at position: Int64, of segment: Segment, _ scanner: BatchScanner,
        _ upperOffset: Int64
    ) throws(LogError) -> RecoveryDecision.Follower? {
        let expected = self.expected
        let result = try disk { () throws(FileSystemError) in
            try scanner.follower(
                behind: position, claimedEnd: damage.claimedEnd, minimumOffset: expected + 1, upperOffset: upperOffset)
        }
        switch result {
        case .nothing:
            return nil
        case .found(let header, let place):
            return RecoveryDecision.Follower(offset: header.baseOffset, position: place)
        case .undecided:
            throw .malformed(
                path: segment.path(.log),
                reason: "behind the damage at byte \(position) too much looks like batches and is none")
        }
    }

    private mutating func note(_ range: DamagedRange) {
        self.logger?.error(
            "records are damaged on disk and will not be served",
            metadata: [
                "partition": "\(self.topicPartition)", "startOffset": "\(range.startOffset)",
                "endOffset": "\(range.endOffset)", "segment": "\(range.segmentBaseOffset)",
                "startPosition": "\(range.startPosition)", "endPosition": "\(range.endPosition)",
            ])
        self.outcome.damage.removeAll {
            $0.startOffset < range.endOffset && range.startOffset < $0.endOffset
        }
        self.outcome.damage.append(range)
        self.outcome.damage.sort { $0.startOffset < $1.startOffset }
    }

    // MARK: - Ending a segment

    /// Completes the indexes of a scanned segment.
    private func finish(_ segment: Segment, isScanned: Bool, isLast: Bool) throws(LogError) {
        let indexer = self.outcome.indexer
        segment.state.withLock { state in
            if !isLast, let entry = indexer.timeEntry { state.timeIndex?.append(entry) }
            state.maxTimestamp = indexer.maxTimestamp
        }
        guard isScanned else { return }
        let full = try disk { () throws(FileSystemError) in try segment.writeIndexesIfRoom(trimming: true) }
        if let full {
            self.logger?.warning(
                "no room for the indexes of a recovered log: they stay in memory until there is some",
                metadata: [
                    "partition": "\(self.topicPartition)", "segment": "\(segment.baseOffset)", "error": "\(full)",
                ])
        }
        segment.closeIndexFiles()
    }

    /// Removes segments of which nothing counts, the last one first, so that those left have no hole after a crash.
    private mutating func remove(from index: Int) throws(LogError) {
        while self.outcome.segments.count > index {
            let segment = self.outcome.segments.removeLast()
            try disk { () throws(FileSystemError) in
                for kind in SegmentFileName.Kind.allCases {
                    try SmallFile.remove(segment.path(kind), from: self.fileSystem)
                }
                try self.fileSystem.syncDirectory(self.directory)
            }
            self.outcome.removedFiles = true
        }
        self.outcome.damage.removeAll { $0.startOffset >= self.expected }
    }

    /// Records that were on stable storage and of which nothing is left, not even bytes.
    private mutating func closeTail() throws(LogError) {
        guard self.expected < self.recoveryPoint, let last = self.outcome.segments.last else { return }
        self.note(
            DamagedRange(
                startOffset: self.expected, endOffset: self.recoveryPoint, segmentBaseOffset: last.baseOffset,
                startPosition: last.size, endPosition: last.size))
        self.expected = self.recoveryPoint
    }
}

extension SegmentIndex.Stored {
    /// Leaves out the entries at the end that do not fit. The test must hold for all entries before one that fits.
    /// Logarithmic.
    mutating func truncate(baseOffset: Int64, where fits: (Entry) -> Bool) throws(FileSystemError) {
        guard let last = self.last, !fits(last) else { return }
        var low = 0
        var high = self.count
        while low < high {
            let middle = (low + high) / 2
            if let entry = try self.entry(at: middle, baseOffset: baseOffset), fits(entry) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        self.count = low
        self.last = low > 0 ? try self.entry(at: low - 1, baseOffset: baseOffset) : nil
    }
}
