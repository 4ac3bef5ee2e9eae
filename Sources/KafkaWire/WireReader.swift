// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

/// Reads the protocol's types, big-endian, from the front of a byte buffer.
///
/// Every length and count is checked against the bytes that are left before anything is reserved, so hostile bytes
/// cost an error, never a trap or memory out of proportion to them. Byte fields and records are slices that share the
/// buffer's storage. After an error the position is undefined.
public struct WireReader: Sendable {
    @usableFromInline
    internal var buffer: ByteBuffer

    /// Reads the readable bytes of `buffer`.
    @inlinable
    public init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    /// The number of bytes not read yet.
    @inlinable
    public var remaining: Int { self.buffer.readableBytes }

    /// The bytes not read yet, without a copy.
    @inlinable
    public var rest: ByteBuffer { self.buffer.slice() }

    /// Checks that everything was read; throws `trailingBytes` otherwise.
    @inlinable
    public func finish() throws(WireError) {
        guard self.remaining == 0 else { throw WireError.trailingBytes(self.remaining) }
    }

    @usableFromInline
    @inline(never)
    internal func truncated(_ needed: Int) -> WireError {
        .truncated(needed: needed, available: self.remaining)
    }

    // MARK: Fixed widths

    @inlinable
    internal mutating func readInteger<Value: FixedWidthInteger>(as: Value.Type) throws(WireError) -> Value {
        guard let value = self.buffer.readInteger(as: Value.self) else {
            throw self.truncated(MemoryLayout<Value>.size)
        }
        return value
    }

    /// One signed byte.
    @inlinable
    public mutating func readInt8() throws(WireError) -> Int8 { try self.readInteger(as: Int8.self) }

    /// Two bytes, signed.
    @inlinable
    public mutating func readInt16() throws(WireError) -> Int16 { try self.readInteger(as: Int16.self) }

    /// Four bytes, signed.
    @inlinable
    public mutating func readInt32() throws(WireError) -> Int32 { try self.readInteger(as: Int32.self) }

    /// Eight bytes, signed.
    @inlinable
    public mutating func readInt64() throws(WireError) -> Int64 { try self.readInteger(as: Int64.self) }

    /// Two bytes, unsigned.
    @inlinable
    public mutating func readUInt16() throws(WireError) -> UInt16 { try self.readInteger(as: UInt16.self) }

    /// Four bytes, unsigned.
    @inlinable
    public mutating func readUInt32() throws(WireError) -> UInt32 { try self.readInteger(as: UInt32.self) }

    /// One byte: zero is false, anything else true, as Kafka reads it.
    @inlinable
    public mutating func readBool() throws(WireError) -> Bool { try self.readInteger(as: UInt8.self) != 0 }

    /// Eight bytes of IEEE 754.
    @inlinable
    public mutating func readFloat64() throws(WireError) -> Double {
        Double(bitPattern: try self.readInteger(as: UInt64.self))
    }

    /// Sixteen bytes, the most significant first.
    @inlinable
    public mutating func readUUID() throws(WireError) -> UUID128 {
        guard self.remaining >= 16 else { throw self.truncated(16) }
        let high = try self.readInteger(as: UInt64.self)
        return UUID128(high: high, low: try self.readInteger(as: UInt64.self))
    }

    // MARK: Variable widths

    /// One to five bytes of seven bits each, the lowest first. Forms longer than needed are refused.
    @inlinable
    public mutating func readUnsignedVarint() throws(WireError) -> UInt32 {
        let first = try self.readInteger(as: UInt8.self)
        if first < 0x80 { return UInt32(first) }
        let value = try self.readVarint(after: first, bits: 32)
        return UInt32(truncatingIfNeeded: value)
    }

    /// A signed 32-bit number in zigzag form: 0, -1, 1, -2 are 0, 1, 2, 3.
    @inlinable
    public mutating func readVarint() throws(WireError) -> Int32 {
        let raw = try self.readUnsignedVarint()
        return Int32(bitPattern: raw >> 1) ^ -Int32(bitPattern: raw & 1)
    }

    /// A signed 64-bit number in zigzag form, of one to ten bytes.
    @inlinable
    public mutating func readVarlong() throws(WireError) -> Int64 {
        let first = try self.readInteger(as: UInt8.self)
        let raw = first < 0x80 ? UInt64(first) : try self.readVarint(after: first, bits: 64)
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    /// The bytes of a varint after `first`, whose continuation bit is set.
    @usableFromInline
    internal mutating func readVarint(after first: UInt8, bits: Int) throws(WireError) -> UInt64 {
        var value = UInt64(first & 0x7f)
        var shift = 7
        while true {
            let byte = try self.readInteger(as: UInt8.self)
            let group = UInt64(byte & 0x7f)
            // The last group has only the bits that are left of the type.
            guard shift < bits, shift + 7 <= bits || group >> UInt64(bits - shift) == 0 else {
                throw WireError.overlongVarint
            }
            value |= group << UInt64(shift)
            if byte < 0x80 {
                guard byte != 0 else { throw WireError.overlongVarint }
                return value
            }
            shift += 7
        }
    }
}
