// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

/// Writes the protocol's types, big-endian, at the end of a byte buffer: the mirror image of `WireReader`.
///
/// Records that are elsewhere (`RecordBytes.external`) leave only their length in the buffer and a `Splice` that says
/// where they belong, so that a transport can send file regions between the bytes.
public struct WireWriter: Sendable {
    /// What was written. The owner may read it, not write to it.
    public var buffer: ByteBuffer

    /// The places where bytes from elsewhere belong, in ascending order of position.
    public var splices: [Splice] = []

    /// The sum of the splices' byte counts.
    @usableFromInline
    internal var externalByteCount = 0

    /// The capacity of a new buffer, in bytes: enough for most responses without growing, which copies.
    public static let initialCapacity = 512

    /// Writes into a new buffer with room for `capacity` bytes; it grows as needed.
    @inlinable
    public init(capacity: Int = WireWriter.initialCapacity) {
        self.buffer = ByteBufferAllocator().buffer(capacity: capacity)
    }

    /// Writes at the end of `buffer`, whose readable bytes stay in front.
    @inlinable
    public init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    /// The number of bytes that the transport will send: those in the buffer and those of the splices.
    @inlinable
    public var byteCount: Int { self.buffer.readableBytes &+ self.externalByteCount }

    // MARK: Frames

    /// Begins a frame with four bytes that `endFrame` fills with its size.
    ///
    /// - Returns: what `endFrame` wants.
    @inlinable
    public mutating func beginFrame() -> FrameStart {
        let start = FrameStart(position: self.buffer.writerIndex, externalByteCount: self.externalByteCount)
        self.buffer.writeInteger(Int32(0))
        return start
    }

    /// Writes the size of a frame, splices included, before it. Throws `valueTooLong` over `Int32.max` bytes.
    @inlinable
    public mutating func endFrame(_ start: FrameStart) throws(WireError) {
        let external = self.externalByteCount &- start.externalByteCount
        let size = self.buffer.writerIndex &- start.position &- 4 &+ external
        guard let size = Int32(exactly: size) else {
            throw WireError.valueTooLong(length: size, limit: Int(Int32.max))
        }
        self.buffer.setInteger(size, at: start.position)
    }

    /// Where a frame began.
    public struct FrameStart: Sendable {
        @usableFromInline
        internal let position: Int
        @usableFromInline
        internal let externalByteCount: Int

        @usableFromInline
        internal init(position: Int, externalByteCount: Int) {
            self.position = position
            self.externalByteCount = externalByteCount
        }
    }

    // MARK: Fixed widths

    /// One signed byte.
    @inlinable
    public mutating func writeInt8(_ value: Int8) { self.buffer.writeInteger(value) }

    /// Two bytes, signed.
    @inlinable
    public mutating func writeInt16(_ value: Int16) { self.buffer.writeInteger(value) }

    /// Four bytes, signed.
    @inlinable
    public mutating func writeInt32(_ value: Int32) { self.buffer.writeInteger(value) }

    /// Eight bytes, signed.
    @inlinable
    public mutating func writeInt64(_ value: Int64) { self.buffer.writeInteger(value) }

    /// Two bytes, unsigned.
    @inlinable
    public mutating func writeUInt16(_ value: UInt16) { self.buffer.writeInteger(value) }

    /// Four bytes, unsigned.
    @inlinable
    public mutating func writeUInt32(_ value: UInt32) { self.buffer.writeInteger(value) }

    /// One byte, 1 for true.
    @inlinable
    public mutating func writeBool(_ value: Bool) { self.buffer.writeInteger(value ? 1 as UInt8 : 0) }

    /// Eight bytes of IEEE 754.
    @inlinable
    public mutating func writeFloat64(_ value: Double) { self.buffer.writeInteger(value.bitPattern) }

    /// Sixteen bytes, the most significant first.
    @inlinable
    public mutating func writeUUID(_ value: UUID128) {
        self.buffer.writeInteger(value.high)
        self.buffer.writeInteger(value.low)
    }

    // MARK: Variable widths

    /// One to five bytes of seven bits each, the lowest first.
    @inlinable
    public mutating func writeUnsignedVarint(_ value: UInt32) {
        if value < 0x80 {
            self.buffer.writeInteger(UInt8(truncatingIfNeeded: value))
        } else {
            self.writeLongVarint(UInt64(value))
        }
    }

    /// A signed 32-bit number in zigzag form.
    @inlinable
    public mutating func writeVarint(_ value: Int32) {
        self.writeUnsignedVarint(UInt32(bitPattern: (value << 1) ^ (value >> 31)))
    }

    /// A signed 64-bit number in zigzag form, of one to ten bytes.
    @inlinable
    public mutating func writeVarlong(_ value: Int64) {
        self.writeLongVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    @usableFromInline
    internal mutating func writeLongVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            self.buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.buffer.writeInteger(UInt8(truncatingIfNeeded: rest))
    }
}
