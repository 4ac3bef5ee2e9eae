// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

// Each value with a length has two forms: classic (a fixed-width length, -1 for null) and compact (an unsigned varint
// of length + 1, 0 for null), which flexible versions use (KIP-482).
extension WireReader {
    /// The length of a string: -1 for null, otherwise no more than the bytes left and than a classic length can say.
    @inlinable
    internal mutating func readStringLength(compact: Bool) throws(WireError) -> Int {
        let length = compact ? Int(try self.readUnsignedVarint()) - 1 : Int(try self.readInt16())
        guard length <= WireLimits.stringBytesMax else {
            throw WireError.valueTooLong(length: length, limit: WireLimits.stringBytesMax)
        }
        return try self.checkedLength(length)
    }

    /// The length of bytes or records: -1 for null, otherwise no more than the bytes left.
    @inlinable
    internal mutating func readBytesLength(compact: Bool) throws(WireError) -> Int {
        let length = compact ? Int(try self.readUnsignedVarint()) - 1 : Int(try self.readInt32())
        return try self.checkedLength(length)
    }

    @inlinable
    internal func checkedLength(_ length: Int) throws(WireError) -> Int {
        guard length >= -1 else { throw WireError.negativeLength(length) }
        guard length <= self.remaining else {
            throw WireError.lengthBeyondFrame(length: length, available: self.remaining)
        }
        return length
    }

    /// The next `length` bytes, which are known to be there, as text.
    @usableFromInline
    internal mutating func readUTF8(length: Int) throws(WireError) -> String {
        let text = self.buffer.withUnsafeReadableBytes { bytes in
            String(validating: UnsafeRawBufferPointer(rebasing: bytes.prefix(length)), as: UTF8.self)
        }
        guard let text else { throw WireError.invalidUTF8 }
        self.buffer.moveReaderIndex(forwardBy: length)
        return text
    }

    /// The next `length` bytes, which are known to be there, as a slice.
    @inlinable
    internal mutating func readSlice(length: Int) throws(WireError) -> ByteBuffer {
        guard let slice = self.buffer.readSlice(length: length) else { throw self.truncated(length) }
        return slice
    }

    /// A string or null.
    @inlinable
    public mutating func readNullableString(compact: Bool) throws(WireError) -> String? {
        let length = try self.readStringLength(compact: compact)
        return length < 0 ? nil : try self.readUTF8(length: length)
    }

    /// A string; null throws `nonNullableIsNull` with the name given.
    @inlinable
    public mutating func readString(compact: Bool, field: String) throws(WireError) -> String {
        let length = try self.readStringLength(compact: compact)
        guard length >= 0 else { throw WireError.nonNullableIsNull(field: field) }
        return try self.readUTF8(length: length)
    }

    /// Bytes or null, as a slice that shares this reader's storage.
    @inlinable
    public mutating func readNullableBytes(compact: Bool) throws(WireError) -> ByteBuffer? {
        let length = try self.readBytesLength(compact: compact)
        return length < 0 ? nil : try self.readSlice(length: length)
    }

    /// Bytes, as a slice that shares this reader's storage; null throws `nonNullableIsNull`.
    @inlinable
    public mutating func readBytes(compact: Bool, field: String) throws(WireError) -> ByteBuffer {
        let length = try self.readBytesLength(compact: compact)
        guard length >= 0 else { throw WireError.nonNullableIsNull(field: field) }
        return try self.readSlice(length: length)
    }

    /// Record batches or null, as a slice that shares this reader's storage.
    @inlinable
    public mutating func readNullableRecords(compact: Bool) throws(WireError) -> RecordBytes? {
        let length = try self.readBytesLength(compact: compact)
        return length < 0 ? nil : .buffer(try self.readSlice(length: length))
    }

    /// Record batches, as a slice that shares this reader's storage; null throws `nonNullableIsNull`.
    @inlinable
    public mutating func readRecords(compact: Bool, field: String) throws(WireError) -> RecordBytes {
        .buffer(try self.readBytes(compact: compact, field: field))
    }

    /// The byte before a nullable struct: true if the struct follows, false for null.
    @inlinable
    public mutating func readPresence() throws(WireError) -> Bool {
        switch try self.readInt8() {
        case 1: return true
        case -1: return false
        case let marker: throw WireError.invalidPresence(marker)
        }
    }
}
