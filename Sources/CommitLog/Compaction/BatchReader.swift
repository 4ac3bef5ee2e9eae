// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Reads the batches of a segment one after another, each whole and with its checksum compared. Memory is one window,
/// or the one batch that is larger. What is no batch ends the reading with an error that names its place.
///
/// Owned by one cleaning, on one thread.
final class BatchReader {
    /// A batch in memory until the next one is read.
    struct Batch {
        var header: RecordBatchHeader
        var bytes: UnsafeRawBufferPointer
        var position: Int64

        /// The bytes after the header.
        var records: UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: self.bytes[RecordBatchHeader.byteCount...])
        }
    }

    /// Bytes read at a time: few system calls, and little memory.
    static let windowByteCount = 1 << 20

    private var window: UnsafeMutableRawBufferPointer
    private var file: (any LogFile)?
    /// The place in the file where the window begins, and how much of it holds bytes of the file.
    private var start: Int64 = 0
    private var count = 0
    private var position: Int64 = 0
    private var end: Int64 = 0
    /// The offset that the next batch has at least.
    private var expected: Int64 = 0
    /// Bytes read from files so far.
    private(set) var bytesRead: Int64 = 0

    init() { self.window = .allocate(byteCount: Self.windowByteCount, alignment: 16) }

    deinit { self.window.deallocate() }

    /// Begins with another file, at a byte where a batch begins. `offset` is the least that its first batch may have.
    func begin(_ file: any LogFile, from position: Int64, to end: Int64, offset: Int64) {
        if self.window.count > Self.windowByteCount {
            self.window.deallocate()
            self.window = .allocate(byteCount: Self.windowByteCount, alignment: 16)
        }
        self.file = file
        self.start = position
        self.count = 0
        self.position = position
        self.end = end
        self.expected = offset
    }

    /// The next batch, or nil at the end. Throws `malformed` for anything but a whole batch with the right checksum and
    /// offsets that rise.
    func next() throws(LogError) -> Batch? {
        guard self.position < self.end else { return nil }
        let header = try self.header()
        guard Int64(header.sizeInBytes) <= self.end - self.position else {
            throw self.malformed("a batch of \(header.sizeInBytes) bytes does not fit into the rest of the file")
        }
        let bytes = try self.bytes(header.sizeInBytes)
        let checksum = crc32c(UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.checksummedFrom...]))
        guard checksum == header.crc else { throw self.malformed("the checksum of the batch is wrong") }
        guard header.baseOffset >= self.expected, header.nextOffset < SegmentFileName.offsetLimit else {
            throw self.malformed("its offset is \(header.baseOffset)")
        }
        let batch = Batch(header: header, bytes: bytes, position: self.position)
        self.position += Int64(header.sizeInBytes)
        self.expected = header.nextOffset
        return batch
    }

    private func header() throws(LogError) -> RecordBatchHeader {
        guard self.end - self.position >= Int64(RecordBatchHeader.byteCount) else {
            throw self.malformed("the \(self.end - self.position) bytes left are no batch")
        }
        let bytes = try self.bytes(RecordBatchHeader.byteCount)
        do throws(RecordError) {
            return try RecordBatchHeader(parsing: bytes)
        } catch {
            throw self.malformed(error.description)
        }
    }

    /// What is wrong with the batch that comes next.
    func malformed(_ reason: String) -> LogError {
        .malformed(
            path: self.file?.path ?? "",
            reason: "the batch at byte \(self.position), offset \(self.expected) or later: \(reason); "
                + "the log is left as it is, without compaction")
    }

    /// So many bytes at the position, which the file has.
    private func bytes(_ wanted: Int) throws(LogError) -> UnsafeRawBufferPointer {
        guard let file = self.file else { preconditionFailure("nothing is read before a file was begun") }
        if self.position + Int64(wanted) > self.start + Int64(self.count) {
            if wanted > self.window.count {
                self.window.deallocate()
                self.window = .allocate(byteCount: wanted, alignment: 16)
            }
            let room = Int(min(Int64(self.window.count), self.end - self.position))
            self.count = 0
            self.start = self.position
            self.count = try disk { () throws(FileSystemError) in
                try file.read(into: UnsafeMutableRawBufferPointer(rebasing: self.window[..<room]), at: self.position)
            }
            self.bytesRead += Int64(self.count)
            guard self.count >= wanted else { throw self.malformed("the file has become shorter") }
        }
        let first = Int(self.position - self.start)
        return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(self.window)[first..<first + wanted])
    }
}
