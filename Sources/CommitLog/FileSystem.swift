// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What the log needs of a disk, and nothing more, so that tests can tear, fail and reorder every step of it.
///
/// Durability follows POSIX: what was written may be lost in part and in any order until the file is synced, and a
/// name that was created, renamed or removed may come back until its directory is synced. Every call either did all
/// of its work or throws. Paths are absolute or relative to the process; their parts are joined by `/`.
/// All functions may be called from any thread.
public protocol FileSystem: Sendable {
    /// Opens a file for positional reads and writes. The file is closed when the last reference to it goes away.
    func open(_ path: String, _ mode: OpenMode) throws(FileSystemError) -> any LogFile
    /// What is known of a path, or nil when nothing is there.
    func status(_ path: String) throws(FileSystemError) -> FileStatus?
    /// The names in a directory, without `.` and `..`, in no particular order.
    func list(_ directory: String) throws(FileSystemError) -> [String]
    /// Makes one directory; its parent must exist. Nothing happens when it exists already.
    func createDirectory(_ path: String) throws(FileSystemError)
    /// Renames a file or directory in one step; a file that is there under the new name is replaced.
    func rename(_ path: String, to newPath: String) throws(FileSystemError)
    /// Removes a file. Those who have it open read on.
    func removeFile(_ path: String) throws(FileSystemError)
    /// Removes an empty directory.
    func removeDirectory(_ path: String) throws(FileSystemError)
    /// Returns when every name created, renamed or removed in the directory before is on stable storage.
    func syncDirectory(_ path: String) throws(FileSystemError)
    /// Returns when everything written before to the file system that holds the path is on stable storage: files and
    /// names, this process's and others'. False when that cannot be done, and everything is to be synced one by one.
    ///
    /// Cheaper than that for hundreds of files; not for acknowledging data, as errors of earlier write-backs may go
    /// unnoticed.
    func syncEverything(_ path: String) throws(FileSystemError) -> Bool
    /// Bytes that this process may still write to the file system that holds the path.
    func freeSpace(_ path: String) throws(FileSystemError) -> Int64
    /// Locks a file, which is made when missing, against every other process and every other call of this function.
    /// Returns nil when somebody else holds the lock. Unlocked when the last reference to the lock goes away.
    func lock(_ path: String) throws(FileSystemError) -> (any FileLock)?
}

extension FileSystem {
    /// A file system that syncs one by one only.
    public func syncEverything(_ path: String) throws(FileSystemError) -> Bool { false }
}

/// An open file. All functions may be called from any thread; the log has one writer per file.
public protocol LogFile: AnyObject, Sendable {
    /// The path under which the file was opened, for messages: it may have been renamed since.
    var path: String { get }
    /// The descriptor to hand to `sendfile`, or nil when the file lives in a simulation.
    var descriptor: Int32? { get }
    /// Reads into the buffer from a byte position: the count is smaller than the buffer only at the end of the file,
    /// and 0 at or past the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int
    /// The same, but never waits for the disk: nil when the bytes are not all in memory. What a simulation does by
    /// itself is to read them, as its memory is its disk.
    func readCached(
        into buffer: UnsafeMutableRawBufferPointer, at position: Int64
    ) throws(FileSystemError) -> Int?
    /// The same as `read` for somebody who reads a file from its beginning to its end, once: what was not in memory
    /// before is not kept there. Not for files that are open for others, too: how they are read ahead may change.
    func readOnce(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int
    /// Writes the parts one after another from a byte position, all of them or it throws; after a throw any part of
    /// them may be in the file.
    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError)
    /// The length in bytes.
    func size() throws(FileSystemError) -> Int64
    /// Cuts the file to a length, or lengthens it with zeros.
    func truncate(to size: Int64) throws(FileSystemError)
    /// Lengthens the file to a length with zeros whose room on the disk is taken now. Nothing happens when it is as long
    /// already. After a throw it may be longer than it was.
    func allocate(to size: Int64) throws(FileSystemError)
    /// Returns when the bytes, and the length needed to read them, are on stable storage. A throw leaves it unknown
    /// what is there: calling again proves nothing.
    func syncData() throws(FileSystemError)
}

extension LogFile {
    /// Reads: for a file whose disk is memory.
    public func readCached(
        into buffer: UnsafeMutableRawBufferPointer, at position: Int64
    ) throws(FileSystemError) -> Int? {
        try self.read(into: buffer, at: position)
    }

    /// Writes the zeros.
    public func allocate(to size: Int64) throws(FileSystemError) {
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: allocationStepBytes, alignment: 8)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var position = try self.size()
        while position < size {
            let count = Int(min(size - position, Int64(zeros.count)))
            try self.write([UnsafeRawBufferPointer(rebasing: zeros[..<count])], at: position)
            position += Int64(count)
        }
    }

    /// Reads: for a file whose system keeps what it likes.
    public func readOnce(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int
    {
        try self.read(into: buffer, at: position)
    }
}

/// How many zeros are written at a time.
private let allocationStepBytes = 256 << 10

/// A lock that is held while this object lives.
public protocol FileLock: AnyObject, Sendable {}

/// How a file is opened.
public enum OpenMode: Sendable, Hashable {
    /// For reading; it must exist.
    case read
    /// For reading and writing; it must exist.
    case readWrite
    /// For reading and writing; made when missing, kept as it is otherwise.
    case create
    /// For reading and writing; made when missing, cut to nothing otherwise.
    case createEmpty
}

/// What a file system knows of a path.
public struct FileStatus: Sendable, Hashable {
    /// Bytes.
    public var size: Int64
    /// When the content last changed: wall-clock milliseconds since 1970.
    public var modificationTimeMs: Int64
    /// It is a directory and no file.
    public var isDirectory: Bool

    /// What is known of a path.
    public init(size: Int64, modificationTimeMs: Int64, isDirectory: Bool = false) {
        self.size = size
        self.modificationTimeMs = modificationTimeMs
        self.isDirectory = isDirectory
    }
}

/// An operation of the file system failed.
public struct FileSystemError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was being done.
    public enum Operation: String, Sendable, Hashable {
        case open, status, list, createDirectory, rename, removeFile, removeDirectory, syncDirectory, syncEverything,
            freeSpace, lock
        case read, write, size, truncate, syncData
    }

    /// What was being done.
    public var operation: Operation
    /// What it was done to.
    public var path: String
    /// The `errno` of the system call, as Linux numbers it: 5 is EIO, 28 is ENOSPC.
    public var errorNumber: Int32
    /// The system's words for the error number.
    public var message: String

    /// An error of a system call.
    public init(_ operation: Operation, path: String, errorNumber: Int32, message: String) {
        self.operation = operation
        self.path = path
        self.errorNumber = errorNumber
        self.message = message
    }

    /// The operation, the path and the reason, for an operator.
    public var description: String {
        "\(self.operation.rawValue) of \(self.path) failed: \(self.message) (errno \(self.errorNumber))"
    }
}
