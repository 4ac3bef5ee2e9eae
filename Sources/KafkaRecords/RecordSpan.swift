// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// One record where it lies in the uncompressed records of a batch, for whoever moves records without decoding them.
///
/// A view of memory that it does not keep alive: valid as long as the bytes given to `RecordSpans` are.
public struct RecordSpan {
    private let bytes: UnsafeRawBufferPointer
    private let layout: RecordLayout
    /// Where the record lies in the records of the batch, its length in front included.
    public let range: Range<Int>

    init(_ bytes: UnsafeRawBufferPointer, _ layout: RecordLayout, from start: Int) {
        self.bytes = bytes
        self.layout = layout
        self.range = start..<layout.end
    }

    /// The offset of the record minus the base offset of its batch.
    public var offsetDelta: Int32 { self.layout.offsetDelta }

    /// The timestamp of the record minus the base timestamp of its batch. Without meaning in a batch with the time of
    /// the append.
    public var timestampDelta: Int64 { self.layout.timestampDelta }

    /// False for a tombstone.
    public var hasValue: Bool { self.layout.valueLength >= 0 }

    /// Null and empty are two different keys.
    public var key: UnsafeRawBufferPointer? {
        guard self.layout.keyLength >= 0 else { return nil }
        let start = self.layout.keyStart
        return UnsafeRawBufferPointer(rebasing: self.bytes[start..<start + Int(self.layout.keyLength)])
    }

    /// Null is a tombstone in a compacted topic.
    public var value: UnsafeRawBufferPointer? {
        guard self.layout.valueLength >= 0 else { return nil }
        let start = self.layout.valueStart
        return UnsafeRawBufferPointer(rebasing: self.bytes[start..<start + Int(self.layout.valueLength)])
    }

    /// The number of headers.
    public var headerCount: Int { Int(self.layout.headerCount) }

    /// Writes the record at the end of a buffer, all as it is but the difference to the base timestamp, of which the
    /// batch that it goes to has another one. Linear in the size of the record.
    public func write(to buffer: inout ByteBuffer, timestampDelta: Int64) {
        let layout = self.layout
        let headers = self.bytes[layout.headersStart..<layout.end]
        var size = 1 + varintSize(timestampDelta) + varintSize(Int64(layout.offsetDelta))
        size += varintSize(Int64(layout.keyLength)) + max(Int(layout.keyLength), 0)
        size += varintSize(Int64(layout.valueLength)) + max(Int(layout.valueLength), 0)
        size += varintSize(Int64(layout.headerCount)) + headers.count
        buffer.writeVarint(Int64(size))
        buffer.writeInteger(layout.attributes)
        buffer.writeVarint(timestampDelta)
        buffer.writeVarint(Int64(layout.offsetDelta))
        self.writeField(layout.keyStart, layout.keyLength, to: &buffer)
        self.writeField(layout.valueStart, layout.valueLength, to: &buffer)
        buffer.writeVarint(Int64(layout.headerCount))
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: headers))
    }

    private func writeField(_ start: Int, _ length: Int32, to buffer: inout ByteBuffer) {
        buffer.writeVarint(Int64(length))
        guard length > 0 else { return }
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: self.bytes[start..<start + Int(length)]))
    }
}

/// Walks over the uncompressed records of a batch in the order of their offsets. Allocates nothing.
public struct RecordSpans {
    private let bytes: UnsafeRawBufferPointer
    private let header: RecordBatchHeader
    private var cursor: RecordCursor
    private var lastDelta: Int32 = -1

    /// `bytes` are the records of the batch with this header, inflated; they must outlive the walk.
    public init(_ bytes: UnsafeRawBufferPointer, header: RecordBatchHeader) {
        self.bytes = bytes
        self.header = header
        self.cursor = RecordCursor(bytes)
    }

    /// The next record, or nil after as many as the header promises.
    ///
    /// Throws when the bytes are not a record, when its offset is out of order or not the batch's, and when the batch
    /// has more bytes than records.
    public mutating func next() throws(RecordError) -> RecordSpan? {
        guard self.cursor.index < Int(self.header.recordCount) else {
            guard self.cursor.remaining == 0 else { throw .trailingBatchBytes(count: self.cursor.remaining) }
            return nil
        }
        let start = self.cursor.position
        let layout = try self.cursor.next()
        guard layout.offsetDelta > self.lastDelta, layout.offsetDelta <= self.header.lastOffsetDelta else {
            throw .offsetOutOfOrder(record: self.cursor.index - 1, offsetDelta: Int64(layout.offsetDelta))
        }
        self.lastDelta = layout.offsetDelta
        return RecordSpan(self.bytes, layout, from: start)
    }
}

extension RecordBatch {
    /// Calls `body` with every record, in the order of their offsets, where it lies. A compressed batch is inflated
    /// first; give the decompressor of the thread to save its contexts. Allocates nothing per record.
    ///
    /// Throws what `body` throws, and `RecordError` as ``records(limits:using:)`` and ``RecordSpans/next()`` do.
    public func forEachRecord(
        limits: RecordLimits = RecordLimits(), using decompressor: Decompressor? = nil,
        _ body: (RecordSpan) throws -> Void
    ) throws {
        guard let codec = self.header.codec else { throw self.header.unknownCodec }
        let records =
            codec == .none
            ? self.recordBytes
            : try (decompressor ?? Decompressor())
                .decompress(self.recordBytes, codec: codec, limit: limits.maxInflatedBytes)
        try records.withUnsafeReadableBytes { bytes in
            var spans = RecordSpans(bytes, header: self.header)
            while let span = try spans.next() { try body(span) }
        }
    }
}

extension ByteBuffer {
    /// Writes an integer in zigzag code, seven bits to a byte.
    fileprivate mutating func writeVarint(_ value: Int64) {
        var coded = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        while coded >= 0x80 {
            self.writeInteger(UInt8(truncatingIfNeeded: coded) | 0x80)
            coded >>= 7
        }
        self.writeInteger(UInt8(coded))
    }
}
