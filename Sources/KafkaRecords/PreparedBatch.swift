// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// A batch that passed validation and is ready to be appended to a log.
///
/// The log sets the base offset and the leader epoch in ``header`` and writes it, followed by the bytes after the first
/// 61 of ``bytes``: what was received from the socket goes to the file without having been copied.
public struct PreparedBatch: Sendable {
    /// The header to write. It may differ from the first 61 of ``bytes``; its checksum is right for what it says.
    public var header: RecordBatchHeader
    /// The whole batch, as it was received or as it was rewritten. Only the bytes after the first 61 are to be written.
    public let bytes: ByteBuffer
    /// The largest timestamp of the records in milliseconds since 1970, -1 if they have none.
    public var maxTimestamp: Int64
    /// The first record that has ``maxTimestamp``, counted from the base offset.
    public var offsetDeltaOfMaxTimestamp: Int32

    /// `bytes` must hold `header.sizeInBytes` readable bytes.
    public init(header: RecordBatchHeader, bytes: ByteBuffer, maxTimestamp: Int64, offsetDeltaOfMaxTimestamp: Int32) {
        precondition(bytes.readableBytes == header.sizeInBytes, "a prepared batch is one whole batch")
        self.header = header
        self.bytes = bytes
        self.maxTimestamp = maxTimestamp
        self.offsetDeltaOfMaxTimestamp = offsetDeltaOfMaxTimestamp
    }

    /// Takes over a batch whose records need not be looked at: one that the broker built, or another leader accepted.
    ///
    /// The offset of the maximal timestamp is taken to be the last one, which is where Kafka puts it then.
    public init(trusting batch: RecordBatch) {
        self.init(
            header: batch.header, bytes: batch.bytes, maxTimestamp: batch.header.maxTimestamp,
            offsetDeltaOfMaxTimestamp: batch.header.lastOffsetDelta
        )
    }

    /// The bytes to write after the header: the records, compressed or not.
    public var recordBytes: ByteBuffer {
        var records = self.bytes
        records.moveReaderIndex(forwardBy: RecordBatchHeader.byteCount)
        return records
    }
}
