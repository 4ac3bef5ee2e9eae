// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import CommitLog
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension SimulatedFileSystem {
    /// Runs one call: counts it, meets it with the fault that is planned for it, or does it.
    ///
    /// - Parameters:
    ///   - operation: The call, for the trace and the error.
    ///   - generation: The process that makes it, or nil for whichever runs.
    ///   - failing: What a fault leaves behind of the call, as syncs and writes do.
    ///   - body: The call itself.
    func perform<Result: Sendable>(
        _ operation: DiskOperation,
        generation: Int? = nil,
        failing: (inout SimulatedDisk, DiskFault) -> Void = { _, _ in },
        _ body: (inout State) throws(SimulatedDisk.ErrorNumber) -> Result
    ) throws(FileSystemError) -> Result {
        if operation.isChange {
            let (willChange, number) = self.state.withLock { ($0.willChange, $0.changeCount) }
            willChange?(number)
        }
        do throws(SimulatedDisk.ErrorNumber) {
            return try self.state.withLock { state throws(SimulatedDisk.ErrorNumber) in
                let powerWasOut = state.powerIsOut
                let fault = state.begin(operation)
                if powerWasOut { throw SimulatedDisk.ErrorNumber(EIO) }
                if let generation, generation != state.generation { throw SimulatedDisk.ErrorNumber(EIO) }
                if let fault {
                    failing(&state.disk, fault)
                    throw SimulatedDisk.ErrorNumber(fault.errorNumber)
                }
                return try body(&state)
            }
        } catch {
            throw FileSystemError(
                operation.kind,
                path: operation.path,
                errorNumber: error.number,
                message: String(cString: strerror(error.number))
            )
        }
    }

    /// Opens a file; see `FileSystem`.
    public func open(_ path: String, _ mode: OpenMode) throws(FileSystemError) -> any LogFile {
        let makes = mode == .create || mode == .createEmpty
        let now = self.clock.wallMs
        let operation = DiskOperation(kind: .open, path: path, isChange: makes)
        let opened = try self.perform(operation) { state throws(SimulatedDisk.ErrorNumber) -> (Int, Int) in
            let inode: Int
            if let existing = try state.disk.inode(of: path) {
                inode = existing
                let file = try state.disk.file(inode)
                if mode == .createEmpty && !file.current.isEmpty {
                    try state.disk.withFile(inode) { file in
                        file.apply(.resize(0))
                        file.modificationTimeMs = now
                    }
                }
            } else {
                guard makes else { throw SimulatedDisk.ErrorNumber(ENOENT) }
                inode = try state.disk.createFile(path, modificationTimeMs: now)
            }
            state.disk.openHandle(inode)
            return (inode, state.generation)
        }
        return SimulatedLogFile(self, path: path, inode: opened.0, generation: opened.1, isWritable: mode != .read)
    }

    /// What is known of a path; see `FileSystem`.
    public func status(_ path: String) throws(FileSystemError) -> FileStatus? {
        try self.perform(DiskOperation(kind: .status, path: path, isChange: false)) {
            state throws(SimulatedDisk.ErrorNumber) in
            guard let inode = try state.disk.inode(of: path) else { return nil }
            guard case .file(let file) = state.disk.inodes[inode] else {
                return FileStatus(size: 0, modificationTimeMs: 0, isDirectory: true)
            }
            return FileStatus(size: Int64(file.current.count), modificationTimeMs: file.modificationTimeMs)
        }
    }

    /// The names in a directory, sorted; see `FileSystem`.
    public func list(_ directory: String) throws(FileSystemError) -> [String] {
        try self.perform(DiskOperation(kind: .list, path: directory, isChange: false)) {
            state throws(SimulatedDisk.ErrorNumber) in
            try state.disk.names(in: directory)
        }
    }

    /// Makes a directory; see `FileSystem`.
    public func createDirectory(_ path: String) throws(FileSystemError) {
        try self.perform(DiskOperation(kind: .createDirectory, path: path, isChange: true)) {
            state throws(SimulatedDisk.ErrorNumber) in
            try state.disk.createDirectory(path)
        }
    }

    /// Renames a file or directory; see `FileSystem`.
    public func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        try self.perform(DiskOperation(kind: .rename, path: path, newPath: newPath, isChange: true)) {
            state throws(SimulatedDisk.ErrorNumber) in
            try state.disk.rename(path, to: newPath)
        }
    }

    /// Removes a file; see `FileSystem`.
    public func removeFile(_ path: String) throws(FileSystemError) {
        try self.perform(DiskOperation(kind: .removeFile, path: path, isChange: true)) {
            state throws(SimulatedDisk.ErrorNumber) in
            try state.disk.removeFile(path)
        }
    }

    /// Removes an empty directory; see `FileSystem`.
    public func removeDirectory(_ path: String) throws(FileSystemError) {
        try self.perform(DiskOperation(kind: .removeDirectory, path: path, isChange: true)) {
            state throws(SimulatedDisk.ErrorNumber) in
            try state.disk.removeDirectory(path)
        }
    }

    /// Makes the names in a directory durable; see `FileSystem`.
    public func syncDirectory(_ path: String) throws(FileSystemError) {
        let operation = DiskOperation(kind: .syncDirectory, path: path, isChange: true)
        try self.perform(operation, failing: { disk, _ in try? disk.syncDirectory(path, fails: true) }) {
            state throws(SimulatedDisk.ErrorNumber) in
            try state.disk.syncDirectory(path)
        }
    }

    /// Makes everything durable that was written before, bytes and names; see `FileSystem`. A fault in it gives up all
    /// of them, as one in `syncData` gives up those of its file.
    public func syncEverything(_ path: String) throws(FileSystemError) -> Bool {
        let operation = DiskOperation(kind: .syncEverything, path: path, isChange: true)
        return try self.perform(operation, failing: { disk, _ in disk.syncEverything(fails: true) }) {
            state throws(SimulatedDisk.ErrorNumber) in
            _ = try state.disk.existingInode(of: path)
            state.disk.syncEverything()
            return true
        }
    }

    /// Bytes left of `capacityBytes`, `Int64.max` without a limit; see `FileSystem`.
    public func freeSpace(_ path: String) throws(FileSystemError) -> Int64 {
        try self.perform(DiskOperation(kind: .freeSpace, path: path, isChange: false)) {
            state throws(SimulatedDisk.ErrorNumber) in
            _ = try state.disk.existingInode(of: path)
            return state.disk.freeBytes
        }
    }

    /// Locks a file; see `FileSystem`. A crash or a kill of the process gives all locks back.
    public func lock(_ path: String) throws(FileSystemError) -> (any FileLock)? {
        let now = self.clock.wallMs
        let lock = SimulatedFileLock(self)
        let identity = ObjectIdentifier(lock)
        let taken = try self.perform(DiskOperation(kind: .lock, path: path, isChange: true)) {
            state throws(SimulatedDisk.ErrorNumber) -> Bool in
            let inode: Int
            if let existing = try state.disk.inode(of: path) {
                inode = existing
            } else {
                inode = try state.disk.createFile(path, modificationTimeMs: now)
            }
            guard state.locks[inode] == nil else { return false }
            state.locks[inode] = identity
            return true
        }
        return taken ? lock : nil
    }
}

extension DiskFault {
    /// What the failed call throws.
    var errorNumber: Int32 {
        switch self {
        case .error(let number), .partialWrite(byteCount: _, errorNumber: let number): number
        case .powerLoss: EIO
        }
    }

    /// How many bytes of a write it lets through.
    var writtenByteCount: Int {
        switch self {
        case .error: 0
        case .partialWrite(let byteCount, errorNumber: _), .powerLoss(let byteCount): max(0, byteCount)
        }
    }
}

/// A lock of a simulated file, held while this object lives.
final class SimulatedFileLock: FileLock {
    private let fileSystem: SimulatedFileSystem

    init(_ fileSystem: SimulatedFileSystem) { self.fileSystem = fileSystem }

    deinit {
        let identity = ObjectIdentifier(self)
        self.fileSystem.state.withLock { state in
            for (inode, holder) in state.locks where holder == identity { state.locks[inode] = nil }
        }
    }
}
