// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where the parts of one record lie, as positions in the bytes that the cursor walks.
struct RecordLayout {
    var attributes: Int8 = 0
    var timestampDelta: Int64 = 0
    var offsetDelta: Int32 = 0
    var keyStart = 0
    /// -1 for a null key.
    var keyLength: Int32 = -1
    var valueStart = 0
    /// -1 for a null value.
    var valueLength: Int32 = -1
    var headersStart = 0
    var headerCount: Int32 = 0
    /// The position after the record.
    var end = 0
}

/// Walks the uncompressed records of a batch: checks every length, touches no key or value and allocates nothing.
///
/// The bytes are hostile: whatever they say, no position leaves them.
struct RecordCursor {
    let bytes: UnsafeRawBufferPointer
    /// Where the next byte is read; at most `bytes.count`.
    private(set) var position: Int
    /// The number of the record that is read next, for errors.
    private(set) var index: Int

    init(_ bytes: UnsafeRawBufferPointer, position: Int = 0, index: Int = 0) {
        self.bytes = bytes
        self.position = position
        self.index = index
    }

    /// The bytes after the last record that was read.
    var remaining: Int { self.bytes.count &- self.position }

    /// The parts of the next record, all of which are inside the bytes, headers too.
    @inline(__always)
    mutating func next() throws(RecordError) -> RecordLayout {
        var layout = RecordLayout()
        let length = try self.varint(before: self.bytes.count)
        guard length > 0, Int(length) <= self.remaining else { throw self.invalid(.record, length) }
        let end = self.position &+ Int(length)
        layout.end = end
        layout.attributes = Int8(bitPattern: self.bytes[self.position])
        self.position &+= 1
        layout.timestampDelta = try self.varlong(before: end)
        layout.offsetDelta = try self.varint(before: end)
        layout.keyLength = try self.varint(before: end)
        layout.keyStart = self.position
        try self.skip(layout.keyLength, .key, before: end)
        layout.valueLength = try self.varint(before: end)
        layout.valueStart = self.position
        try self.skip(layout.valueLength, .value, before: end)
        layout.headerCount = try self.varint(before: end)
        layout.headersStart = self.position
        if layout.headerCount != 0 { try self.skipHeaders(layout.headerCount, before: end) }
        guard self.position == end else { throw .trailingRecordBytes(record: self.index, count: end &- self.position) }
        self.index &+= 1
        return layout
    }

    /// Moves past the headers of a record.
    private mutating func skipHeaders(_ count: Int32, before end: Int) throws(RecordError) {
        // A header takes two bytes at least, so a count that cannot be true is refused before the loop.
        guard count >= 0, Int(count) <= (end &- self.position) / 2 else { throw self.invalid(.headerCount, count) }
        for _ in 0..<count {
            let nameLength = try self.varint(before: end)
            guard nameLength >= 0 else { throw self.invalid(.headerName, nameLength) }
            try self.skip(nameLength, .headerName, before: end)
            try self.skip(try self.varint(before: end), .headerValue, before: end)
        }
    }

    /// Moves past `length` bytes; -1 means null and takes none.
    @inline(__always)
    private mutating func skip(
        _ length: Int32, _ field: RecordError.RecordField, before end: Int
    ) throws(RecordError) {
        guard length >= -1, Int(length) <= end &- self.position else { throw self.invalid(field, length) }
        if length > 0 { self.position &+= Int(length) }
    }

    private func invalid(_ field: RecordError.RecordField, _ length: Int32) -> RecordError {
        .invalidLength(record: self.index, field: field, length: Int64(length))
    }

    /// A zigzag-coded 32-bit integer of at most five bytes that ends before `end`.
    @inline(__always)
    private mutating func varint(before end: Int) throws(RecordError) -> Int32 {
        guard self.position < end else { throw .truncatedRecord(record: self.index) }
        let first = self.bytes[self.position]
        if first < 0x80 {
            self.position &+= 1
            return Int32(first >> 1) ^ -Int32(first & 1)
        }
        let coded = UInt32(truncatingIfNeeded: try self.longVarint(before: end, bits: 32))
        return Int32(bitPattern: coded >> 1) ^ -Int32(coded & 1)
    }

    /// A zigzag-coded 64-bit integer of at most ten bytes that ends before `end`.
    @inline(__always)
    private mutating func varlong(before end: Int) throws(RecordError) -> Int64 {
        guard self.position < end else { throw .truncatedRecord(record: self.index) }
        let first = self.bytes[self.position]
        if first < 0x80 {
            self.position &+= 1
            return Int64(first >> 1) ^ -Int64(first & 1)
        }
        let coded = try self.longVarint(before: end, bits: 64)
        return Int64(bitPattern: coded >> 1) ^ -Int64(coded & 1)
    }

    /// The bits of an integer before zigzag: seven from each byte, the lowest first, and no more than `bits`.
    @inline(__always)
    private mutating func longVarint(before end: Int, bits: UInt64) throws(RecordError) -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        var position = self.position
        while position < end {
            let byte = UInt64(self.bytes[position])
            position &+= 1
            result |= (byte & 0x7f) &<< shift
            // What the last byte has above the width of the integer would be lost.
            if shift &+ 7 > bits, (byte & 0x7f) >> (bits &- shift) != 0 { throw .overlongVarint(record: self.index) }
            if byte < 0x80 {
                self.position = position
                return result
            }
            shift &+= 7
            if shift >= bits { throw .overlongVarint(record: self.index) }
        }
        throw .truncatedRecord(record: self.index)
    }
}
