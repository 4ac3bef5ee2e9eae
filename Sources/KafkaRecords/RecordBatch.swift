// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// One whole record batch, as it lies on disk or travels: a view, nothing is copied.
public struct RecordBatch: Sendable {
    /// The first 61 bytes, read.
    public let header: RecordBatchHeader
    /// The batch and nothing else: `header.sizeInBytes` readable bytes.
    public let bytes: ByteBuffer

    /// Views the batch at the reader index of `buffer`. What follows it stays out of the view.
    ///
    /// Throws as `RecordBatchHeader.init(parsing:)` does, and `truncated` when the batch goes on past the buffer. The
    /// checksum is not verified.
    public init(parsing buffer: ByteBuffer) throws(RecordError) {
        let header = try buffer.withReadableBytes { (bytes) throws(RecordError) in
            try RecordBatchHeader(parsing: bytes)
        }
        guard let bytes = buffer.getSlice(at: buffer.readerIndex, length: header.sizeInBytes) else {
            throw .truncated(needed: header.sizeInBytes, available: buffer.readableBytes)
        }
        self.header = header
        self.bytes = bytes
    }

    /// The caller has made sure that the header is that of the bytes.
    init(header: RecordBatchHeader, bytes: ByteBuffer) {
        self.header = header
        self.bytes = bytes
    }

    /// The same batch of another producer, or with other sequences, its checksum set anew. Linear in its size; the bytes
    /// are copied when something else refers to them.
    public consuming func stamped(producerID: Int64, epoch: Int16, baseSequence: Int32) -> RecordBatch {
        var header = self.header
        header.producerID = producerID
        header.producerEpoch = epoch
        header.baseSequence = baseSequence
        var bytes = self.bytes
        header = bytes.completeBatch(header)
        return RecordBatch(header: header, bytes: bytes)
    }

    /// Whether the checksum in the header is that of the bytes. Linear in the size of the batch.
    public func verifyChecksum() -> Bool { self.computedChecksum() == self.header.crc }

    /// The CRC-32C of everything from the attributes on. Linear in the size of the batch.
    public func computedChecksum() -> UInt32 {
        self.bytes.withUnsafeReadableBytes { bytes in
            crc32c(UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.checksummedFrom...]))
        }
    }

    /// The bytes after the header: the records, compressed or not.
    public var recordBytes: ByteBuffer {
        var records = self.bytes
        records.moveReaderIndex(forwardBy: RecordBatchHeader.byteCount)
        return records
    }
}
