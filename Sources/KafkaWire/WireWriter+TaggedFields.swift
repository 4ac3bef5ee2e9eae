// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

extension WireWriter {
    /// The number of tagged fields that follow, in ascending order of their tags.
    @inlinable
    public mutating func writeTaggedFieldCount(_ count: Int) {
        self.writeUnsignedVarint(UInt32(truncatingIfNeeded: count))
    }

    /// Begins a tagged field, whose value is to be written next.
    ///
    /// - Returns: what `endTag` wants.
    @inlinable
    public mutating func beginTag(_ tag: Int) -> Int {
        self.writeUnsignedVarint(UInt32(truncatingIfNeeded: tag))
        // Most values are shorter than 128 bytes, so one byte is left for the size; `endTag` makes room otherwise.
        self.buffer.writeInteger(UInt8(0))
        return self.buffer.writerIndex
    }

    /// Ends the tagged field begun at `start` and writes its size before it.
    ///
    /// A value of 128 bytes or more is moved by up to four bytes. It must not contain records that are elsewhere.
    @inlinable
    public mutating func endTag(_ start: Int) throws(WireError) {
        let size = self.buffer.writerIndex &- start
        if size < 0x80 {
            self.buffer.setInteger(UInt8(truncatingIfNeeded: size), at: start &- 1)
        } else {
            try self.widenTagSize(start: start, size: size)
        }
    }

    @usableFromInline
    internal mutating func widenTagSize(start: Int, size: Int) throws(WireError) {
        guard size <= Int(Int32.max), let value = self.buffer.getSlice(at: start, length: size) else {
            throw WireError.valueTooLong(length: size, limit: Int(Int32.max))
        }
        self.buffer.moveWriterIndex(to: start &- 1)
        self.writeUnsignedVarint(UInt32(truncatingIfNeeded: size))
        // `value` shares the storage: the write below copies first, so it never reads what it has overwritten.
        self.buffer.writeImmutableBuffer(value)
    }
}
