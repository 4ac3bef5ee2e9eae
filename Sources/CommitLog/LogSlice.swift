// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// A stretch of a segment file that answers a read: whole batches, except that the last one may be cut off.
///
/// It keeps the file open, so it can be read or sent after the segment was deleted.
public struct LogSlice: Sendable {
    /// The file; nil when there is nothing to read.
    public let file: (any LogFile)?
    /// Where the slice begins in the file.
    public let position: Int64
    /// Bytes; 0 when there is nothing to read.
    public let byteCount: Int
    /// The base offset of the first batch, at or before the offset asked for; that offset itself for an empty slice.
    public let startOffset: Int64

    /// A slice of a file; the bytes are not looked at.
    public init(file: (any LogFile)?, position: Int64, byteCount: Int, startOffset: Int64) {
        self.file = file
        self.position = position
        self.byteCount = byteCount
        self.startOffset = startOffset
    }

    static func empty(at offset: Int64) -> LogSlice {
        LogSlice(file: nil, position: 0, byteCount: 0, startOffset: offset)
    }

    /// Nothing lies between the offset asked for and the limit, or it did not fit.
    public var isEmpty: Bool { self.byteCount == 0 }

    /// Whether the last byte can be read without waiting for the disk; the rest is most likely there, too, as the
    /// system reads files forward.
    func endIsCached() throws(LogError) -> Bool {
        guard let file = self.file, self.byteCount > 0 else { return true }
        return try disk { () throws(FileSystemError) in
            try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { (byte) throws(FileSystemError) in
                try file.readCached(into: byte, at: self.position + Int64(self.byteCount) - 1) == 1
            }
        }
    }

    /// Waits until the slice is in memory, so that sending it does not have to. Linear in what is not there.
    public func load() throws(LogError) {
        guard let file = self.file, self.byteCount > 0 else { return }
        try disk { () throws(FileSystemError) in
            try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { (byte) throws(FileSystemError) in
                var position = self.position
                let end = self.position + Int64(self.byteCount)
                // A byte of each page is enough; the system reads ahead of a reader that goes forward.
                while position < end {
                    _ = try file.read(into: byte, at: position)
                    position += Self.pageByteCount
                }
            }
        }
    }

    /// What the page cache holds as one.
    private static var pageByteCount: Int64 { 4_096 }

    /// Reads the slice. Linear in `byteCount`. Throws `storage` when the disk fails or the file has become shorter.
    public func bytes() throws(LogError) -> ByteBuffer {
        guard let file = self.file, self.byteCount > 0 else { return ByteBuffer() }
        var buffer = ByteBufferAllocator().buffer(capacity: self.byteCount)
        let (position, wanted) = (self.position, self.byteCount)
        let result = buffer.withUnsafeMutableWritableBytes { bytes -> Result<Int, FileSystemError> in
            do throws(FileSystemError) {
                let room = UnsafeMutableRawBufferPointer(rebasing: bytes[..<wanted])
                return .success(try file.read(into: room, at: position))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(wanted):
            buffer.moveWriterIndex(forwardBy: wanted)
            return buffer
        case .success(let count):
            throw .storage(
                FileSystemError(
                    .read, path: file.path, errorNumber: 5,
                    message: "the file ends after \(count) of \(wanted) bytes at \(position)"))
        case .failure(let error):
            throw .storage(error)
        }
    }
}
