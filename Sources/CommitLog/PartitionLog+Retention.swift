// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Logging
import Synchronization

extension PartitionLog {
    /// Moves the log start offset forward to `offset`: records before it can no longer be read, and segments that lie
    /// before it whole go with the next `applyRetention`. An offset before the log start changes nothing. Returns the
    /// log start offset.
    ///
    /// The caller has it written to the data directory's checkpoint before it answers. Throws `offsetOutOfRange` for
    /// an offset past the high watermark.
    @discardableResult
    public func deleteRecords(before offset: Int64) throws(LogError) -> Int64 {
        // What is in the journal only would not find its place again in a log that begins after its batch.
        if offset > self.syncedOffset, offset <= self.highWatermark { try self.flush() }
        return try self.writer.withLock { writer throws(LogError) in
            if self.shared.withLock({ $0.isClosed }) { throw .closed(self.topicPartition) }
            guard offset >= 0, offset <= self.highWatermark else {
                throw .offsetOutOfRange(
                    self.topicPartition, requested: offset, logStartOffset: self.logStartOffset,
                    endOffset: self.highWatermark)
            }
            self.advanceLogStart(to: offset, writer: &writer)
            return self.logStartOffset
        }
    }

    /// Deletes the segments that `retention.ms`, `retention.bytes` or the log start offset have done with, and removes
    /// the files of those deleted `file.delete.delay.ms` ago. Returns the deleted segments, oldest first.
    ///
    /// When all segments have had their time, the active one is rolled and goes too. Age counts from the later of
    /// record timestamp and append time; the log line says which. Nothing at or after the high watermark is deleted.
    /// Files are renamed to `.deleted` one segment after another, each step synced, so that after a crash the segments
    /// that are left have no hole. `now` is wall-clock milliseconds. Throws `storage` when the disk fails; what was not
    /// done is done by the next call.
    @discardableResult
    public func applyRetention(now: Int64) throws(LogError) -> [DeletedSegment] {
        try self.writer.withLock { writer throws(LogError) in
            if self.shared.withLock({ $0.isClosed }) { throw .closed(self.topicPartition) }
            // Cleaned segments are being put in place. It takes moments, and the next call comes soon.
            if writer.isSwapping { return [] }
            let config = self.config
            _ = writer.producers.removeExpired(now: now, expirationMs: config.producerIDExpirationMs)
            try self.removeDeletedFiles(&writer, now: now)
            let summaries = try self.summaries()
            let reasons = RetentionPolicy.deletable(
                summaries, logStartOffset: self.logStartOffset, highWatermark: self.highWatermark, now: now,
                config: config)
            guard !reasons.isEmpty else { return [] }
            if reasons.count == summaries.count {
                // A fenced log cannot begin a new segment, so its last one stays.
                try self.checkWritable()
                try self.roll(&writer, now: now)
            }
            // A directory that has lost the old segments and not got the new one yet would be that of an empty log.
            try self.syncNames(&writer)
            var deleted: [DeletedSegment] = []
            for (segment, reason) in zip(summaries, reasons) {
                let gone = DeletedSegment(
                    baseOffset: segment.baseOffset, endOffset: segment.endOffset, sizeInBytes: segment.sizeInBytes,
                    reason: reason)
                try self.delete(gone, writer: &writer, dueMs: now.addingReportingOverflow(config.fileDeleteDelayMs))
                deleted.append(gone)
            }
            return deleted
        }
    }

    /// What the policy looks at, oldest segment first.
    private func summaries() throws(LogError) -> [RetentionPolicy.Segment] {
        let views = self.shared.withLock { shared in shared.segments.indices.map { shared.view(at: $0) } }
        var summaries: [RetentionPolicy.Segment] = []
        summaries.reserveCapacity(views.count)
        for view in views {
            let maxTimestamp = try disk { () throws(FileSystemError) in
                try view.segment.maxTimestamp(skipping: view.skips)
            }
            summaries.append(
                RetentionPolicy.Segment(
                    baseOffset: view.segment.baseOffset, endOffset: view.endOffset, sizeInBytes: view.segment.size,
                    maxTimestamp: maxTimestamp, lastAppendMs: view.segment.lastAppendMs))
        }
        return summaries
    }

    /// Takes the oldest segment away: first from readers, then from the directory.
    private func delete(
        _ gone: DeletedSegment, writer: inout Writer, dueMs: (partialValue: Int64, overflow: Bool)
    ) throws(LogError) {
        self.logger?.info(
            "deleting a segment",
            metadata: [
                "partition": "\(self.topicPartition)", "baseOffset": "\(gone.baseOffset)",
                "endOffset": "\(gone.endOffset)", "bytes": "\(gone.sizeInBytes)", "reason": "\(gone.reason)",
            ])
        let segment = self.shared.withLock { shared in shared.segments.removeFirst() }
        writer.dirtySegments.removeAll { $0 === segment }
        writer.dirtyIndexes.removeAll { $0 === segment }
        // They would keep the file open, and its room taken.
        writer.undurable.remove(upTo: gone.endOffset)
        self.advanceLogStart(to: gone.endOffset, writer: &writer)
        // Readers that have found the segment but not opened it yet shall still be able to.
        _ = try? segment.logFile()
        let due = dueMs.overflow ? Int64.max : dueMs.partialValue
        for kind in SegmentFileName.Kind.allCases {
            let path = segment.path(kind)
            let newPath = path + SegmentFileName.deletedSuffix
            do throws(FileSystemError) {
                try self.fileSystem.rename(path, to: newPath)
                writer.removals.append((newPath, due))
            } catch  where error.isFull {
                // The longer name needs room, to go at once does not.
                try disk { () throws(FileSystemError) in try SmallFile.remove(path, from: self.fileSystem) }
            } catch {
                if !error.isNotFound { throw .storage(error) }
            }
        }
        writer.snapshots.removeAll { $0 == segment.baseOffset }
        try disk { () throws(FileSystemError) in try self.fileSystem.syncDirectory(self.directory) }
    }

    private func advanceLogStart(to offset: Int64, writer: inout Writer) {
        guard offset > self.logStartOffset else { return }
        let epochsChanged = self.shared.withLock { shared in
            shared.logStartOffset = offset
            shared.damage.removeAll { $0.endOffset <= offset }
            return shared.epochs.truncateFromStart(offset)
        }
        if epochsChanged { writer.epochsAreDirty = true }
        self.atomicLogStartOffset.store(offset, ordering: .releasing)
        self.advanceHighWatermark(to: offset)
    }

    /// Removes the files whose time has come.
    func removeDeletedFiles(_ writer: inout Writer, now: Int64) throws(LogError) {
        while let index = writer.removals.firstIndex(where: { $0.dueMs <= now }) {
            let path = writer.removals[index].path
            try disk { () throws(FileSystemError) in try SmallFile.remove(path, from: self.fileSystem) }
            writer.removals.remove(at: index)
        }
    }
}
