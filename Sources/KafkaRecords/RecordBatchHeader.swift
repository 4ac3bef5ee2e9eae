// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The 61 bytes that stand before the records of a batch in the message format 2 (KIP-98).
///
/// The base offset and the leader epoch are not covered by the checksum, so that a broker can set them in a batch
/// without reading it again.
public struct RecordBatchHeader: Sendable, Equatable {
    /// The size of a header in bytes.
    public static let byteCount = 61
    /// The bytes that the batch length does not count: the base offset and the batch length itself.
    public static let overhead = 12
    /// The smallest batch length: a header and no records.
    public static let minimumBatchLength = 49
    /// Where the bytes begin that the checksum covers: at the attributes.
    public static let checksummedFrom = 21
    /// The one message format that is served.
    public static let currentMagic: Int8 = 2

    /// The bits of ``attributes``.
    public enum Attribute {
        /// The three bits of the codec.
        public static let codecMask: Int16 = 0x07
        /// The timestamps are the broker's.
        public static let logAppendTime: Int16 = 0x08
        /// The batch belongs to a transaction.
        public static let transactional: Int16 = 0x10
        /// The batch holds a marker.
        public static let control: Int16 = 0x20
        /// The base timestamp is the time from which tombstones may be removed (KIP-534).
        public static let hasDeleteHorizon: Int16 = 0x40
    }

    /// The offset of the first record, or where it was before compaction removed it. In a produce request, 0.
    public var baseOffset: Int64
    /// The bytes of the batch after this field.
    public var batchLength: Int32
    /// The epoch of the leader that appended the batch; -1 from a producer.
    public var partitionLeaderEpoch: Int32
    /// The message format: always 2.
    public var magic: Int8
    /// CRC-32C of everything from the attributes to the end of the batch.
    public var crc: UInt32
    /// The bits of ``Attribute``; the others are 0.
    public var attributes: Int16
    /// The last offset of the batch minus the base offset; compaction keeps it when it removes the last record.
    public var lastOffsetDelta: Int32
    /// Milliseconds since 1970, or -1; record timestamps are relative to it.
    public var baseTimestamp: Int64
    /// Milliseconds since 1970, or -1: the largest timestamp of the batch, or the time of the append.
    public var maxTimestamp: Int64
    /// -1 for a producer without idempotence.
    public var producerID: Int64
    /// -1 for a producer without idempotence.
    public var producerEpoch: Int16
    /// The sequence number of the first record; -1 for a producer without idempotence and for control batches.
    public var baseSequence: Int32
    /// The number of records; compaction lowers it.
    public var recordCount: Int32

    /// A header for records without idempotence; `crc` and `batchLength` are still to be set.
    public init(
        baseOffset: Int64 = 0, batchLength: Int32 = 49, partitionLeaderEpoch: Int32 = -1, crc: UInt32 = 0,
        attributes: Int16 = 0, lastOffsetDelta: Int32 = 0, baseTimestamp: Int64 = -1, maxTimestamp: Int64 = -1,
        producerID: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1, recordCount: Int32 = 0
    ) {
        self.baseOffset = baseOffset
        self.batchLength = batchLength
        self.partitionLeaderEpoch = partitionLeaderEpoch
        self.magic = Self.currentMagic
        self.crc = crc
        self.attributes = attributes
        self.lastOffsetDelta = lastOffsetDelta
        self.baseTimestamp = baseTimestamp
        self.maxTimestamp = maxTimestamp
        self.producerID = producerID
        self.producerEpoch = producerEpoch
        self.baseSequence = baseSequence
        self.recordCount = recordCount
    }

    /// Reads the header at the beginning of `bytes`, which may go on after it.
    ///
    /// Throws when there are fewer than 61 bytes, the magic is not 2, the batch length is too small or the counts and
    /// offsets contradict each other. Neither the checksum nor the records are looked at.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(RecordError) {
        try self.init(unchecked: bytes)
        try self.checkCounts()
    }

    /// Reads a header of magic 2 with a possible batch length; counts and offsets may still be anything.
    init(unchecked bytes: UnsafeRawBufferPointer) throws(RecordError) {
        // The magic has the same place in all formats, so an old one is told by its name and not as a short batch.
        guard bytes.count > 16 else { throw .truncated(needed: Self.byteCount, available: bytes.count) }
        let magic = bytes.bigEndian(at: 16, as: Int8.self)
        guard magic == Self.currentMagic else { throw .unsupportedMagic(magic) }
        guard bytes.count >= Self.byteCount else { throw .truncated(needed: Self.byteCount, available: bytes.count) }
        self.magic = magic
        self.baseOffset = bytes.bigEndian(at: 0, as: Int64.self)
        self.batchLength = bytes.bigEndian(at: 8, as: Int32.self)
        self.partitionLeaderEpoch = bytes.bigEndian(at: 12, as: Int32.self)
        self.crc = bytes.bigEndian(at: 17, as: UInt32.self)
        self.attributes = bytes.bigEndian(at: 21, as: Int16.self)
        self.lastOffsetDelta = bytes.bigEndian(at: 23, as: Int32.self)
        self.baseTimestamp = bytes.bigEndian(at: 27, as: Int64.self)
        self.maxTimestamp = bytes.bigEndian(at: 35, as: Int64.self)
        self.producerID = bytes.bigEndian(at: 43, as: Int64.self)
        self.producerEpoch = bytes.bigEndian(at: 51, as: Int16.self)
        self.baseSequence = bytes.bigEndian(at: 53, as: Int32.self)
        self.recordCount = bytes.bigEndian(at: 57, as: Int32.self)
        guard self.batchLength >= Int32(Self.minimumBatchLength) else { throw .invalidBatchLength(self.batchLength) }
    }

    /// Throws when counts and offsets are out of range or contradict each other.
    func checkCounts() throws(RecordError) {
        guard self.lastOffsetDelta >= 0, self.recordCount >= 0,
            Int64(self.recordCount) <= Int64(self.lastOffsetDelta) + 1
        else {
            throw .invalidRecordCount(recordCount: self.recordCount, lastOffsetDelta: self.lastOffsetDelta)
        }
        guard self.baseOffset >= 0, self.baseOffset < Int64.max - Int64(self.lastOffsetDelta) else {
            throw .invalidBaseOffset(self.baseOffset)
        }
    }

    /// Writes the header to the first 61 bytes of `bytes`, which must have room for it.
    public func write(to bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.byteCount, "a record batch header takes 61 bytes")
        bytes.storeBigEndian(self.baseOffset, at: 0)
        bytes.storeBigEndian(self.batchLength, at: 8)
        bytes.storeBigEndian(self.partitionLeaderEpoch, at: 12)
        bytes.storeBigEndian(self.magic, at: 16)
        bytes.storeBigEndian(self.crc, at: 17)
        bytes.storeBigEndian(self.attributes, at: 21)
        bytes.storeBigEndian(self.lastOffsetDelta, at: 23)
        bytes.storeBigEndian(self.baseTimestamp, at: 27)
        bytes.storeBigEndian(self.maxTimestamp, at: 35)
        bytes.storeBigEndian(self.producerID, at: 43)
        bytes.storeBigEndian(self.producerEpoch, at: 51)
        bytes.storeBigEndian(self.baseSequence, at: 53)
        bytes.storeBigEndian(self.recordCount, at: 57)
    }

    /// The checksum that belongs into ``crc`` when `records` are the bytes after this header.
    public func checksum(of records: UnsafeRawBufferPointer) -> UInt32 {
        let ownPart = withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { bytes in
            self.write(to: bytes)
            return crc32c(UnsafeRawBufferPointer(rebasing: bytes[Self.checksummedFrom..<Self.byteCount]))
        }
        return crc32c(records, seed: ownPart)
    }
}

extension RecordBatchHeader {
    /// The bytes of the whole batch, header included.
    public var sizeInBytes: Int { Self.overhead &+ Int(self.batchLength) }

    /// The offset of the last record, or where it was before compaction removed it.
    public var lastOffset: Int64 { self.baseOffset &+ Int64(self.lastOffsetDelta) }

    /// The offset after the batch.
    public var nextOffset: Int64 { self.lastOffset &+ 1 }

    /// How the records are compressed; nil when the bits name no codec.
    public var codec: CompressionCodec? {
        CompressionCodec(rawValue: Int8(truncatingIfNeeded: self.attributes & Attribute.codecMask))
    }

    /// Whose clock the timestamps come from.
    public var timestampType: TimestampType {
        self.attributes & Attribute.logAppendTime == 0 ? .createTime : .logAppendTime
    }

    /// The batch belongs to a transaction: hidden from `read_committed` consumers until its marker.
    public var isTransactional: Bool { self.attributes & Attribute.transactional != 0 }

    /// The batch holds a commit or abort marker, which clients never see.
    public var isControl: Bool { self.attributes & Attribute.control != 0 }

    /// The producer is idempotent, so its sequence numbers count.
    public var hasProducerID: Bool { self.producerID >= 0 }

    /// The sequence number of the last record, -1 without sequences. They wrap around: after 2,147,483,647 comes 0.
    public var lastSequence: Int32 {
        guard self.baseSequence >= 0 else { return -1 }
        return Int32(truncatingIfNeeded: (Int64(self.baseSequence) + Int64(self.lastOffsetDelta)) & 0x7fff_ffff)
    }
}

extension UnsafeRawBufferPointer {
    /// An integer in network byte order. The caller has checked that it is inside the buffer.
    @inline(__always)
    func bigEndian<Integer: FixedWidthInteger>(at position: Int, as: Integer.Type) -> Integer {
        Integer(bigEndian: self.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Stores an integer in network byte order. The caller has checked that it is inside the buffer.
    @inline(__always)
    func storeBigEndian<Integer: FixedWidthInteger>(_ value: Integer, at position: Int) {
        self.storeBytes(of: value.bigEndian, toByteOffset: position, as: Integer.self)
    }
}
