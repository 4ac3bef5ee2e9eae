// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

// The classic and compact forms are explained in WireReader+Bytes.swift. All of these throw `valueTooLong` for a value
// that is longer than its length field can say.
extension WireWriter {
    @inlinable
    internal mutating func writeStringLength(_ length: Int, compact: Bool) throws(WireError) {
        guard let classic = Int16(exactly: length) else {
            throw WireError.valueTooLong(length: length, limit: WireLimits.stringBytesMax)
        }
        if compact {
            self.writeUnsignedVarint(UInt32(truncatingIfNeeded: length &+ 1))
        } else {
            self.writeInt16(classic)
        }
    }

    /// The length of bytes or records, or the count of an array; -1 for null.
    @inlinable
    internal mutating func writeLength(_ length: Int, compact: Bool) throws(WireError) {
        guard let classic = Int32(exactly: length) else {
            throw WireError.valueTooLong(length: length, limit: Int(Int32.max))
        }
        if compact {
            self.writeUnsignedVarint(UInt32(truncatingIfNeeded: length &+ 1))
        } else {
            self.writeInt32(classic)
        }
    }

    /// A string, at most 32,767 bytes of UTF-8.
    @inlinable
    public mutating func writeString(_ value: String, compact: Bool) throws(WireError) {
        try self.writeStringLength(value.utf8.count, compact: compact)
        self.buffer.writeString(value)
    }

    /// A string or null.
    @inlinable
    public mutating func writeNullableString(_ value: String?, compact: Bool) throws(WireError) {
        guard let value else { return try self.writeStringLength(-1, compact: compact) }
        try self.writeString(value, compact: compact)
    }

    /// Bytes, copied into the buffer.
    @inlinable
    public mutating func writeBytes(_ value: ByteBuffer, compact: Bool) throws(WireError) {
        try self.writeLength(value.readableBytes, compact: compact)
        self.buffer.writeImmutableBuffer(value)
    }

    /// Bytes, copied into the buffer, or null.
    @inlinable
    public mutating func writeNullableBytes(_ value: ByteBuffer?, compact: Bool) throws(WireError) {
        guard let value else { return try self.writeLength(-1, compact: compact) }
        try self.writeBytes(value, compact: compact)
    }

    /// Record batches: copied when they are at hand, a splice when they are elsewhere.
    @inlinable
    public mutating func writeRecords(_ value: RecordBytes, compact: Bool) throws(WireError) {
        switch value {
        case .buffer(let bytes):
            try self.writeBytes(bytes, compact: compact)
        case .external(let token, let byteCount):
            try self.writeLength(byteCount, compact: compact)
            self.splices.append(Splice(position: self.buffer.writerIndex, token: token, byteCount: byteCount))
            self.externalByteCount &+= byteCount
        }
    }

    /// Record batches or null.
    @inlinable
    public mutating func writeNullableRecords(_ value: RecordBytes?, compact: Bool) throws(WireError) {
        guard let value else { return try self.writeLength(-1, compact: compact) }
        try self.writeRecords(value, compact: compact)
    }

    /// The byte before a nullable struct.
    @inlinable
    public mutating func writePresence(_ isPresent: Bool) {
        self.writeInt8(isPresent ? 1 : -1)
    }
}
