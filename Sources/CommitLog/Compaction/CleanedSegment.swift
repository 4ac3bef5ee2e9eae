// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore

/// Writes what is left of a group of segments to `.cleaned` files: batches and both indexes.
///
/// The files are synced as they grow, so that no large amount of unsynced bytes stands in the way of the syncs of
/// appends. Owned by one cleaning, on one thread.
final class CleanedSegment {
    /// Bytes written at a time.
    private static let bufferByteCount = 1 << 20
    /// Bytes after which the file is synced.
    private static let syncIntervalBytes: Int64 = 16 << 20

    let directory: String
    let baseOffset: Int64
    private let fileSystem: any FileSystem
    private let indexIntervalBytes: Int64
    private let log: any LogFile
    private var offsets: IndexWriter<OffsetIndexEntry>
    private var times: IndexWriter<TimeIndexEntry>
    private(set) var indexer = SegmentIndexer()
    private var buffer: [UInt8] = []
    /// Bytes of batches so far.
    private(set) var size: Int64 = 0
    private var writtenSize: Int64 = 0
    private var syncedSize: Int64 = 0

    init(
        _ directory: String, baseOffset: Int64, indexIntervalBytes: Int64, fileSystem: any FileSystem
    ) throws(FileSystemError) {
        self.directory = directory
        self.baseOffset = baseOffset
        self.fileSystem = fileSystem
        self.indexIntervalBytes = indexIntervalBytes
        func open(_ kind: SegmentFileName.Kind) throws(FileSystemError) -> any LogFile {
            let name = SegmentFileName(baseOffset, kind).name + SegmentFileName.cleanedSuffix
            return try fileSystem.open(directory + "/" + name, .createEmpty)
        }
        self.log = try open(.log)
        self.offsets = IndexWriter(file: try open(.index), baseOffset: baseOffset)
        self.times = IndexWriter(file: try open(.timeindex), baseOffset: baseOffset)
        self.buffer.reserveCapacity(Self.bufferByteCount)
    }

    /// The files that it has made.
    private(set) var kinds: [SegmentFileName.Kind] = [.index, .timeindex, .log]

    /// Adds a batch: a header and the records after it. Throws `malformed` when positions no longer fit into the index.
    func append(_ header: RecordBatchHeader, records: UnsafeRawBufferPointer) throws(LogError) {
        guard self.size + Int64(header.sizeInBytes) <= Int64(Int32.max) else {
            throw .malformed(
                path: self.log.path, reason: "cleaned, the segment would grow past \(Int32.max) bytes")
        }
        try disk { () throws(FileSystemError) in
            let entries = self.indexer.add(header, position: self.size, intervalBytes: self.indexIntervalBytes)
            if let entries {
                try self.offsets.append(entries.offset)
                if let time = entries.time { try self.times.append(time) }
            }
            if self.buffer.count + header.sizeInBytes > Self.bufferByteCount { try self.writeBuffer() }
            withUnsafeTemporaryAllocation(byteCount: RecordBatchHeader.byteCount, alignment: 8) { bytes in
                header.write(to: bytes)
                self.buffer.append(contentsOf: bytes)
            }
            self.buffer.append(contentsOf: records)
            self.size += Int64(header.sizeInBytes)
            if self.buffer.count >= Self.bufferByteCount { try self.writeBuffer() }
        }
    }

    private func writeBuffer() throws(FileSystemError) {
        guard !self.buffer.isEmpty else { return }
        try self.log.write(self.buffer, at: self.writtenSize)
        self.writtenSize += Int64(self.buffer.count)
        // The room of a batch that was larger than usual is given back.
        if self.buffer.capacity > 2 * Self.bufferByteCount {
            self.buffer = []
            self.buffer.reserveCapacity(Self.bufferByteCount)
        } else {
            self.buffer.removeAll(keepingCapacity: true)
        }
        if self.writtenSize - self.syncedSize >= Self.syncIntervalBytes {
            try self.log.syncData()
            self.syncedSize = self.writtenSize
        }
    }

    /// Writes what is left, and an index of aborted transactions if it has entries, and puts all files and their names
    /// on stable storage.
    func finish(transactions: [UInt8]) throws(FileSystemError) {
        try self.writeBuffer()
        if !transactions.isEmpty {
            self.kinds.append(.txnindex)
            let name = SegmentFileName(self.baseOffset, .txnindex).name + SegmentFileName.cleanedSuffix
            let file = try self.fileSystem.open(self.directory + "/" + name, .createEmpty)
            try file.write(transactions, at: 0)
            try file.syncData()
        }
        if let entry = self.indexer.timeEntry { try self.times.append(entry) }
        try self.log.syncData()
        try self.offsets.finish()
        try self.times.finish()
        try self.fileSystem.syncDirectory(self.directory)
    }

    /// Removes the files again, as far as that can be done: what is left goes when the log is opened.
    func discard() {
        for kind in self.kinds {
            let name = SegmentFileName(self.baseOffset, kind).name + SegmentFileName.cleanedSuffix
            try? SmallFile.remove(self.directory + "/" + name, from: self.fileSystem)
        }
    }
}

/// Writes an index file from its beginning, a block at a time.
private struct IndexWriter<Entry: SegmentIndexEntry> {
    private static var blockCount: Int { 512 }

    let file: any LogFile
    let baseOffset: Int64
    private var pending: [UInt8] = []
    private var written: Int64 = 0
    private var last: Entry?

    init(file: any LogFile, baseOffset: Int64) {
        self.file = file
        self.baseOffset = baseOffset
    }

    /// Adds an entry; one whose key does not grow is left out.
    mutating func append(_ entry: Entry) throws(FileSystemError) {
        guard self.last.map({ $0.key < entry.key }) ?? true else { return }
        self.last = entry
        entry.append(to: &self.pending, baseOffset: self.baseOffset)
        if self.pending.count >= Self.blockCount * Entry.byteCount { try self.write() }
    }

    private mutating func write() throws(FileSystemError) {
        guard !self.pending.isEmpty else { return }
        try self.file.write(self.pending, at: self.written)
        self.written += Int64(self.pending.count)
        self.pending.removeAll(keepingCapacity: true)
    }

    mutating func finish() throws(FileSystemError) {
        try self.write()
        try self.file.syncData()
    }
}
