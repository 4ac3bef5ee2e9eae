// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What is wrong with bytes that should be a record batch, or why a batch cannot be built.
///
/// All of it can come from a socket or a damaged file, so nothing here is a programmer's error.
public enum RecordError: Error, Equatable, Sendable {
    /// The bytes end before the batch does.
    case truncated(needed: Int, available: Int)
    /// The bytes end before the last record does, or a record ends in the middle of a field.
    case truncatedRecord(record: Int)
    /// The magic byte is not 2: the batch is in the old message format (0, 1) or no batch at all.
    case unsupportedMagic(Int8)
    /// The batch length is smaller than the rest of the header.
    case invalidBatchLength(Int32)
    /// Negative counts, or more records than the batch has offsets.
    case invalidRecordCount(recordCount: Int32, lastOffsetDelta: Int32)
    /// The base offset is negative, or the last offset does not fit in 64 bits.
    case invalidBaseOffset(Int64)
    /// The CRC-32C in the header is not that of the bytes.
    case checksumMismatch(stored: UInt32, computed: UInt32)
    /// The codec bits of the attributes name no codec: 5, 6 or 7.
    case unknownCodec(bits: Int8)
    /// The compressed bytes are not what the codec writes, or they end too early.
    case malformedCompression(CompressionCodec, reason: String)
    /// The compressed bytes inflate to more than the limit in bytes.
    case inflatesBeyondLimit(CompressionCodec, limit: Int)
    /// A codec library refused to work, for want of memory most likely.
    case codecFailure(CompressionCodec, reason: String)
    /// A variable-length integer goes on after the last byte it may have.
    case overlongVarint(record: Int)
    /// A length inside the record is negative where it must not be, or goes past the end of the record.
    case invalidLength(record: Int, field: RecordField, length: Int64)
    /// The fields of the record end before its length does.
    case trailingRecordBytes(record: Int, count: Int)
    /// The batch has bytes after its last record.
    case trailingBatchBytes(count: Int)
    /// The batch would be larger than the format can say: 2 GiB.
    case batchTooLarge
    /// The offsets of a batch's records rise from the base offset to the last offset; this one does not fit in.
    case offsetOutOfOrder(record: Int, offsetDelta: Int64)
    /// A batch must not be built without a record.
    case emptyBatch

    /// The parts of a record that have a length.
    public enum RecordField: String, Sendable {
        case record
        case key
        case value
        case headerCount = "header count"
        case headerName = "header name"
        case headerValue = "header value"
    }
}

extension RecordError {
    /// The number of the record in its batch that is at fault, from 0; nil when it is the batch as a whole.
    public var recordIndex: Int? {
        switch self {
        case .truncatedRecord(let record), .overlongVarint(let record), .invalidLength(let record, _, _),
            .trailingRecordBytes(let record, _), .offsetOutOfOrder(let record, _):
            record
        default:
            nil
        }
    }
}

extension RecordError: CustomStringConvertible {
    /// One sentence about what is wrong, with the numbers that contradict each other.
    public var description: String {
        switch self {
        case .truncated(let needed, let available):
            "the record batch is cut off: it needs \(needed) bytes, there are \(available)"
        case .truncatedRecord(let record):
            "record \(record) is cut off"
        case .unsupportedMagic(let magic):
            "magic \(magic) is not supported: record batches have magic 2 (clients of Kafka 0.11 and later write it)"
        case .invalidBatchLength(let length):
            "a batch length of \(length) is impossible: the header alone takes \(RecordBatchHeader.minimumBatchLength)"
        case .invalidRecordCount(let count, let lastOffsetDelta):
            "a record count of \(count) does not go with a last offset delta of \(lastOffsetDelta)"
        case .invalidBaseOffset(let offset):
            "a base offset of \(offset) is out of range"
        case .checksumMismatch(let stored, let computed):
            "the record batch is corrupt: its CRC-32C field says \(stored), its bytes give \(computed)"
        case .unknownCodec(let bits):
            "compression codec \(bits) is not known: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd"
        case .malformedCompression(let codec, let reason):
            "the records cannot be decompressed as \(codec.name): \(reason)"
        case .inflatesBeyondLimit(let codec, let limit):
            "the \(codec.name) records inflate to more than the limit of \(limit) bytes"
        case .codecFailure(let codec, let reason):
            "the \(codec.name) library failed: \(reason)"
        case .overlongVarint(let record):
            "record \(record) has a variable-length integer that is too long"
        case .invalidLength(let record, let field, let length):
            "record \(record) has an impossible \(field.rawValue)\(field == .headerCount ? "" : " length") of \(length)"
        case .trailingRecordBytes(let record, let count):
            "record \(record) has \(count) bytes after its last field"
        case .trailingBatchBytes(let count):
            "the batch has \(count) bytes after its last record"
        case .batchTooLarge:
            "the record batch would be larger than 2 GiB"
        case .offsetOutOfOrder(let record, let delta):
            "record \(record) has an offset delta of \(delta), which does not fit into the batch"
        case .emptyBatch:
            "a batch needs at least one record"
        }
    }
}
