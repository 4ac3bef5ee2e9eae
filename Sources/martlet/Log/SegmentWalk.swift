// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import NIOCore

/// Goes over the batches of a segment file, and over what is damaged in it: behind that it looks for the next batch.
///
/// The file is hostile: nothing in it is believed but what a checksum confirms. Memory is one batch, which is never
/// larger than the file. Linear in the file, but for damage that looks like many large batches.
struct SegmentWalk {
    enum Step {
        /// A batch whose checksum is right.
        case batch(RecordBatch, position: Int64)
        /// A batch that can be read, and whose checksum is not that of its bytes.
        case corrupt(RecordBatchHeader, position: Int64, computed: UInt32)
        /// A message of the formats before batches (Kafka before 0.11), which is stepped over.
        case oldMessage(magic: Int8, offset: Int64, position: Int64)
        /// No batch begins here; the next one, or the end, comes after `length` bytes.
        case damage(position: Int64, length: Int64, reason: String)
        /// Zeros up to the end: room that was taken in advance.
        case unused(position: Int64, length: Int64)
        case end
    }

    /// How much is read at once to find the next batch, in bytes.
    private static let windowBytes = 256 << 10
    /// The base offset and the length, which every format has in front.
    private static let overhead = 12

    private let file: any LogFile
    let size: Int64
    private(set) var position: Int64 = 0
    /// The offset after the last batch that was found.
    private var nextOffset: Int64 = 0

    init(file: any LogFile, size: Int64) {
        self.file = file
        self.size = size
    }

    /// What comes next. Throws when the file cannot be read.
    mutating func next() throws(FileSystemError) -> Step {
        let position = self.position
        guard position < self.size else { return .end }
        let head = try self.bytes(at: position, count: RecordBatchHeader.byteCount)
        let parsed = Self.header(head)
        switch parsed {
        case .success(let header):
            let end = position + Int64(header.sizeInBytes)
            guard end <= self.size else {
                return try self.damage(
                    "a batch of \(header.sizeInBytes) bytes does not fit into the \(self.size - position) that are left"
                )
            }
            return try self.batch(header, end: end)
        case .failure(.unsupportedMagic(let magic)) where magic == 0 || magic == 1:
            if let step = self.oldMessage(head, magic) { return step }
            return try self.damage("\(RecordError.unsupportedMagic(magic))")
        case .failure(.truncated):
            return try self.damage("the \(self.size - position) bytes that are left are no batch")
        case .failure(let error):
            return try self.damage("\(error)")
        }
    }

    private mutating func batch(_ header: RecordBatchHeader, end: Int64) throws(FileSystemError) -> Step {
        let position = self.position
        let bytes = try self.bytes(at: position, count: header.sizeInBytes)
        guard let batch = try? RecordBatch(parsing: bytes) else {
            return try self.damage("the file became shorter while it was read")
        }
        let computed = batch.computedChecksum()
        guard computed != header.crc else {
            self.position = end
            self.nextOffset = max(self.nextOffset, header.nextOffset)
            return .batch(batch, position: position)
        }
        // The length is right if another batch begins where it says that this one ends.
        var isAligned = end == self.size
        if !isAligned,
            case .success(let following) = Self.header(try self.bytes(at: end, count: RecordBatchHeader.byteCount))
        {
            isAligned = following.baseOffset >= header.nextOffset
        }
        if isAligned {
            self.position = end
        } else {
            self.position = try self.nextBatch(after: position) ?? self.size
        }
        return .corrupt(header, position: position, computed: computed)
    }

    private mutating func oldMessage(_ head: ByteBuffer, _ magic: Int8) -> Step? {
        // All bytes zero would be such a message, of no length.
        guard let offset = head.getInteger(at: head.readerIndex, as: Int64.self),
            let length = head.getInteger(at: head.readerIndex + 8, as: Int32.self), length >= 14, offset >= 0
        else { return nil }
        let end = self.position + Int64(Self.overhead) + Int64(length)
        guard end <= self.size else { return nil }
        defer { self.position = end }
        return .oldMessage(magic: magic, offset: offset, position: self.position)
    }

    private mutating func damage(_ reason: String) throws(FileSystemError) -> Step {
        let position = self.position
        let head = try self.bytes(at: position, count: RecordBatchHeader.byteCount)
        if head.withUnsafeReadableBytes({ $0.allSatisfy { $0 == 0 } }) { return try self.unusedOrDamage() }
        self.position = try self.nextBatch(after: position) ?? self.size
        return .damage(position: position, length: self.position - position, reason: reason)
    }

    /// Zeros: up to the end they are nothing, before another batch they are a hole.
    private mutating func unusedOrDamage() throws(FileSystemError) -> Step {
        let position = self.position
        let next = try self.nextBatch(after: position)
        self.position = next ?? self.size
        let length = self.position - position
        guard next == nil, try self.isZero(from: position) else {
            return .damage(position: position, length: length, reason: "there are zeros where a batch should begin")
        }
        return .unused(position: position, length: length)
    }

    private func isZero(from start: Int64) throws(FileSystemError) -> Bool {
        var position = start
        while position < self.size {
            let bytes = try self.bytes(at: position, count: Self.windowBytes)
            guard bytes.readableBytes > 0 else { break }
            guard bytes.withUnsafeReadableBytes({ $0.allSatisfy { $0 == 0 } }) else { return false }
            position += Int64(bytes.readableBytes)
        }
        return true
    }

    /// Where the next batch begins whose checksum is right, looked for byte by byte.
    private func nextBatch(after start: Int64) throws(FileSystemError) -> Int64? {
        var base = start + 1
        while base + Int64(RecordBatchHeader.byteCount) <= self.size {
            let window = try self.bytes(at: base, count: Self.windowBytes)
            guard window.readableBytes >= RecordBatchHeader.byteCount else { return nil }
            let candidates = window.withUnsafeReadableBytes { bytes -> [(Int, RecordBatchHeader)] in
                (0...bytes.count - RecordBatchHeader.byteCount).compactMap { index in
                    guard bytes[index + 16] == UInt8(RecordBatchHeader.currentMagic) else { return nil }
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[index...])
                    return (try? RecordBatchHeader(parsing: rest)).map { (index, $0) }
                }
            }
            for (index, header) in candidates {
                let position = base + Int64(index)
                guard header.baseOffset >= self.nextOffset, header.codec != nil,
                    position + Int64(header.sizeInBytes) <= self.size
                else { continue }
                let batch = try? RecordBatch(parsing: try self.bytes(at: position, count: header.sizeInBytes))
                if batch?.verifyChecksum() == true { return position }
            }
            base += Int64(window.readableBytes - RecordBatchHeader.byteCount + 1)
        }
        return nil
    }

    private static func header(_ bytes: ByteBuffer) -> Result<RecordBatchHeader, RecordError> {
        bytes.withUnsafeReadableBytes { bytes in
            do throws(RecordError) {
                return .success(try RecordBatchHeader(parsing: bytes))
            } catch {
                return .failure(error)
            }
        }
    }

    /// So many bytes of the file, or fewer at its end.
    private func bytes(at position: Int64, count: Int) throws(FileSystemError) -> ByteBuffer {
        let count = Int(min(Int64(count), max(self.size - position, 0)))
        var buffer = ByteBuffer()
        var failure: FileSystemError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
            do throws(FileSystemError) {
                return try self.file.read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<count]), at: position)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return buffer
    }
}
