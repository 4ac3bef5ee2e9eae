// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// A stretch of a segment file that answers a read: whole batches, each of which was checked for this read.
///
/// It keeps the file open, so it can be read or sent after the segment was deleted. Only `PartitionLog` makes one.
public struct LogSlice: Sendable {
    /// The file; nil when there is nothing to read.
    public let file: (any LogFile)?
    /// Where the slice begins in the file.
    public let position: Int64
    /// Bytes; 0 when there is nothing to read.
    public let byteCount: Int
    /// Records in it, as the headers of its batches say; those that a consumer will skip are counted, too.
    public let recordCount: Int
    /// The base offset of the first batch, at or before the offset asked for; that offset itself for an empty slice.
    public let startOffset: Int64
    /// The very bytes that were checked, where the read asked for a copy.
    public let copy: ByteBuffer?

    init(
        file: (any LogFile)?, position: Int64, byteCount: Int, recordCount: Int = 0, startOffset: Int64,
        copy: ByteBuffer? = nil
    ) {
        self.recordCount = recordCount
        self.file = file
        self.position = position
        self.byteCount = byteCount
        self.startOffset = startOffset
        self.copy = copy
    }

    static func empty(at offset: Int64) -> LogSlice {
        LogSlice(file: nil, position: 0, byteCount: 0, startOffset: offset)
    }

    /// Nothing lies between the offset asked for and the limit, or it did not fit.
    public var isEmpty: Bool { self.byteCount == 0 }

    /// The bytes of the slice, read unless there is a copy. Linear in `byteCount`. Throws `storage` when the disk fails
    /// or the file has become shorter.
    public func bytes() throws(LogError) -> ByteBuffer {
        if let copy = self.copy { return copy }
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
