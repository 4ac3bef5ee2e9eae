// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords
import NIOCore
import Synchronization

extension PartitionLog {
    /// Appends batches at the end of the log, in their order, each one whole or not at all. One result for each.
    ///
    /// Offsets and the leader epoch are set in the headers; the record bytes go from the received buffers to the file
    /// in one vectored write for all batches of a segment, and are not looked at. Idempotent producers are checked,
    /// each batch seeing those before it. When this returns, batches can be read but are durable only after `flush`:
    /// that holds for duplicates too, whose first coming may not have been flushed either.
    ///
    /// `now` is wall-clock milliseconds. After a failed write the log is fenced and all results from the batches of
    /// that write on are `storage`. Where the disk is full, those results are `storage(full)` and the log is as if the
    /// batches had never come: a later call may find room.
    public func append(
        _ batches: [PreparedBatch], leaderEpoch: Int32, now: Int64
    ) -> [Result<AppendResult, AppendError>] {
        self.append(batches, leaderEpoch: leaderEpoch, now: now, isReplay: false)
    }

    /// The same; with `isReplay` for batches that were in the log before and have their offsets: their producers are
    /// not asked for the right sequence.
    func append(
        _ batches: [PreparedBatch], leaderEpoch: Int32, now: Int64, isReplay: Bool
    ) -> [Result<AppendResult, AppendError>] {
        self.writer.withLock { writer in
            let (config, refusal, latestEpoch) = self.shared.withLock { ($0.config, $0.refusal, $0.epochs.latestEpoch) }
            if let refusal { return batches.map { _ in .failure(.storage(refusal)) } }
            if let latestEpoch, leaderEpoch < latestEpoch {
                let message =
                    "the append comes from leader epoch \(leaderEpoch) of \(self.topicPartition), "
                    + "but leader epoch \(latestEpoch) has written since"
                return batches.map { _ in .failure(.fencedLeaderEpoch(message: message)) }
            }
            let headers = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(batches.count, 1) * RecordBatchHeader.byteCount, alignment: 8)
            defer { headers.deallocate() }
            // The run points into the buffers of the batches.
            return withExtendedLifetime(batches) {
                var call = AppendCall(
                    log: self, config: config, leaderEpoch: leaderEpoch, now: now, isReplay: isReplay,
                    headers: headers, run: AppendRun(writer))
                for batch in batches { call.append(batch, writer: &writer) }
                call.finish(writer: &writer)
                return call.results
            }
        }
    }

    /// Begins a new segment, so that the one before can be deleted or compacted. Nothing happens to an empty segment, nor
    /// where there is no room for another file, which throws `full`.
    public func roll(now: Int64) throws(LogError) {
        try self.writer.withLock { writer throws(LogError) in
            try self.checkWritable()
            if writer.endPosition > 0 { try self.roll(&writer, now: now) }
        }
    }

    /// Seals the active segment and begins the next at the end offset.
    func roll(_ writer: inout Writer, now: Int64) throws(LogError) {
        // Were the name of this segment lost and that of the next not, the log would have a hole, or begin there.
        try self.syncNames(&writer)
        let sealed = writer.active
        let entry = writer.indexer.timeEntry
        // True of the segment whether or not it is sealed in the end.
        if let entry { sealed.state.withLock { $0.timeIndex?.append(entry) } }
        // Where there is no room for the indexes, they are written by a later checkpoint: the new segment may be there
        // to make room, by letting this one go.
        _ = try self.fencing { () throws(FileSystemError) in try sealed.writeIndexesIfRoom() }
        let next = SegmentFileName(writer.endOffset, .log).name
        let file = try self.fencingUnlessFull { () throws(FileSystemError) in
            try self.fileSystem.open(self.directory + "/" + next, .createEmpty)
        }
        // A snapshot that a crash tears is found out by its checksum, so nobody waits for this one to be synced.
        try self.writeSnapshotIfRoom(&writer)
        sealed.state.withLock { $0.recent.removeAll() }
        let active = Segment(
            self.topicPartition, directory: self.directory, baseOffset: writer.endOffset, fileSystem: self.fileSystem,
            state: Segment.State(
                file: file, size: 0, lastAppendMs: now, offsetIndex: SegmentIndex(), timeIndex: SegmentIndex(),
                maxTimestamp: -1))
        writer.dirtySegments.append(sealed)
        writer.dirtyIndexes.append(sealed)
        writer.directoryIsDirty = true
        writer.active = active
        writer.activeFile = file
        writer.activeCreatedMs = now
        writer.indexer = SegmentIndexer()
        writer.endPosition = 0
        self.shared.withLock { shared in
            shared.segments.append(active)
            shared.endPosition = 0
        }
        if writer.dirtySegments.count > Self.dirtySegmentsMax {
            // Where a flush is under way already, that one takes care of them.
            let flushed: Result<Void, LogError>? = self.syncing.withLockIfAvailable { _ in
                do throws(LogError) { return .success(try self.flush(&writer)) } catch { return .failure(error) }
            }
            try flushed?.get()
        }
    }

    /// The most sealed segments that wait for their sync when nobody asks for a flush.
    private static var dirtySegmentsMax: Int { 8 }
}

/// The batches of a call that go into one segment with one write.
struct AppendRun {
    /// Where the write begins.
    let position: Int64
    var byteCount: Int64 = 0
    /// The result of the first batch: if the write fails, that one and all after it fail.
    var firstResult = 0
    var parts: [UnsafeRawBufferPointer] = []
    var batches: [RecentBatches.Batch] = []
    var offsetEntries: [OffsetIndexEntry] = []
    var timeEntries: [TimeIndexEntry] = []
    /// What the batches changed in the writer, to be taken back when there is no room for them.
    let writerBefore: (endOffset: Int64, indexer: SegmentIndexer)
    var producersBefore: ProducerState.Undo? = ProducerState.Undo()

    init(_ writer: PartitionLog.Writer) {
        self.position = writer.endPosition
        self.writerBefore = (writer.endOffset, writer.indexer)
    }

    var end: Int64 { self.position + self.byteCount }
}

/// One call of `append`: what has been decided and not been written yet.
private struct AppendCall {
    let log: PartitionLog
    let config: LogConfig
    let leaderEpoch: Int32
    let now: Int64
    let isReplay: Bool
    /// Room for one header for each batch of the call.
    let headers: UnsafeMutableRawBufferPointer
    var headerCount = 0
    var run: AppendRun
    var results: [Result<AppendResult, AppendError>] = []
    var failure: LogError?

    init(
        log: PartitionLog, config: LogConfig, leaderEpoch: Int32, now: Int64, isReplay: Bool,
        headers: UnsafeMutableRawBufferPointer, run: AppendRun
    ) {
        self.log = log
        self.config = config
        self.leaderEpoch = leaderEpoch
        self.now = now
        self.isReplay = isReplay
        self.headers = headers
        self.run = run
    }

    /// Decides about a batch and puts it on the run.
    mutating func append(_ batch: PreparedBatch, writer: inout PartitionLog.Writer) {
        if let failure = self.failure {
            self.results.append(.failure(.storage(failure)))
            return
        }
        var header = batch.header
        let segmentBytes = min(self.config.segmentBytes, Int64(Int32.max))
        guard Int64(header.sizeInBytes) <= segmentBytes else {
            let message =
                "a batch of \(header.sizeInBytes) bytes does not fit in a segment of "
                + "\(self.log.topicPartition): segment.bytes is \(segmentBytes)"
            self.results.append(.failure(.recordListTooLarge(message: message)))
            return
        }
        guard writer.endOffset <= SegmentFileName.offsetLimit else {
            let message = "\(self.log.topicPartition) has used up its offsets: it ends at \(writer.endOffset)"
            self.results.append(.failure(.recordListTooLarge(message: message)))
            return
        }
        if header.hasProducerID, !header.isControl, !self.isReplay {
            switch writer.producers.judge(header) {
            case .append: break
            case .duplicate(let known):
                self.results.append(.success(self.result(header, known.baseOffset, known.lastOffset, known.timestamp)))
                return
            case .reject(let error):
                self.results.append(.failure(error))
                return
            }
        }
        header.baseOffset = writer.endOffset
        header.partitionLeaderEpoch = self.leaderEpoch
        do throws(LogError) {
            try self.rollIfNeeded(header, writer: &writer)
        } catch {
            self.failure = error
            self.results.append(.failure(.storage(error)))
            return
        }
        self.put(header, of: batch, writer: &writer)
        self.results.append(.success(self.result(header, header.baseOffset, header.lastOffset, nil)))
    }

    private func result(
        _ header: RecordBatchHeader, _ baseOffset: Int64, _ lastOffset: Int64, _ duplicateOf: Int64?
    ) -> AppendResult {
        AppendResult(
            baseOffset: baseOffset, lastOffset: lastOffset,
            logAppendTime: header.timestampType == .logAppendTime ? duplicateOf ?? header.maxTimestamp : -1,
            logStartOffset: self.log.logStartOffset, isDuplicate: duplicateOf != nil)
    }

    private mutating func rollIfNeeded(
        _ header: RecordBatchHeader, writer: inout PartitionLog.Writer
    ) throws(LogError) {
        let counts = writer.active.state.withLock { ($0.offsetIndex?.count ?? 0, $0.timeIndex?.count ?? 0) }
        let segment = RollPolicy.Segment(
            baseOffset: writer.active.baseOffset, sizeInBytes: self.run.end,
            firstTimestamp: writer.indexer.firstTimestamp, createdMs: writer.activeCreatedMs,
            offsetIndexCount: counts.0 + self.run.offsetEntries.count,
            timeIndexCount: counts.1 + self.run.timeEntries.count)
        let reason = RollPolicy.reason(
            for: segment, byteCount: header.sizeInBytes, lastOffset: header.lastOffset,
            maxTimestamp: header.maxTimestamp, now: self.now, config: self.config)
        guard reason != nil else { return }
        try self.write(writer: &writer)
        try self.log.roll(&writer, now: self.now)
        self.run = AppendRun(writer)
        self.run.firstResult = self.results.count
    }

    /// Adds a batch, whose header has its offset, to the run.
    private mutating func put(
        _ header: RecordBatchHeader, of batch: PreparedBatch, writer: inout PartitionLog.Writer
    ) {
        let position = self.run.end
        let start = self.headerCount * RecordBatchHeader.byteCount
        let headerBytes = UnsafeMutableRawBufferPointer(
            rebasing: self.headers[start..<(start + RecordBatchHeader.byteCount)])
        header.write(to: headerBytes)
        self.headerCount += 1
        self.run.parts.append(UnsafeRawBufferPointer(headerBytes))
        // The pointer outlives the closure: the caller keeps the batches, and with them their storage, alive.
        self.run.parts.append(
            batch.bytes.withUnsafeReadableBytes { bytes in
                UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.byteCount...])
            })
        self.run.byteCount += Int64(header.sizeInBytes)
        self.run.batches.append(
            RecentBatches.Batch(
                baseOffset: header.baseOffset, lastOffset: header.lastOffset, position: position))
        if let entries = writer.indexer.add(
            header, position: position, intervalBytes: self.config.indexIntervalBytes)
        {
            self.run.offsetEntries.append(entries.offset)
            if let time = entries.time { self.run.timeEntries.append(time) }
        }
        writer.endOffset = header.nextOffset
        writer.producers.add(
            header, appendedMs: self.now, producersMax: self.config.producersMax, undo: &self.run.producersBefore)
    }

    /// Writes what is left.
    mutating func finish(writer: inout PartitionLog.Writer) {
        guard self.failure == nil else { return }
        do throws(LogError) { try self.write(writer: &writer) } catch { self.failure = error }
    }

    /// Writes the run and shows it to readers.
    private mutating func write(writer: inout PartitionLog.Writer) throws(LogError) {
        guard self.run.byteCount > 0 else { return }
        let (run, now) = (self.run, self.now)
        do throws(LogError) {
            try self.log.fencingUnlessFull { () throws(FileSystemError) in
                try writer.activeFile.write(run.parts, at: run.position)
            }
        } catch {
            let error = self.takeBack(error, writer: &writer)
            for index in run.firstResult..<self.results.count { self.results[index] = .failure(.storage(error)) }
            throw error
        }
        let maxTimestamp = writer.indexer.maxTimestamp
        let indexIsFull = writer.active.state.withLock { state in
            state.size = run.end
            state.lastAppendMs = max(state.lastAppendMs, now)
            state.maxTimestamp = maxTimestamp
            for batch in run.batches { state.recent.append(batch) }
            for entry in run.offsetEntries { state.offsetIndex?.append(entry) }
            for entry in run.timeEntries { state.timeIndex?.append(entry) }
            return state.offsetIndex?.needsWrite == true
        }
        writer.endPosition = run.end
        writer.bytesAfterRecoveryPoint += run.byteCount
        self.publish(run, writer: &writer)
        if indexIsFull {
            let active = writer.active
            _ = try self.log.fencing { () throws(FileSystemError) in try active.writeIndexesIfRoom() }
        }
    }

    /// After a write that found no room: cuts off what is in the file of it, and makes the writer what it was before the
    /// run, so that the next append takes the same offsets. Returns what the batches failed with.
    private func takeBack(_ error: LogError, writer: inout PartitionLog.Writer) -> LogError {
        guard case .full = error else { return error }
        do throws(FileSystemError) {
            try writer.activeFile.truncate(to: self.run.position)
        } catch {
            return self.log.fence(error)
        }
        (writer.endOffset, writer.indexer) = self.run.writerBefore
        if let before = self.run.producersBefore { writer.producers.takeBack(before) }
        return error
    }

    private func publish(_ run: AppendRun, writer: inout PartitionLog.Writer) {
        guard let first = run.batches.first, let last = run.batches.last else { return }
        writer.undurable.append(
            file: writer.activeFile, position: run.position, byteCount: run.byteCount, baseOffset: first.baseOffset,
            endOffset: last.lastOffset + 1)
        let leaderEpoch = self.leaderEpoch
        let isNewEpoch = self.log.shared.withLock { shared in
            shared.endOffset = last.lastOffset + 1
            shared.endPosition = run.end
            return shared.epochs.assign(epoch: leaderEpoch, startOffset: first.baseOffset)
        }
        if isNewEpoch { writer.epochsAreDirty = true }
        self.log.atomicEndOffset.store(last.lastOffset + 1, ordering: .releasing)
    }
}
