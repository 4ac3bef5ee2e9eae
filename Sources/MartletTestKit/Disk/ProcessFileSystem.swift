// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A disk as one run of the broker sees it: it meets the faults that the test planned, and once the run has ended nothing
/// changes the disk through it any more, as if the process had been killed.
final class ProcessFileSystem: FileSystem {
    private let base: any FileSystem
    private let disk: MartletDisk
    private let state = Mutex(State())

    private struct State {
        var hasEnded = false
        var locks: [any FileLock] = []
    }

    init(_ base: any FileSystem, _ disk: MartletDisk) {
        self.base = base
        self.disk = disk
    }

    /// The process is gone: its calls fail from now on, and its locks are free.
    func end() {
        let locks = self.state.withLock { state in
            state.hasEnded = true
            defer { state.locks = [] }
            return state.locks
        }
        withExtendedLifetime(locks) {}
        self.disk.wakeHeld()
    }

    var hasEnded: Bool { self.state.withLock { $0.hasEnded } }

    /// Meets what is planned for a call that changes something; returns when it may be made.
    func meetFaults(_ operation: FileSystemError.Operation, _ path: String) throws(FileSystemError) {
        let fault = self.hasEnded ? nil : self.disk.meet(operation, path: path, isCancelled: { self.hasEnded })
        if let number = self.hasEnded ? EIO : fault {
            throw FileSystemError(
                operation, path: path, errorNumber: number, message: String(cString: strerror(number)))
        }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileSystemError) -> any LogFile {
        if mode != .read { try self.meetFaults(.open, path) }
        return ProcessFile(try self.base.open(path, mode), self)
    }

    func status(_ path: String) throws(FileSystemError) -> FileStatus? { try self.base.status(path) }

    func list(_ directory: String) throws(FileSystemError) -> [String] { try self.base.list(directory) }

    func createDirectory(_ path: String) throws(FileSystemError) {
        try self.meetFaults(.createDirectory, path)
        try self.base.createDirectory(path)
    }

    func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        try self.meetFaults(.rename, path)
        try self.base.rename(path, to: newPath)
    }

    func removeFile(_ path: String) throws(FileSystemError) {
        try self.meetFaults(.removeFile, path)
        try self.base.removeFile(path)
    }

    func removeDirectory(_ path: String) throws(FileSystemError) {
        try self.meetFaults(.removeDirectory, path)
        try self.base.removeDirectory(path)
    }

    func syncDirectory(_ path: String) throws(FileSystemError) {
        try self.meetFaults(.syncDirectory, path)
        try self.base.syncDirectory(path)
    }

    /// One by one, so that faults of single files are met.
    func syncEverything(_ path: String) throws(FileSystemError) -> Bool { false }

    func freeSpace(_ path: String) throws(FileSystemError) -> Int64 { try self.base.freeSpace(path) }

    func lock(_ path: String) throws(FileSystemError) -> (any FileLock)? {
        guard let lock = try self.base.lock(path) else { return nil }
        self.state.withLock { $0.locks.append(lock) }
        return ProcessFileLock(self, lock)
    }

    fileprivate func unlock(_ lock: any FileLock) {
        self.state.withLock { $0.locks.removeAll { $0 === lock } }
    }
}

/// Given back when the broker lets go of it, or with the process.
private final class ProcessFileLock: FileLock {
    private let fileSystem: ProcessFileSystem
    private weak let lock: (any FileLock)?

    init(_ fileSystem: ProcessFileSystem, _ lock: any FileLock) {
        self.fileSystem = fileSystem
        self.lock = lock
    }

    deinit {
        if let lock { self.fileSystem.unlock(lock) }
    }
}

/// An open file of a `ProcessFileSystem`.
private final class ProcessFile: LogFile {
    private let base: any LogFile
    private let fileSystem: ProcessFileSystem

    init(_ base: any LogFile, _ fileSystem: ProcessFileSystem) {
        self.base = base
        self.fileSystem = fileSystem
    }

    var path: String { self.base.path }
    var descriptor: Int32? { self.base.descriptor }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        try self.base.read(into: buffer, at: position)
    }

    func readCached(
        into buffer: UnsafeMutableRawBufferPointer, at position: Int64
    ) throws(FileSystemError) -> Int? {
        try self.base.readCached(into: buffer, at: position)
    }

    func readOnce(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        try self.base.readOnce(into: buffer, at: position)
    }

    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError) {
        try self.fileSystem.meetFaults(.write, self.path)
        try self.base.write(parts, at: position)
    }

    func size() throws(FileSystemError) -> Int64 { try self.base.size() }

    func truncate(to size: Int64) throws(FileSystemError) {
        try self.fileSystem.meetFaults(.truncate, self.path)
        try self.base.truncate(to: size)
    }

    func allocate(to size: Int64) throws(FileSystemError) {
        try self.fileSystem.meetFaults(.write, self.path)
        try self.base.allocate(to: size)
    }

    func syncData() throws(FileSystemError) {
        try self.fileSystem.meetFaults(.syncData, self.path)
        try self.base.syncData()
    }
}
