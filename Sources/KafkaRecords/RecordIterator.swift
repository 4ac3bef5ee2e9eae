// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// What reading the records of a batch may cost.
public struct RecordLimits: Sendable, Hashable {
    /// The most bytes that compressed records may inflate to.
    public var maxInflatedBytes: Int

    /// Without an argument, what a broker allows by default.
    public init(maxInflatedBytes: Int = Decompressor.defaultOutputLimit) {
        self.maxInflatedBytes = maxInflatedBytes
    }
}

extension RecordBatch {
    /// Begins to read the records.
    ///
    /// For an uncompressed batch this costs nothing. A compressed one is inflated here and now; give the decompressor
    /// of the thread to save its contexts. Throws `unknownCodec`, and as `Decompressor.decompress` does.
    public func records(
        limits: RecordLimits = RecordLimits(), using decompressor: Decompressor? = nil
    ) throws(RecordError) -> RecordIterator {
        guard let codec = self.header.codec else { throw self.header.unknownCodec }
        if codec == .none { return RecordIterator(header: self.header, bytes: self.recordBytes) }
        let inflated = try (decompressor ?? Decompressor())
            .decompress(self.recordBytes, codec: codec, limit: limits.maxInflatedBytes)
        return RecordIterator(header: self.header, bytes: inflated)
    }
}

extension RecordBatchHeader {
    /// The error for codec bits without a meaning.
    var unknownCodec: RecordError {
        .unknownCodec(bits: Int8(truncatingIfNeeded: self.attributes & Attribute.codecMask))
    }
}

/// Reads the records of one batch in the order of their offsets, without copying keys or values.
public struct RecordIterator: Sendable {
    private let header: RecordBatchHeader
    /// The uncompressed records.
    private let bytes: ByteBuffer
    private var position = 0
    private var index = 0
    private var lastDelta: Int32 = -1

    init(header: RecordBatchHeader, bytes: ByteBuffer) {
        self.header = header
        self.bytes = bytes
    }

    /// The next record, or nil after as many as the header promises.
    ///
    /// Throws when the bytes are not a record, when its offset is out of order, or when the batch has more bytes than
    /// records. After an error the iterator stays where it is and throws again.
    public mutating func next() throws(RecordError) -> Record? {
        guard self.index < Int(self.header.recordCount) else {
            let trailing = self.bytes.readableBytes - self.position
            guard trailing == 0 else { throw .trailingBatchBytes(count: trailing) }
            return nil
        }
        let (position, index) = (self.position, self.index)
        let layout = try self.bytes.withReadableBytes { (bytes) throws(RecordError) in
            var cursor = RecordCursor(bytes, position: position, index: index)
            return try cursor.next()
        }
        guard layout.offsetDelta > self.lastDelta, layout.offsetDelta <= self.header.lastOffsetDelta else {
            throw .offsetOutOfOrder(record: index, offsetDelta: Int64(layout.offsetDelta))
        }
        self.position = layout.end
        self.index += 1
        self.lastDelta = layout.offsetDelta
        return Record(
            offset: self.header.baseOffset &+ Int64(layout.offsetDelta),
            timestamp: self.header.timestamp(ofDelta: layout.timestampDelta),
            key: self.slice(layout.keyStart, layout.keyLength),
            value: self.slice(layout.valueStart, layout.valueLength),
            headers: self.headers(of: layout)
        )
    }

    /// All records that are left, in an array.
    public mutating func collect() throws(RecordError) -> [Record] {
        var records: [Record] = []
        while let record = try self.next() { records.append(record) }
        return records
    }

    private func slice(_ start: Int, _ length: Int32) -> ByteBuffer? {
        guard length >= 0 else { return nil }
        return self.bytes.getSlice(at: self.bytes.readerIndex + start, length: Int(length))
    }

    private func headers(of layout: RecordLayout) -> RecordHeaders {
        let length = Int32(truncatingIfNeeded: layout.end - layout.headersStart)
        guard layout.headerCount > 0, let bytes = self.slice(layout.headersStart, length) else {
            return RecordHeaders(bytes: ByteBuffer(), count: 0)
        }
        return RecordHeaders(bytes: bytes, count: Int(layout.headerCount))
    }
}

extension RecordBatchHeader {
    /// The timestamp of a record from the difference that it stores.
    @inline(__always)
    func timestamp(ofDelta delta: Int64) -> Int64 {
        self.timestampType == .logAppendTime ? self.maxTimestamp : self.baseTimestamp &+ delta
    }
}
