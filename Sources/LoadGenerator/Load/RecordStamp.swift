// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// The first bytes of a record's value where latency is measured end to end: whose record it is, and when it was due.
struct RecordStamp: Equatable {
    /// Of the stamp in a value.
    static let byteCount = 16
    /// `MBCH`: no text that somebody else writes begins with it by accident.
    static let magic: UInt32 = 0x4d42_4348

    /// A number that runs have by chance, so that one does not take the records of another for its own.
    var run: UInt32
    /// Nanoseconds of the clock of this machine.
    var due: Int64

    func write(to buffer: inout ByteBuffer) {
        buffer.setInteger(Self.magic, at: buffer.readerIndex)
        buffer.setInteger(self.run, at: buffer.readerIndex + 4)
        buffer.setInteger(self.due, at: buffer.readerIndex + 8)
    }

    /// Nil for a value that has none.
    static func read(_ value: UnsafeRawBufferPointer) -> RecordStamp? {
        guard value.count >= Self.byteCount,
            UInt32(bigEndian: value.loadUnaligned(fromByteOffset: 0, as: UInt32.self)) == Self.magic
        else { return nil }
        return RecordStamp(
            run: UInt32(bigEndian: value.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
            due: Int64(bigEndian: value.loadUnaligned(fromByteOffset: 8, as: Int64.self)))
    }
}
