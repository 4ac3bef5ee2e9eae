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

/// An open file of a `SimulatedFileSystem`. Of no more use once the machine has crashed or the process was killed.
final class SimulatedLogFile: LogFile {
    let path: String
    private let fileSystem: SimulatedFileSystem
    private let inode: Int
    private let generation: Int
    private let isWritable: Bool

    init(_ fileSystem: SimulatedFileSystem, path: String, inode: Int, generation: Int, isWritable: Bool) {
        self.fileSystem = fileSystem
        self.path = path
        self.inode = inode
        self.generation = generation
        self.isWritable = isWritable
    }

    deinit {
        let (inode, generation) = (self.inode, self.generation)
        self.fileSystem.state.withLock { state in
            if state.generation == generation { state.disk.closeHandle(inode) }
        }
    }

    var descriptor: Int32? { nil }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        let operation = DiskOperation(
            kind: .read,
            path: self.path,
            position: position,
            byteCount: buffer.count,
            isChange: false
        )
        guard position >= 0 else { throw self.invalid(operation) }
        // Copied under the lock: a file whose bytes somebody else held would be copied whole by the next write.
        return try self.perform(operation) { state throws(SimulatedDisk.ErrorNumber) in
            let content = try state.disk.file(self.inode).current
            guard position < content.count else { return 0 }
            let (start, count) = (Int(position), min(buffer.count, content.count - Int(position)))
            content.withUnsafeBytes { bytes in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
            }
            return count
        }
    }

    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(parts.reduce(0) { $0 + $1.count })
        for part in parts { bytes.append(contentsOf: part) }
        let operation = DiskOperation(
            kind: .write,
            path: self.path,
            position: position,
            byteCount: bytes.count,
            isChange: true
        )
        guard let start = Int(exactly: position), start >= 0 else { throw self.invalid(operation) }
        let (inode, content, now) = (self.inode, bytes, self.fileSystem.clock.wallMs)
        let isWritable = self.isWritable
        func put(_ count: Int, _ disk: inout SimulatedDisk) throws(SimulatedDisk.ErrorNumber) {
            try disk.withFile(inode) { file in
                let part = count < content.count ? Array(content.prefix(count)) : content
                file.apply(.write(position: start, bytes: part))
                file.modificationTimeMs = now
            }
        }
        try self.perform(
            operation,
            failing: { disk, fault in
                let count = min(fault.writtenByteCount, content.count)
                if count > 0 { try? put(count, &disk) }
            }
        ) { state throws(SimulatedDisk.ErrorNumber) in
            guard isWritable else { throw SimulatedDisk.ErrorNumber(EBADF) }
            let room = try state.disk.room(forWriting: content.count, at: start, in: inode)
            try put(room, &state.disk)
            if room < content.count { throw SimulatedDisk.ErrorNumber(ENOSPC) }
        }
    }

    func size() throws(FileSystemError) -> Int64 {
        try self.perform(DiskOperation(kind: .size, path: self.path, isChange: false)) {
            state throws(SimulatedDisk.ErrorNumber) in
            Int64(try state.disk.file(self.inode).current.count)
        }
    }

    func truncate(to size: Int64) throws(FileSystemError) {
        let operation = DiskOperation(kind: .truncate, path: self.path, position: size, isChange: true)
        guard let size = Int(exactly: size), size >= 0 else { throw self.invalid(operation) }
        let now = self.fileSystem.clock.wallMs
        try self.perform(operation) { state throws(SimulatedDisk.ErrorNumber) in
            guard self.isWritable else { throw SimulatedDisk.ErrorNumber(EINVAL) }
            try state.disk.withFile(self.inode) { file in
                file.apply(.resize(size))
                file.modificationTimeMs = now
            }
        }
    }

    func syncData() throws(FileSystemError) {
        let inode = self.inode
        let operation = DiskOperation(kind: .syncData, path: self.path, isChange: true)
        try self.perform(operation, failing: { disk, _ in try? disk.withFile(inode) { $0.failSync() } }) {
            state throws(SimulatedDisk.ErrorNumber) in
            var tellsError = false
            try state.disk.withFile(inode) { file in
                tellsError = file.takeUntoldError()
                if !tellsError { file.sync() }
            }
            if tellsError { throw SimulatedDisk.ErrorNumber(EIO) }
        }
    }

    private func perform<Result: Sendable>(
        _ operation: DiskOperation,
        failing: (inout SimulatedDisk, DiskFault) -> Void = { _, _ in },
        _ body: (inout SimulatedFileSystem.State) throws(SimulatedDisk.ErrorNumber) -> Result
    ) throws(FileSystemError) -> Result {
        try self.fileSystem.perform(operation, generation: self.generation, failing: failing, body)
    }

    private func invalid(_ operation: DiskOperation) -> FileSystemError {
        FileSystemError(
            operation.kind,
            path: self.path,
            errorNumber: EINVAL,
            message: "position \(operation.position ?? 0) is not valid"
        )
    }
}
