// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// Builds a batch from records: what a producer sends, and what a broker writes to its own topics.
///
/// Records are encoded as they are added, into the buffer that becomes the batch; only compression writes them a
/// second time. A builder can be used again after ``finish(using:)``.
public struct RecordBatchBuilder: Sendable {
    /// What the header of the batch says besides its records.
    public struct Options: Sendable {
        /// The offset of the first record: 0 in a produce request.
        public var baseOffset: Int64 = 0
        /// The epoch of the leader that appends it; -1 from a producer.
        public var partitionLeaderEpoch: Int32 = -1
        /// How the records are compressed.
        public var codec: CompressionCodec = .none
        /// How hard the codec works.
        public var levels = CompressionLevels()
        /// Set, the batch says `LogAppendTime` with this time in milliseconds since 1970; nil: `CreateTime`.
        public var logAppendTime: Int64?
        /// -1 for a producer without idempotence.
        public var producerID: Int64 = -1
        /// -1 for a producer without idempotence.
        public var producerEpoch: Int16 = -1
        /// The sequence number of the first record, -1 without idempotence.
        public var baseSequence: Int32 = -1
        /// The batch belongs to a transaction of the producer.
        public var isTransactional = false
        /// The batch holds a marker and is hidden from clients.
        public var isControl = false

        /// An uncompressed batch of a producer without idempotence.
        public init() {}
    }

    /// What the next ``finish(using:)`` writes into the header.
    public var options: Options
    /// The number of records added.
    public private(set) var recordCount: Int32 = 0
    /// Room for the header, and the encoded records.
    private var buffer = ByteBuffer()
    private var baseTimestamp: Int64 = -1
    private var maxTimestamp: Int64 = -1
    private var lastOffsetDelta: Int32 = -1

    /// An empty builder.
    public init(_ options: Options = Options()) { self.options = options }

    /// An empty builder with room for so many bytes, header included, so that nothing is moved before it is full.
    public init(_ options: Options, capacity: Int) {
        self.options = options
        self.buffer.reserveCapacity(capacity)
    }

    /// Makes room for so many bytes in all, header included. Moves the records that were added.
    public mutating func reserveCapacity(_ capacity: Int) { self.buffer.reserveCapacity(capacity) }

    /// No record was added yet.
    public var isEmpty: Bool { self.recordCount == 0 }

    /// The bytes of the batch if it were finished now without compression.
    public var uncompressedSize: Int { max(self.buffer.readableBytes, RecordBatchHeader.byteCount) }

    /// The bytes that a record adds before compression, at most: for deciding whether it still fits into a batch.
    public static func sizeUpperBound(key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []) -> Int {
        var size = 5 + 1 + 10 + 5 + 5 + (key?.readableBytes ?? 0) + 5 + (value?.readableBytes ?? 0) + 5
        for header in headers { size += 10 + header.name.utf8.count + (header.value?.readableBytes ?? 0) }
        return size
    }

    /// Adds a record at the offset after the last one, or `offsetDelta` after the base offset where offsets have gaps.
    ///
    /// `timestamp` is in milliseconds since 1970, -1 for none. Throws `offsetOutOfOrder` when the delta is not larger
    /// than the last, and `batchTooLarge`; the builder is unchanged then.
    public mutating func append(
        key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = [], timestamp: Int64, offsetDelta: Int32? = nil
    ) throws(RecordError) {
        let (next, isFull) = self.lastOffsetDelta.addingReportingOverflow(1)
        guard !isFull else { throw .batchTooLarge }
        let offsetDelta = offsetDelta ?? next
        guard offsetDelta >= next else {
            throw .offsetOutOfOrder(record: Int(self.recordCount), offsetDelta: Int64(offsetDelta))
        }
        let baseTimestamp = self.isEmpty ? timestamp : self.baseTimestamp
        let draft = RecordDraft(
            timestampDelta: timestamp &- baseTimestamp, offsetDelta: offsetDelta, key: key, value: value,
            headers: headers
        )
        let bodySize = draft.bodySize
        guard bodySize < Int(Int32.max) - 5 - self.uncompressedSize else { throw .batchTooLarge }
        if self.isEmpty {
            self.buffer.reserveCapacity(RecordBatchHeader.byteCount + 5 + bodySize)
            self.buffer.writeRepeatingByte(0, count: RecordBatchHeader.byteCount)
        }
        self.buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bodySize + 5) { room in
            var encoder = RecordEncoder(room)
            encoder.write(draft, bodySize: bodySize)
            return encoder.position
        }
        self.baseTimestamp = baseTimestamp
        self.maxTimestamp = max(self.maxTimestamp, timestamp)
        self.lastOffsetDelta = offsetDelta
        self.recordCount += 1
    }

    /// The finished batch, checksum included; the builder is empty afterwards.
    ///
    /// Give the compressor of the thread to save its contexts. Throws `emptyBatch`, and as `Compressor.compress` does.
    public mutating func finish(using compressor: Compressor? = nil) throws(RecordError) -> RecordBatch {
        guard !self.isEmpty else { throw .emptyBatch }
        let codec = self.options.codec
        var output = ByteBuffer()
        if codec == .none {
            // Taken out and not shared, so that writing the header does not copy the records.
            swap(&output, &self.buffer)
        } else {
            output.reserveCapacity(RecordBatchHeader.byteCount + self.buffer.readableBytes / 2)
            output.writeRepeatingByte(0, count: RecordBatchHeader.byteCount)
            let compressor = compressor ?? Compressor()
            let levels = self.options.levels
            try self.buffer.withReadableBytes { (bytes) throws(RecordError) in
                let records = UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.byteCount...])
                try compressor.compress(records, codec: codec, levels: levels, appendingTo: &output)
            }
        }
        let header = output.completeBatch(self.header)
        self = RecordBatchBuilder(self.options)
        return RecordBatch(header: header, bytes: output)
    }

    /// The header of the batch, apart from what depends on the compressed bytes.
    private var header: RecordBatchHeader {
        var attributes = Int16(self.options.codec.rawValue)
        if self.options.logAppendTime != nil { attributes |= RecordBatchHeader.Attribute.logAppendTime }
        if self.options.isTransactional { attributes |= RecordBatchHeader.Attribute.transactional }
        if self.options.isControl { attributes |= RecordBatchHeader.Attribute.control }
        return RecordBatchHeader(
            baseOffset: self.options.baseOffset, partitionLeaderEpoch: self.options.partitionLeaderEpoch,
            attributes: attributes, lastOffsetDelta: self.lastOffsetDelta, baseTimestamp: self.baseTimestamp,
            maxTimestamp: self.options.logAppendTime ?? self.maxTimestamp, producerID: self.options.producerID,
            producerEpoch: self.options.producerEpoch, baseSequence: self.options.baseSequence,
            recordCount: self.recordCount
        )
    }
}

extension ByteBuffer {
    /// Writes `header` over the first 61 readable bytes, its length and checksum set for the bytes after them.
    mutating func completeBatch(_ header: RecordBatchHeader) -> RecordBatchHeader {
        var header = header
        header.batchLength = Int32(truncatingIfNeeded: self.readableBytes - RecordBatchHeader.overhead)
        self.withUnsafeMutableReadableBytes { bytes in
            header.crc = header.checksum(of: UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.byteCount...]))
            header.write(to: bytes)
        }
        return header
    }
}
