// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// Decides whether a batch from a producer may be appended, and makes it ready to be.
///
/// One value per topic configuration; it may be used from any thread. Uncompressed batches are checked where they
/// lie: every record is walked, none is copied, and only what the header says may change. Compressed ones are
/// inflated to be checked, and stored as they came unless the topic asks for another codec.
public struct BatchValidator: Sendable {
    /// The topic's configuration, as far as it concerns batches. The defaults are Kafka's.
    public struct Configuration: Sendable, Hashable {
        /// `max.message.bytes`: the size of a batch as it is stored, in bytes.
        public var maxMessageBytes = 1_048_588
        /// `message.timestamp.type`
        public var timestampType = TimestampType.createTime
        /// `message.timestamp.before.max.ms`: how far a record's timestamp may lie behind the broker's clock.
        public var timestampBeforeMaxMs = Int64.max
        /// `message.timestamp.after.max.ms`: how far a record's timestamp may lie ahead of the broker's clock.
        public var timestampAfterMaxMs: Int64 = 3_600_000
        /// `compression.type`: the codec that batches are stored with; nil for `producer`, as they come.
        public var codec: CompressionCodec?
        /// `compression.<codec>.level`, for when the codec is changed.
        public var levels = CompressionLevels()
        /// `cleanup.policy` has `compact`: every record needs a key.
        public var isCompacted = false
        /// The most bytes that a batch may inflate to: the broker's `socket.request.max.bytes`.
        public var maxInflatedBytes = Decompressor.defaultOutputLimit

        /// What a topic without overrides has.
        public init() {}
    }

    /// The most records at fault that a rejection lists.
    public static let reportedProblemsMax = 100

    /// What it was made with.
    public let configuration: Configuration

    /// A validator for topics of this configuration; costs nothing.
    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    /// Checks the records that a produce request has for one partition.
    ///
    /// `bytes` are all of them: exactly one batch of magic 2. `now` is the wall clock in milliseconds since 1970.
    /// `isZstdAllowed` is false for Produce before version 7. Give the contexts of the thread for compressed batches;
    /// without them, new ones are made. Linear in the size of the batch. For an uncompressed one that is the checksum
    /// and some nanoseconds per record.
    public func prepare(
        _ bytes: ByteBuffer, now: Int64, isZstdAllowed: Bool = true, contexts: CompressionContexts? = nil
    ) throws(BatchRejection) -> PreparedBatch {
        let header = try BatchRejection.catching { () throws(RecordError) in
            try bytes.withReadableBytes { (bytes) throws(RecordError) in try RecordBatchHeader(unchecked: bytes) }
        }
        try self.checkSize(header, of: bytes)
        let batch = RecordBatch(header: header, bytes: bytes)
        // Before any field is believed: damaged bytes are told as such, because sending them again helps.
        let checksum = batch.computedChecksum()
        guard checksum == header.crc else {
            throw BatchRejection(RecordError.checksumMismatch(stored: header.crc, computed: checksum))
        }
        let codec = try self.checkHeader(header, isZstdAllowed: isZstdAllowed)
        let storedCodec = self.configuration.codec ?? codec
        guard codec != .none || storedCodec != .none else {
            let summary = try self.inspect(batch.recordBytes, of: header, now: now)
            return self.prepared(batch, summary, now: now)
        }
        return try self.prepareCompressed(
            batch, codec: codec, storedCodec: storedCodec, now: now, contexts: contexts ?? CompressionContexts()
        )
    }

    /// The bytes must be one batch that is not too large, and nothing else.
    private func checkSize(_ header: RecordBatchHeader, of bytes: ByteBuffer) throws(BatchRejection) {
        let size = header.sizeInBytes
        guard size <= self.configuration.maxMessageBytes else { throw self.tooLarge(size, "") }
        guard size <= bytes.readableBytes else {
            throw BatchRejection(RecordError.truncated(needed: size, available: bytes.readableBytes))
        }
        guard size == bytes.readableBytes else {
            throw BatchRejection(
                .invalidRecord,
                "\(bytes.readableBytes - size) bytes follow the record batch: a produce request carries exactly one "
                    + "batch per partition"
            )
        }
    }

    private func tooLarge(_ size: Int, _ circumstance: String) -> BatchRejection {
        BatchRejection(
            .messageTooLarge,
            "the record batch has \(size) bytes\(circumstance), more than the topic's max.message.bytes of "
                + "\(self.configuration.maxMessageBytes)"
        )
    }

    /// What the header may say when a client wrote it. Returns the codec.
    private func checkHeader(
        _ header: RecordBatchHeader, isZstdAllowed: Bool
    ) throws(BatchRejection) -> CompressionCodec {
        try BatchRejection.catching { () throws(RecordError) in try header.checkCounts() }
        guard let codec = header.codec else { throw BatchRejection(header.unknownCodec) }
        if codec == .zstd, !isZstdAllowed {
            throw BatchRejection(
                .unsupportedCompressionType, "zstd needs Produce version 7 or later: use a newer client"
            )
        }
        if header.isControl {
            throw BatchRejection(.invalidRecord, "control batches are written by brokers only")
        }
        guard header.baseOffset == 0 else {
            throw BatchRejection(
                .invalidRecord, "the base offset is \(header.baseOffset); in a produce request it is 0"
            )
        }
        guard header.recordCount > 0, Int64(header.recordCount) == Int64(header.lastOffsetDelta) + 1 else {
            throw BatchRejection(
                RecordError.invalidRecordCount(
                    recordCount: header.recordCount, lastOffsetDelta: header.lastOffsetDelta
                )
            )
        }
        try self.checkProducer(header)
        if header.timestampType == .logAppendTime, self.configuration.timestampType == .createTime {
            throw BatchRejection(
                .invalidTimestamp,
                "the batch says LogAppendTime, but the topic's message.timestamp.type is CreateTime: producers send "
                    + "CreateTime"
            )
        }
        return codec
    }

    /// An idempotent producer has an epoch and sequence numbers, and only such a one has transactions. What a producer
    /// without an id writes into the other two fields does not matter.
    private func checkProducer(_ header: RecordBatchHeader) throws(BatchRejection) {
        if header.hasProducerID {
            guard header.producerEpoch >= 0, header.baseSequence >= 0 else {
                throw BatchRejection(
                    .invalidRecord,
                    "a batch of producer id \(header.producerID) needs an epoch and a sequence of 0 or more, it has "
                        + "epoch \(header.producerEpoch) and sequence \(header.baseSequence)"
                )
            }
        } else if header.isTransactional {
            throw BatchRejection(.invalidRecord, "a transactional batch needs a producer id")
        }
    }

    private func inspect(
        _ records: ByteBuffer, of header: RecordBatchHeader, now: Int64
    ) throws(BatchRejection) -> RecordInspection.Summary {
        var inspection = RecordInspection(self.configuration, header: header, now: now)
        return try inspection.run(records)
    }

    /// The batch is stored as it came, with what the broker decides in the header.
    private func prepared(_ batch: RecordBatch, _ summary: RecordInspection.Summary, now: Int64) -> PreparedBatch {
        var header = batch.header
        self.setTimestamps(&header, summary, now: now)
        if header != batch.header {
            header.crc = batch.recordBytes.withUnsafeReadableBytes { header.checksum(of: $0) }
        }
        return PreparedBatch(
            header: header, bytes: batch.bytes, maxTimestamp: header.maxTimestamp,
            offsetDeltaOfMaxTimestamp: self.offsetDeltaOfMaxTimestamp(summary)
        )
    }

    /// A producer's max timestamp is not believed: fetches by time depend on it.
    private func setTimestamps(_ header: inout RecordBatchHeader, _ summary: RecordInspection.Summary, now: Int64) {
        switch self.configuration.timestampType {
        case .createTime:
            header.maxTimestamp = summary.maxTimestamp
        case .logAppendTime:
            header.attributes |= RecordBatchHeader.Attribute.logAppendTime
            header.maxTimestamp = now
        }
    }

    private func offsetDeltaOfMaxTimestamp(_ summary: RecordInspection.Summary) -> Int32 {
        // With the time of the append all records have the same, and the first of them counts.
        self.configuration.timestampType == .logAppendTime ? 0 : summary.offsetDeltaOfMaxTimestamp
    }

    /// The records are inflated to be inspected. They are stored as they came, or written again with the topic's codec.
    private func prepareCompressed(
        _ batch: RecordBatch, codec: CompressionCodec, storedCodec: CompressionCodec, now: Int64,
        contexts: CompressionContexts
    ) throws(BatchRejection) -> PreparedBatch {
        let limit = self.configuration.maxInflatedBytes
        let records =
            codec == .none
            ? batch.recordBytes
            : try BatchRejection.catching { () throws(RecordError) in
                try contexts.decompressor.decompress(batch.recordBytes, codec: codec, limit: limit)
            }
        let summary = try self.inspect(records, of: batch.header, now: now)
        guard codec != storedCodec else { return self.prepared(batch, summary, now: now) }

        var output = ByteBuffer()
        output.reserveCapacity(RecordBatchHeader.byteCount + records.readableBytes / (storedCodec == .none ? 1 : 2))
        output.writeRepeatingByte(0, count: RecordBatchHeader.byteCount)
        let levels = self.configuration.levels
        try BatchRejection.catching { () throws(RecordError) in
            try records.withReadableBytes { (bytes) throws(RecordError) in
                try contexts.compressor.compress(bytes, codec: storedCodec, levels: levels, appendingTo: &output)
            }
        }
        guard output.readableBytes <= self.configuration.maxMessageBytes else {
            throw self.tooLarge(output.readableBytes, " after conversion to the topic's compression.type")
        }
        var header = batch.header
        header.attributes = header.attributes & ~RecordBatchHeader.Attribute.codecMask | Int16(storedCodec.rawValue)
        self.setTimestamps(&header, summary, now: now)
        header = output.completeBatch(header)
        return PreparedBatch(
            header: header, bytes: output, maxTimestamp: header.maxTimestamp,
            offsetDeltaOfMaxTimestamp: self.offsetDeltaOfMaxTimestamp(summary)
        )
    }
}
