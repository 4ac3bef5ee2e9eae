// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

extension PartitionLog {
    /// Puts everything that was appended on stable storage in the segments, oldest first: then `syncedOffset` and
    /// `flushedOffset` are what `endOffset` was. Costs one fdatasync for each segment written to, nothing when there is
    /// nothing to do.
    ///
    /// Appends go on meanwhile, on another thread; what they add is left for the next flush.
    ///
    /// A failure fences the log, since what is on the disk after it is unknown; it throws `fenced`.
    public func flush() throws(LogError) {
        try self.syncing.withLock { _ throws(LogError) in
            guard let work = try self.beginFlush() else { return }
            try self.fencing { () throws(FileSystemError) in
                for segment in work.sealed { try segment.logFile().syncData() }
                try work.active.syncData()
            }
            try self.writer.withLock { writer throws(LogError) in
                try self.checkWritable()
                writer.dirtySegments.removeAll { segment in work.sealed.contains { $0 === segment } }
                self.noteSynced(upTo: work.endOffset, &writer)
            }
        }
    }

    /// What a flush has to sync.
    private struct FlushWork {
        var sealed: [Segment]
        var active: any LogFile
        var endOffset: Int64
    }

    private func beginFlush() throws(LogError) -> FlushWork? {
        try self.writer.withLock { writer throws(LogError) in
            try self.checkWritable()
            guard self.isDirty(writer) else { return nil }
            try self.syncNames(&writer)
            _ = writer.undurable.take()
            return FlushWork(sealed: writer.dirtySegments, active: writer.activeFile, endOffset: writer.endOffset)
        }
    }

    private func isDirty(_ writer: Writer) -> Bool {
        writer.endOffset > self.syncedOffset || !writer.dirtySegments.isEmpty || writer.directoryIsDirty
    }

    /// The segments are on stable storage up to an offset at which a piece ended.
    private func noteSynced(upTo offset: Int64, _ writer: inout Writer) {
        writer.undurable.remove(upTo: offset)
        self.atomicSyncedOffset.max(offset, ordering: .releasing)
        self.atomicFlushedOffset.max(offset, ordering: .releasing)
    }

    /// Notes that the whole file system was synced after the last append: everything up to `offset` is durable.
    func markFlushed(upTo offset: Int64) {
        self.writer.withLock { writer in
            guard writer.endOffset == offset, self.refusal == nil else { return }
            writer.dirtySegments = []
            writer.directoryIsDirty = false
            self.noteSynced(upTo: offset, &writer)
        }
    }

    /// Flushes while nothing can be appended. The caller holds `syncing`.
    func flush(_ writer: inout Writer) throws(LogError) {
        guard self.isDirty(writer) else { return }
        let (sealed, active) = (writer.dirtySegments, writer.activeFile)
        try self.syncNames(&writer)
        try self.fencing { () throws(FileSystemError) in
            for segment in sealed { try segment.logFile().syncData() }
            try active.syncData()
        }
        writer.dirtySegments = []
        self.noteSynced(upTo: writer.endOffset, &writer)
    }

    func syncNames() throws(LogError) {
        try self.writer.withLock { writer throws(LogError) in try self.syncNames(&writer) }
    }

    /// Puts the names of new segments on stable storage.
    func syncNames(_ writer: inout Writer) throws(LogError) {
        guard writer.directoryIsDirty else { return }
        try self.fencing { () throws(FileSystemError) in try self.fileSystem.syncDirectory(self.directory) }
        writer.directoryIsDirty = false
    }

    /// Closes the log in order: flushes, trims and syncs the indexes, writes the leader epochs and a snapshot. The next
    /// opening may be `.clean` if and only if this returned. After it, everything throws `closed`. It throws `full` where
    /// there is no room for what has to be written; the batches are flushed all the same.
    public func close() throws(LogError) { try self.close(syncing: true) }

    /// Without `syncing`, indexes, epochs and snapshot are written but not synced: the caller syncs the whole file
    /// system before it says that the shutdown was clean. The batches are flushed in any case.
    func close(syncing: Bool) throws(LogError) {
        try self.withSyncingAndWriter { writer throws(LogError) in
            defer { self.markClosed() }
            try self.checkWritable()
            try self.flush(&writer)
            let active = writer.active
            let entry = writer.indexer.timeEntry
            active.state.withLock { state in
                if let entry { state.timeIndex?.append(entry) }
            }
            // First, as it gives room to what follows.
            try self.removeDeletedFiles(&writer, now: .max)
            try self.fencingUnlessFull { () throws(FileSystemError) in try active.trimIndexes() }
            try self.writeEverythingElse(&writer, syncing: syncing)
            self.atomicRecoveryPoint.store(writer.endOffset, ordering: .releasing)
        }
    }

    /// Runs `body` while nobody else syncs or appends.
    func withSyncingAndWriter<Result: Sendable>(
        _ body: (inout Writer) throws(LogError) -> Result
    ) throws(LogError) -> Result {
        try self.syncing.withLock { _ throws(LogError) in
            try self.writer.withLock { writer throws(LogError) in try body(&writer) }
        }
    }

    /// Ends all use of the log without touching the disk: its partition is being deleted.
    public func abandon() {
        // Waits for a swap of cleaned segments: its files must not be renamed in a directory of the same name.
        self.compaction.withLock { _ in self.writer.withLock { _ in self.markClosed() } }
    }

    private func markClosed() {
        self.shared.withLock { shared in
            shared.refusal = .closed(self.topicPartition)
            shared.isClosed = true
        }
    }

    /// Writes what recovery relies on besides the batches.
    func writeEverythingElse(_ writer: inout Writer, syncing: Bool) throws(LogError) {
        let segments = writer.dirtyIndexes + [writer.active]
        try self.fencingUnlessFull { () throws(FileSystemError) in
            for segment in segments {
                try segment.writeIndexes()
                if syncing { try segment.syncIndexes() }
            }
        }
        writer.dirtyIndexes = []
        if writer.epochsAreDirty {
            let text = self.shared.withLock { $0.epochs.text }
            try self.fencingUnlessFull { () throws(LogError) in
                try SmallFile.replace(
                    LeaderEpochCache.fileName, in: self.directory, with: text, sync: syncing, on: self.fileSystem)
            }
            writer.epochsAreDirty = false
        }
        if writer.damageIsDirty {
            let damage = self.shared.withLock { $0.damage }
            try self.fencingUnlessFull { () throws(LogError) in
                try DamagedRangesFile.write(damage, in: self.directory, on: self.fileSystem)
            }
            writer.damageIsDirty = false
        }
        // Its directory sync covers the names of the index files, too.
        try self.fencingUnlessFull { () throws(LogError) in try self.writeSnapshot(&writer, sync: syncing) }
    }

    /// Writes down the producers as of the end offset. Keeps the snapshots at the beginnings of segments, where a log
    /// that is cut back finds them, and removes the others before it.
    func writeSnapshot(_ writer: inout Writer, sync: Bool) throws(LogError) {
        let offset = writer.endOffset
        let name = SegmentFileName(offset, .snapshot).name
        if sync {
            try SmallFile.replace(name, in: self.directory, with: writer.producers.snapshot, on: self.fileSystem)
        } else {
            try SmallFile.write(
                writer.producers.snapshot, to: self.directory + "/" + name, sync: false, on: self.fileSystem)
        }
        let bases = Set(self.shared.withLock { $0.segments.map(\.baseOffset) })
        for old in writer.snapshots where old != offset && !bases.contains(old) {
            let path = self.directory + "/" + SegmentFileName(old, .snapshot).name
            try disk { () throws(FileSystemError) in try SmallFile.remove(path, from: self.fileSystem) }
        }
        writer.snapshots = writer.snapshots.filter { $0 != offset && bases.contains($0) } + [offset]
    }
}
