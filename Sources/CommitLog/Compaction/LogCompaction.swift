// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Synchronization

/// One cleaning of a log: reads, asks the decisions, writes. Owned by the thread that cleans.
///
/// First the dirty part is read and the last offset of each key noted, as far as the map has room. Then all sealed
/// segments up to there are read, a group that will be one segment at a time, and what stays is written beside them
/// and put in their place. A segment of its own of which everything stays is left alone.
final class LogCompaction {
    private let log: PartitionLog
    private let options: CompactionOptions
    private let pace: (Int64) -> Bool
    private let config: LogConfig
    private let hasher: KeyHasher
    private let reader = BatchReader()
    private let rebuilder = BatchRebuilder()
    private var result = CompactionResult()
    /// Bytes that `pace` was told of.
    private var pacedBytes: Int64 = 0
    /// Bytes written by the segments that are done.
    private var writtenBytes: Int64 = 0
    /// Bytes that compressed records had more than they have on disk: they cost no disk, but they cost time.
    private var inflatedBytes: Int64 = 0

    /// Bytes between two calls of `pace`.
    private static let paceIntervalBytes: Int64 = 256 << 10

    init(log: PartitionLog, options: CompactionOptions, pace: @escaping (Int64) -> Bool) {
        self.log = log
        self.options = options
        self.pace = pace
        self.config = log.config
        self.hasher = KeyHasher(seed: options.seed)
    }

    func run() throws(LogError) -> CompactionResult {
        let (policy, views) = try self.log.compactionPolicy(now: self.options.now, config: self.config)
        self.result.firstDirtyOffset = policy.firstDirtyOffset
        self.result.cleanedOffset = policy.firstDirtyOffset
        guard policy.endOffset > policy.firstDirtyOffset else { return self.result }
        do throws(LogError) {
            try self.clean(views, policy)
        } catch {
            guard self.result.wasStopped else { throw error }
        }
        self.result.bytesRead = self.reader.bytesRead
        return self.result
    }

    private func clean(_ views: [PartitionLog.ReadView], _ policy: CompactionPolicy) throws(LogError) {
        guard let map = OffsetMap(byteCount: self.options.mapByteCount) else {
            throw .malformed(
                path: self.log.directory, reason: "no memory for a map of \(self.options.mapByteCount) bytes")
        }
        let lastBatches = self.log.lastBatches()
        let cleanable = views.filter { $0.endOffset <= policy.endOffset }
        // Found out before anything is read: the damage is of no use to the map either.
        if let range = cleanable.lazy.compactMap(\.damage.first).first {
            throw .corrupt(self.log.topicPartition, range)
        }
        let (endOffset, aborted) = try self.fill(map, from: policy.firstDirtyOffset, cleanable)
        guard endOffset > policy.firstDirtyOffset else { return }
        var filter = CompactionFilter(
            endOffset: endOffset, now: self.options.now, deleteRetentionMs: self.config.deleteRetentionMs,
            lastBatches: lastBatches, aborted: aborted, hasher: self.hasher)
        let sources = cleanable.filter { $0.segment.baseOffset < endOffset }
        for group in try self.groups(sources) {
            try self.clean(Array(sources[group]), map, &filter)
        }
        try self.log.noteCleaned(upTo: endOffset)
        self.result.cleanedOffset = endOffset
    }

    private func groups(_ views: [PartitionLog.ReadView]) throws(LogError) -> [Range<Int>] {
        var segments: [SegmentGroups.Segment] = []
        for view in views {
            // Told from the sizes of the files, so that they need not be opened.
            let (offsets, times) = try disk { () throws(FileSystemError) in
                (
                    try self.log.fileSystem.status(view.segment.path(.index))?.size ?? 0,
                    try self.log.fileSystem.status(view.segment.path(.timeindex))?.size ?? 0
                )
            }
            segments.append(
                SegmentGroups.Segment(
                    baseOffset: view.segment.baseOffset, endOffset: view.endOffset, sizeInBytes: view.segment.size,
                    offsetIndexCount: Int(clamping: offsets) / OffsetIndexEntry.byteCount,
                    timeIndexCount: Int(clamping: times) / TimeIndexEntry.byteCount))
        }
        return SegmentGroups.plan(segments, config: self.config)
    }

    // MARK: - The map

    /// Reads the dirty part and notes the last offset of each key. Returns where the part ends that can be cleaned,
    /// which is before a record that had no room, or a transaction whose end is not known.
    private func fill(
        _ map: OffsetMap, from firstDirty: Int64, _ views: [PartitionLog.ReadView]
    ) throws(LogError) -> (endOffset: Int64, aborted: AbortedTransactions) {
        var transactions: TransactionScan?
        var endOffset = views.last?.endOffset ?? firstDirty
        for view in views where view.endOffset > firstDirty {
            try self.begin(view, at: firstDirty)
            while let batch = try self.reader.next() {
                try self.keepPace()
                let header = batch.header
                guard header.baseOffset < endOffset else { return (endOffset, transactions?.aborted ?? .init()) }
                if header.isControl || header.recordCount == 0 { continue }
                if header.isTransactional, transactions == nil {
                    let scan = try self.scanTransactions(from: header.baseOffset, limit: endOffset)
                    transactions = scan.transactions
                    endOffset = min(endOffset, scan.endOffset)
                }
                if transactions?.aborted.contains(header) == true { continue }
                if let full = try self.put(batch, into: map, from: firstDirty, before: endOffset) {
                    return (full, transactions?.aborted ?? .init())
                }
            }
        }
        return (endOffset, transactions?.aborted ?? .init())
    }

    private func begin(_ view: PartitionLog.ReadView, at offset: Int64) throws(LogError) {
        let segment = view.segment
        var position: Int64 = 0
        if offset > segment.baseOffset {
            position = try segment.locate(offset, before: segment.size, skipping: [])?.position ?? segment.size
        }
        // A file of its own, which is closed when the next one begins: the log keeps those open that consumers read.
        let file: any LogFile
        do throws(FileSystemError) {
            file = try self.log.fileSystem.open(segment.path(.log), .read)
        } catch {
            if error.isNotFound { throw self.stop() }
            throw .storage(error)
        }
        self.reader.begin(file, from: position, to: segment.size, offset: segment.baseOffset)
    }

    /// Puts the keys of a batch into the map; returns the offset of the first record that had no room.
    private func put(
        _ batch: BatchReader.Batch, into map: OffsetMap, from firstDirty: Int64, before endOffset: Int64
    ) throws(LogError) -> Int64? {
        let header = batch.header
        let hasher = self.hasher
        return try self.withRecords(of: batch) { records throws(RecordError) in
            var spans = RecordSpans(records, header: header)
            while let span = try spans.next() {
                let offset = header.baseOffset + Int64(span.offsetDelta)
                guard offset >= firstDirty, offset < endOffset, let key = span.key else { continue }
                if !map.put(hasher.hash(key), offset: offset) { return offset }
            }
            return nil
        }
    }

    /// Finds out how the transactions ended that begin at an offset or later and before the limit: reads headers and
    /// markers, past the limit as long as one has no marker yet. Records from the returned offset on are not to be
    /// cleaned: their transaction is open.
    private func scanTransactions(
        from offset: Int64, limit: Int64
    ) throws(LogError) -> (transactions: TransactionScan, endOffset: Int64) {
        var scan = TransactionScan()
        let stable = min(self.log.highWatermark, self.log.lastStableOffset)
        let views = self.log.shared.withLock { shared in
            (shared.segmentIndex(of: offset)..<shared.segments.count).map { shared.view(at: $0) }
        }
        var reached = limit
        walk: for view in views {
            let file = try disk { () throws(FileSystemError) in try view.segment.logFile() }
            var scanner = BatchScanner(file: file, from: 0, to: view.endPosition, skipping: view.skips)
            if offset > view.segment.baseOffset,
                let start = try view.segment.locate(offset, before: view.endPosition, skipping: view.skips)
            {
                scanner.seek(to: start.position)
            }
            while case .batch(let header, let position) = try disk({ () throws(FileSystemError) in
                try scanner.next()
            }) {
                guard header.nextOffset <= stable, header.baseOffset < limit || !scan.allEnded, !scan.isFull else {
                    reached = min(limit, header.baseOffset)
                    break walk
                }
                // Behind the limit only the ends of what began before it are of interest.
                if header.baseOffset >= limit, !header.isControl { continue }
                scan.add(header, outcome: try self.outcome(header, at: position, of: file))
            }
        }
        return (scan, min(reached, scan.firstOpenOffset ?? reached))
    }

    private func outcome(
        _ header: RecordBatchHeader, at position: Int64, of file: any LogFile
    ) throws(LogError) -> EndTransactionMarker.Outcome? {
        guard header.isControl, header.recordCount > 0 else { return nil }
        let slice = LogSlice(
            file: file, position: position, byteCount: header.sizeInBytes, startOffset: header.baseOffset)
        var bytes = try slice.bytes()
        let batch = bytes.readWithUnsafeReadableBytes { bytes in
            (
                0,
                Result { () throws(RecordError) in
                    try self.rebuilder.outcome(of: BatchReader.Batch(header: header, bytes: bytes, position: position))
                }
            )
        }
        do throws(RecordError) { return try batch.get() } catch { throw self.unreadable(header, error) }
    }

    // MARK: - Groups

    /// Cleans the segments of a group and puts the one that they become in their place.
    private func clean(
        _ group: [PartitionLog.ReadView], _ map: OffsetMap, _ filter: inout CompactionFilter
    ) throws(LogError) {
        if group.count == 1 {
            var probe = filter
            if try self.staysWhole(group[0], map, &probe) {
                filter = probe
                return
            }
        }
        let sizeBefore = group.reduce(0) { $0 + $1.segment.size }
        try self.log.prepareSwap()
        try self.checkSpace(for: sizeBefore)
        let cleaned = try disk { () throws(FileSystemError) in
            try CleanedSegment(
                self.log.directory, baseOffset: group[0].segment.baseOffset,
                indexIntervalBytes: self.config.indexIntervalBytes, fileSystem: self.log.fileSystem)
        }
        do throws(LogError) {
            var transactions = try self.transactionIndex(of: group)
            for view in group {
                try self.begin(view, at: 0)
                while let batch = try self.reader.next() {
                    let stays = try self.write(batch, to: cleaned, map, &filter)
                    if stays, batch.header.isControl { transactions.keeps(markerAt: batch.header.baseOffset) }
                    try self.keepPace(writing: cleaned.size)
                }
            }
            let index = transactions.bytes
            try disk { () throws(FileSystemError) in try cleaned.finish(transactions: index) }
            let isDone = try self.log.swap(
                cleaned, for: group.map(\.segment), endOffset: group[group.count - 1].endOffset)
            if !isDone { throw self.stop() }
        } catch {
            // Of a log that is closed the directory may be another's by now; of one that is fenced the swap may count.
            if self.log.refusal == nil { cleaned.discard() }
            throw error
        }
        self.writtenBytes += cleaned.size
        self.result.bytesWritten += cleaned.size
        self.result.bytesFreed += sizeBefore - cleaned.size
        self.result.segmentsReplaced += group.count
        self.result.segmentsWritten += 1
    }

    /// Whether a cleaning would change nothing of a segment. Reads it up to the first change.
    private func staysWhole(
        _ view: PartitionLog.ReadView, _ map: OffsetMap, _ filter: inout CompactionFilter
    ) throws(LogError) -> Bool {
        try self.begin(view, at: 0)
        while let batch = try self.reader.next() {
            try self.keepPace()
            let verdict = try self.withVerdict(of: batch, map, &filter) { verdict, _ in verdict }
            guard verdict == .keep else { return false }
        }
        return true
    }

    private func transactionIndex(of group: [PartitionLog.ReadView]) throws(LogError) -> TransactionIndexFilter {
        var files: [[UInt8]] = []
        for view in group {
            let file = try SmallFile.read(view.segment.path(.txnindex), from: self.log.fileSystem)
            if let file { files.append(file) }
        }
        return TransactionIndexFilter(files)
    }

    /// A cleaning that fills the disk would stop the appends of all partitions.
    private func checkSpace(for byteCount: Int64) throws(LogError) {
        let free = try disk { () throws(FileSystemError) in try self.log.fileSystem.freeSpace(self.log.directory) }
        let needed = byteCount + max(self.options.reservedBytes, 0)
        guard free < needed else { return }
        throw .storage(
            FileSystemError(
                .freeSpace, path: self.log.directory, errorNumber: 28,
                message: "compaction needs up to \(byteCount) bytes for a while and leaves "
                    + "\(self.options.reservedBytes) free, but there are \(free)"))
    }

    /// Writes what stays of a batch; false when nothing does.
    private func write(
        _ batch: BatchReader.Batch, to cleaned: CleanedSegment, _ map: OffsetMap, _ filter: inout CompactionFilter
    ) throws(LogError) -> Bool {
        let rebuilder = self.rebuilder
        let output = try self.withVerdict(of: batch, map, &filter) {
            verdict, records throws(RecordError) -> (header: RecordBatchHeader, bytes: ByteBuffer?)? in
            switch verdict {
            case .keep: return (batch.header, nil)
            case .drop: return nil
            case .empty: return rebuilder.emptied(batch.header)
            case .rebuild(let rebuild): return try rebuilder.rebuilt(batch.header, records: records, rebuild)
            }
        }
        guard let output else { return false }
        guard let bytes = output.bytes else {
            try cleaned.append(output.header, records: batch.records)
            return true
        }
        let written = bytes.withUnsafeReadableBytes { bytes in
            Result { () throws(LogError) in try cleaned.append(output.header, records: bytes) }
        }
        try written.get()
        return true
    }

    /// Asks the filter about a batch and hands its verdict on, with the records inflated.
    private func withVerdict<Value>(
        of batch: BatchReader.Batch, _ map: OffsetMap, _ filter: inout CompactionFilter,
        _ body: (CompactionFilter.Verdict, UnsafeRawBufferPointer) throws(RecordError) -> Value
    ) throws(LogError) -> Value {
        guard filter.needsRecords(of: batch.header) || batch.header.isControl else {
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            do throws(RecordError) {
                return try body(try filter.judge(batch.header, records: none, isMarker: false, map: map), none)
            } catch {
                throw self.unreadable(batch.header, error)
            }
        }
        let rebuilder = self.rebuilder
        return try self.withRecords(of: batch) { records throws(RecordError) in
            let isControl = batch.header.isControl && batch.header.recordCount > 0
            let isMarker = isControl ? try rebuilder.outcome(of: batch) != nil : false
            let verdict = try filter.judge(batch.header, records: records, isMarker: isMarker, map: map)
            return try body(verdict, records)
        }
    }

    /// Calls with the records of a batch, inflated.
    private func withRecords<Value>(
        of batch: BatchReader.Batch, _ body: (UnsafeRawBufferPointer) throws(RecordError) -> Value
    ) throws(LogError) -> Value {
        do throws(RecordError) {
            guard let inflated = try self.rebuilder.inflate(batch) else { return try body(batch.records) }
            self.inflatedBytes += max(Int64(inflated.readableBytes - batch.records.count), 0)
            let result = inflated.withUnsafeReadableBytes { bytes in
                Result { () throws(RecordError) in try body(bytes) }
            }
            return try result.get()
        } catch {
            throw self.unreadable(batch.header, error)
        }
    }

    private func unreadable(_ header: RecordBatchHeader, _ error: RecordError) -> LogError {
        .malformed(
            path: self.log.directory,
            reason: "the batch at offset \(header.baseOffset) cannot be read: \(error); "
                + "the log is left as it is, without compaction")
    }

    /// Tells how much was read and written, and ends the cleaning when it shall end.
    private func keepPace(writing size: Int64 = 0) throws(LogError) {
        let done = self.reader.bytesRead + self.inflatedBytes + self.writtenBytes + size
        guard done - self.pacedBytes >= Self.paceIntervalBytes else { return }
        let bytes = done - self.pacedBytes
        self.pacedBytes = done
        if let refusal = self.log.refusal { throw refusal }
        if !self.pace(bytes) { throw self.stop() }
    }

    /// Ends the cleaning before its end; what is thrown is seen by nobody.
    private func stop() -> LogError {
        self.result.wasStopped = true
        return .closed(self.log.topicPartition)
    }
}
