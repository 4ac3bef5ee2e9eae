// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import NIOCore
import Synchronization
import Testing

@Suite("Reads that must not wait for the disk")
struct CachedReadTests {
    let directory = TemporaryDirectory()

    /// A log of several segments, long enough that reads of its beginning need the index.
    private func makeLog(_ fileSystem: any FileSystem = POSIXFileSystem()) throws -> PartitionLog {
        var config = LogConfig()
        config.segmentBytes = 256 << 10
        let log = try PartitionLog.openTest(self.directory.path, fileSystem: fileSystem, config: config)
        for number in 0..<200 { try log.put(largeBatch(4_000, tag: "batch \(number)")) }
        try log.flush()
        return log
    }

    @Test("what was just written is found without the disk, the same as by a read that may wait")
    func sameAsRead() throws {
        let log = try self.makeLog()
        for offset in [Int64(0), 1, 57, 130, 198, 199, 200] {
            let waited = try log.read(from: offset, maxBytes: 20_000, atLeastOneBatch: true, upTo: 200)
            let cached = try #require(
                try log.readCached(from: offset, maxBytes: 20_000, atLeastOneBatch: true, upTo: 200),
                "offset \(offset) was written a moment ago"
            )
            #expect(cached.byteCount == waited.byteCount)
            #expect(cached.startOffset == waited.startOffset)
            #expect(try cached.bytes() == waited.bytes())
        }
    }

    @Test("where bytes are not in memory nothing is returned, and a read that may wait still finds them")
    func notCached() throws {
        let fileSystem = ColdFileSystem()
        let log = try self.makeLog(fileSystem)
        fileSystem.isCold.store(true, ordering: .relaxed)
        for offset in [Int64(0), 57, 130] {
            #expect(try log.readCached(from: offset, maxBytes: 20_000, atLeastOneBatch: true, upTo: 200) == nil)
            let waited = try log.read(from: offset, maxBytes: 20_000, atLeastOneBatch: true, upTo: 200)
            #expect(waited.byteCount > 0)
            #expect(try waited.bytes().readableBytes == waited.byteCount)
        }
    }

    @Test("an offset outside the log is an error, not something to wait for")
    func outOfRange() throws {
        let fileSystem = ColdFileSystem()
        let log = try self.makeLog(fileSystem)
        fileSystem.isCold.store(true, ordering: .relaxed)
        #expect(throws: LogError.self) {
            try log.readCached(from: 201, maxBytes: 100, atLeastOneBatch: true, upTo: 200)
        }
    }
}

/// The real file system, but for reads that may not wait: on demand it says that nothing is in memory.
private final class ColdFileSystem: FileSystem {
    let isCold = Atomic(false)
    private let real = POSIXFileSystem()

    func open(_ path: String, _ mode: OpenMode) throws(FileSystemError) -> any LogFile {
        ColdFile(try self.real.open(path, mode), self)
    }

    func status(_ path: String) throws(FileSystemError) -> FileStatus? { try self.real.status(path) }
    func list(_ directory: String) throws(FileSystemError) -> [String] { try self.real.list(directory) }
    func createDirectory(_ path: String) throws(FileSystemError) { try self.real.createDirectory(path) }
    func rename(_ path: String, to newPath: String) throws(FileSystemError) { try self.real.rename(path, to: newPath) }
    func removeFile(_ path: String) throws(FileSystemError) { try self.real.removeFile(path) }
    func removeDirectory(_ path: String) throws(FileSystemError) { try self.real.removeDirectory(path) }
    func syncDirectory(_ path: String) throws(FileSystemError) { try self.real.syncDirectory(path) }
    func freeSpace(_ path: String) throws(FileSystemError) -> Int64 { try self.real.freeSpace(path) }
    func lock(_ path: String) throws(FileSystemError) -> (any FileLock)? { try self.real.lock(path) }
}

private final class ColdFile: LogFile {
    private let real: any LogFile
    private let fileSystem: ColdFileSystem

    init(_ real: any LogFile, _ fileSystem: ColdFileSystem) {
        self.real = real
        self.fileSystem = fileSystem
    }

    var path: String { self.real.path }
    var descriptor: Int32? { self.real.descriptor }

    func readCached(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int? {
        if self.fileSystem.isCold.load(ordering: .relaxed) { return nil }
        return try self.real.readCached(into: buffer, at: position)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        try self.real.read(into: buffer, at: position)
    }

    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError) {
        try self.real.write(parts, at: position)
    }

    func size() throws(FileSystemError) -> Int64 { try self.real.size() }
    func truncate(to size: Int64) throws(FileSystemError) { try self.real.truncate(to: size) }
    func syncData() throws(FileSystemError) { try self.real.syncData() }
}
