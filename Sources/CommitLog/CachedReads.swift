// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A file of which only what is in memory can be read: a read that would have to wait for the disk throws, with an error
/// whose `wouldWait` is true. With it an event loop can look for records and leave to other threads what takes longer.
final class CachedReads: LogFile {
    private let file: any LogFile

    init(_ file: any LogFile) { self.file = file }

    var path: String { self.file.path }
    var descriptor: Int32? { self.file.descriptor }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        guard let count = try self.file.readCached(into: buffer, at: position) else {
            throw .wouldWait(.read, path: self.path)
        }
        return count
    }

    func size() throws(FileSystemError) -> Int64 { try self.file.size() }

    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError) {
        throw .wouldWait(.write, path: self.path)
    }

    func truncate(to size: Int64) throws(FileSystemError) { throw .wouldWait(.truncate, path: self.path) }

    func syncData() throws(FileSystemError) { throw .wouldWait(.syncData, path: self.path) }
}

extension FileSystemError {
    /// EAGAIN.
    private static var tryAgain: Int32 { 11 }

    /// The operation was told not to wait for the disk, and would have had to.
    static func wouldWait(_ operation: Operation, path: String) -> FileSystemError {
        FileSystemError(
            operation, path: path, errorNumber: Self.tryAgain, message: "it would have to wait for the disk")
    }

    var wouldWait: Bool { self.errorNumber == Self.tryAgain }
}
