// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Synchronization

/// One piece of a partition's log: a file of batches, and two indexes into it.
///
/// The writer of the partition is the only one that changes it; readers come from any thread. All that changes lies
/// under one lock, which is held for moments and never while a file is written, synced or read.
///
/// Invariants:
/// - `size` never shrinks while the segment is open, and everything before it has been written whole.
/// - an index is a hint: it is believed only as far as the batch it points to agrees.
final class Segment: Sendable {
    struct State: Sendable {
        /// Opened when first needed.
        var file: (any LogFile)?
        /// The bytes that may be read.
        var size: Int64
        /// When the last batch was appended, in wall-clock milliseconds: over a restart, the file's modification time.
        var lastAppendMs: Int64
        /// Nil until an index is needed for the first time.
        var offsetIndex: SegmentIndex<OffsetIndexEntry>?
        var timeIndex: SegmentIndex<TimeIndexEntry>?
        /// The largest timestamp; nil until it is needed for the first time.
        var maxTimestamp: Int64?
        var recent = RecentBatches()
        /// The offset index pointed to something that is not there.
        var indexIsWrong = false
        /// The time index said something that the log does not.
        var timeIndexIsWrong = false
        /// The segment was read since idle files were last closed.
        var isUsed = false
        /// Its files are being replaced: what is open is all there is of it, and stays open.
        var isRetired = false
    }

    /// Where a batch is.
    struct Location {
        var baseOffset: Int64
        var lastOffset: Int64
        var position: Int64
        /// The position after the batch.
        var end: Int64
        /// The first of the offsets that are missing before it, which compaction may have taken, or its header is
        /// damaged; nil when none are, or that is not known.
        var gapStart: Int64?

        /// The offset that should be the first in what begins here.
        var expectedOffset: Int64 { self.gapStart ?? self.baseOffset }
    }

    let topicPartition: TopicPartition
    let baseOffset: Int64
    let directory: String
    let fileSystem: any FileSystem
    let state: Mutex<State>

    init(
        _ topicPartition: TopicPartition, directory: String, baseOffset: Int64, fileSystem: any FileSystem,
        state: State
    ) {
        self.topicPartition = topicPartition
        self.directory = directory
        self.baseOffset = baseOffset
        self.fileSystem = fileSystem
        self.state = Mutex(state)
    }

    func path(_ kind: SegmentFileName.Kind) -> String {
        self.directory + "/" + SegmentFileName(self.baseOffset, kind).name
    }

    var size: Int64 { self.state.withLock { $0.size } }

    var lastAppendMs: Int64 { self.state.withLock { $0.lastAppendMs } }

    // MARK: - Files, opened when needed

    /// The file of the batches for `access`.
    private func logFile(_ access: ReadAccess) throws(FileSystemError) -> any LogFile {
        if access == .mayWait { return try self.logFile() }
        return CachedReads(try self.openLogFile())
    }

    /// The file of the batches if it is open; throws `wouldWait` if not.
    func openLogFile() throws(FileSystemError) -> any LogFile {
        let known = self.state.withLock { state in
            state.isUsed = true
            return state.file
        }
        guard let known else { throw .wouldWait(.open, path: self.path(.log)) }
        return known
    }

    /// The file of the batches.
    func logFile() throws(FileSystemError) -> any LogFile {
        let known = self.state.withLock { state in
            state.isUsed = true
            return state.file
        }
        if let known { return known }
        let opened = try self.fileSystem.open(self.path(.log), .readWrite)
        return self.state.withLock { state in
            if let file = state.file { return file }
            state.file = opened
            return opened
        }
    }

    /// Makes sure that both indexes are known.
    func loadIndexes(_ access: ReadAccess = .mayWait) throws(FileSystemError) {
        if self.state.withLock({ $0.offsetIndex != nil && $0.timeIndex != nil }) { return }
        if access == .cachedOnly { throw .wouldWait(.open, path: self.path(.index)) }
        let offsets = try SegmentIndex<OffsetIndexEntry>.Stored.open(
            self.path(.index), baseOffset: self.baseOffset, on: self.fileSystem)
        let times = try SegmentIndex<TimeIndexEntry>.Stored.open(
            self.path(.timeindex), baseOffset: self.baseOffset, on: self.fileSystem)
        self.state.withLock { state in
            if state.offsetIndex == nil { state.offsetIndex = SegmentIndex(stored: offsets) }
            if state.timeIndex == nil { state.timeIndex = SegmentIndex(stored: times) }
        }
    }

    /// The entries of an index file with the file, which may have been closed.
    private func opened<Entry>(
        _ stored: SegmentIndex<Entry>.Stored, _ kind: SegmentFileName.Kind, _ access: ReadAccess = .mayWait
    ) throws(FileSystemError) -> SegmentIndex<Entry>.Stored {
        var stored = stored
        if access == .cachedOnly, stored.count > 0 {
            guard let file = stored.file else { throw .wouldWait(.open, path: self.path(kind)) }
            stored.file = CachedReads(file)
            return stored
        }
        guard stored.file == nil, stored.count > 0 else { return stored }
        let file = try self.fileSystem.open(self.path(kind), .read)
        stored.file = file
        self.state.withLock { state in
            switch kind {
            case .index: if state.offsetIndex?.stored.file == nil { state.offsetIndex?.stored.file = file }
            default: if state.timeIndex?.stored.file == nil { state.timeIndex?.stored.file = file }
            }
        }
        return stored
    }

    /// Closes the index files until they are needed: most partitions are idle most of the time.
    func closeIndexFiles() {
        self.state.withLock { state in
            state.offsetIndex?.stored.file = nil
            state.timeIndex?.stored.file = nil
        }
    }

    // MARK: - Finding batches

    /// The first batch that ends at `offset` or later, before `endPosition`; nil when there is none.
    ///
    /// Costs nothing on disk near the tail; else a search in the index and a walk over about `index.interval.bytes`
    /// of headers. Where the index is wrong, a walk from the beginning.
    func locate(
        _ offset: Int64, before endPosition: Int64, skipping skips: [Range<Int64>], _ access: ReadAccess = .mayWait
    ) throws(LogError) -> Location? {
        if let recent = self.state.withLock({ $0.recent.locate(offset, endPosition: $0.size) }),
            recent.end <= endPosition
        {
            let batch = recent.batch
            return Location(
                baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, position: batch.position, end: recent.end)
        }
        var (scanner, start) = try disk { () throws(FileSystemError) in
            var scanner = BatchScanner(file: try self.logFile(access), from: 0, to: endPosition, skipping: skips)
            let start = try self.startPosition(for: offset, scanner, access)
            scanner.seek(to: start)
            return (scanner, start)
        }
        var expected = self.baseOffset
        while true {
            switch try disk({ () throws(FileSystemError) in try scanner.next() }) {
            case .batch(let header, let position):
                // Where offsets go back, a header is damaged whose checksum does not cover them.
                let isKnown = position == start && start > 0
                if header.baseOffset < expected, !isKnown {
                    throw self.damaged(from: expected, to: offset, at: position)
                }
                if header.lastOffset >= offset {
                    return Location(
                        baseOffset: header.baseOffset, lastOffset: header.lastOffset, position: position,
                        end: scanner.position, gapStart: header.baseOffset > expected && !isKnown ? expected : nil)
                }
                expected = header.nextOffset
            case .damaged(let position, _):
                throw self.damaged(from: expected, to: offset, at: position)
            case .end:
                return nil
            }
        }
    }

    /// The error for damage that was met by reading: how far it goes is not known.
    private func damaged(from expected: Int64, to offset: Int64, at position: Int64) -> LogError {
        .corrupt(
            self.topicPartition,
            DamagedRange(
                startOffset: min(expected, offset), endOffset: max(expected, offset) &+ 1,
                segmentBaseOffset: self.baseOffset, startPosition: position, endPosition: position))
    }

    /// A position at which a batch begins that is not after the one with `offset`.
    private func startPosition(
        for offset: Int64, _ scanner: BatchScanner, _ access: ReadAccess
    ) throws(FileSystemError) -> Int64 {
        try self.loadIndexes(access)
        let (found, stored, isWrong) = self.state.withLock { state in
            (state.offsetIndex?.lookup(offset), state.offsetIndex?.stored, state.indexIsWrong)
        }
        if isWrong { return 0 }
        let entry: OffsetIndexEntry?
        if let found, found.inMemory {
            entry = found.entry
        } else {
            entry = try stored.map { stored throws(FileSystemError) in try self.opened(stored, .index, access) }?
                .lookup(offset, baseOffset: self.baseOffset)
        }
        // An entry past what this reader may see is right, and of no use to it.
        guard let entry, entry.position < scanner.end else { return 0 }
        // Nothing can be said of an entry for a batch that is damaged.
        if scanner.skips(entry.position) { return 0 }
        if try self.agrees(with: entry, scanner) { return entry.position }
        self.state.withLock { $0.indexIsWrong = true }
        return 0
    }

    /// Whether the log says what an entry of the offset index says: a batch begins at its position, and one from there
    /// on ends at its offset. The index that Kafka writes has one entry for all batches of an append.
    func agrees(with entry: OffsetIndexEntry, _ scanner: BatchScanner) throws(FileSystemError) -> Bool {
        var scanner = scanner
        scanner.seek(to: entry.position)
        var expected = self.baseOffset
        while case .batch(let header, _) = try scanner.next(), header.baseOffset >= expected {
            if header.lastOffset >= entry.offset { return header.lastOffset == entry.offset }
            expected = header.nextOffset
        }
        return false
    }

    /// The last entry of the time index whose timestamp is not above `timestamp`.
    func timeEntry(notAbove timestamp: Int64) throws(FileSystemError) -> TimeIndexEntry? {
        try self.loadIndexes()
        let (found, stored) = self.state.withLock { ($0.timeIndex?.lookup(timestamp), $0.timeIndex?.stored) }
        if let found, found.inMemory { return found.entry }
        let opened = try stored.map { stored throws(FileSystemError) in try self.opened(stored, .timeindex) }
        return try opened?.lookup(timestamp, baseOffset: self.baseOffset)
    }

    /// Keeps its file open, and looks for nothing in its indexes any more: their names will soon stand for others.
    /// Throws when the file cannot be opened; then nothing has changed.
    func retire() throws(FileSystemError) {
        _ = try self.logFile()
        self.state.withLock { state in
            state.isRetired = true
            state.offsetIndex = SegmentIndex()
            state.timeIndex = SegmentIndex()
        }
    }

    /// Takes that back.
    func reinstate() {
        self.state.withLock { state in
            state.isRetired = false
            state.offsetIndex = nil
            state.timeIndex = nil
        }
    }

    // MARK: - For the writer alone

    /// The same where the disk may be full: the entries then stay in memory, bounded (`SegmentIndex.keptMax`), until the
    /// next call finds room. Indexes are hints, and nobody has to wait for one. Returns the error of the full disk.
    func writeIndexesIfRoom(trimming: Bool = false) throws(FileSystemError) -> FileSystemError? {
        do {
            if trimming { try self.trimIndexes() } else { try self.writeIndexes() }
            return nil
        } catch {
            guard error.isFull else { throw error }
            self.state.withLock { state in
                state.offsetIndex?.thinOut()
                state.timeIndex?.thinOut()
            }
            return error
        }
    }

    /// Writes the index entries that are in memory to the index files.
    func writeIndexes() throws(FileSystemError) {
        try self.loadIndexes()
        try self.write(\.offsetIndex, to: .index)
        try self.write(\.timeIndex, to: .timeindex)
    }

    private func write<Entry>(
        _ index: any WritableKeyPath<State, SegmentIndex<Entry>?> & Sendable, to kind: SegmentFileName.Kind
    ) throws(FileSystemError) {
        guard let current = self.state.withLock({ $0[keyPath: index] }) else { return }
        // An index without entries gets its file too: without one, Kafka's tools take the segment for damaged.
        if current.pending.isEmpty, current.stored.file != nil || current.stored.count > 0 { return }
        let mode: OpenMode = current.stored.count == 0 ? .createEmpty : .readWrite
        let file = try self.fileSystem.open(self.path(kind), mode)
        guard !current.pending.isEmpty else {
            self.state.withLock { $0[keyPath: index]?.stored.file = file }
            return
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(current.pending.count * Entry.byteCount)
        for entry in current.pending { entry.append(to: &bytes, baseOffset: self.baseOffset) }
        try file.write(bytes, at: Int64(current.stored.count * Entry.byteCount))
        self.state.withLock { $0[keyPath: index]?.wrote(current.pending.count, file: file) }
    }

    /// Cuts off what lies in the index files behind the entries, preallocated zeros or what a crash left, and writes the
    /// entries that are in memory. Cutting comes first: it needs no room, and gives some.
    func trimIndexes() throws(FileSystemError) {
        try self.loadIndexes()
        let (offsets, times) = self.state.withLock { ($0.offsetIndex?.stored, $0.timeIndex?.stored) }
        try self.trim(offsets, .index)
        try self.trim(times, .timeindex)
        try self.writeIndexes()
    }

    private func trim<Entry>(
        _ stored: SegmentIndex<Entry>.Stored?, _ kind: SegmentFileName.Kind
    ) throws(FileSystemError) {
        guard let stored, stored.file != nil || stored.count > 0 else { return }
        let size = Int64(stored.count * Entry.byteCount)
        let file = try self.fileSystem.open(self.path(kind), .readWrite)
        if try file.size() != size { try file.truncate(to: size) }
    }

    /// Lets go of the files of a sealed segment that nobody has read since the last call, so that the number of open
    /// files does not grow with the log. They are opened again when needed.
    func releaseIdleFiles() {
        self.state.withLock { state in
            let isIdle =
                !state.isUsed && !state.isRetired && state.offsetIndex?.pending.isEmpty != false
                && state.timeIndex?.pending.isEmpty != false
            state.isUsed = false
            guard isIdle else { return }
            state.file = nil
            state.offsetIndex = nil
            state.timeIndex = nil
        }
    }

    /// Puts the indexes on stable storage.
    func syncIndexes() throws(FileSystemError) {
        let (offsets, times) = self.state.withLock { ($0.offsetIndex?.stored, $0.timeIndex?.stored) }
        if let offsets { try self.opened(offsets, .index).file?.syncData() }
        if let times { try self.opened(times, .timeindex).file?.syncData() }
    }
}

extension LogFile {
    /// Writes an array.
    func write(_ bytes: [UInt8], at position: Int64) throws(FileSystemError) {
        var failure: FileSystemError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileSystemError) { try self.write([buffer], at: position) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// What a lookup may do to find batches.
enum ReadAccess {
    /// Open files and wait for the disk.
    case mayWait
    /// Only what is open and in memory; else it throws an error whose `wouldWait` is true.
    case cachedOnly
}
