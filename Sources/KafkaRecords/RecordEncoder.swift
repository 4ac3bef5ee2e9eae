// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// A record before it is encoded.
struct RecordDraft {
    var timestampDelta: Int64
    var offsetDelta: Int32
    var key: ByteBuffer?
    var value: ByteBuffer?
    var headers: [RecordHeader]

    /// The bytes of the record after its length.
    var bodySize: Int {
        var size = 1 + varintSize(self.timestampDelta) + varintSize(Int64(self.offsetDelta))
        size += sizeWithLength(self.key) + sizeWithLength(self.value) + varintSize(Int64(self.headers.count))
        for header in self.headers {
            let nameLength = header.name.utf8.count
            size += varintSize(Int64(nameLength)) + nameLength + sizeWithLength(header.value)
        }
        return size
    }
}

/// The bytes that an integer takes in zigzag code: one for -64...63, ten at most.
func varintSize(_ value: Int64) -> Int {
    let coded = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
    return (64 - (coded | 1).leadingZeroBitCount + 6) / 7
}

private func sizeWithLength(_ bytes: ByteBuffer?) -> Int {
    guard let bytes else { return 1 }
    return varintSize(Int64(bytes.readableBytes)) + bytes.readableBytes
}

/// Writes records into room that is large enough for them.
struct RecordEncoder {
    private let room: UnsafeMutableRawBufferPointer
    /// The bytes written.
    private(set) var position = 0

    init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    mutating func write(_ record: RecordDraft, bodySize: Int) {
        self.varint(Int64(bodySize))
        // Record attributes: no bit has a meaning.
        self.byte(0)
        self.varint(record.timestampDelta)
        self.varint(Int64(record.offsetDelta))
        self.bytes(record.key)
        self.bytes(record.value)
        self.varint(Int64(record.headers.count))
        for header in record.headers {
            var name = header.name
            name.withUTF8 { utf8 in
                self.varint(Int64(utf8.count))
                self.copy(UnsafeRawBufferPointer(utf8))
            }
            self.bytes(header.value)
        }
    }

    private mutating func byte(_ value: UInt8) {
        self.room[self.position] = value
        self.position += 1
    }

    private mutating func varint(_ value: Int64) {
        var coded = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        while coded >= 0x80 {
            self.byte(UInt8(truncatingIfNeeded: coded) | 0x80)
            coded >>= 7
        }
        self.byte(UInt8(coded))
    }

    private mutating func bytes(_ value: ByteBuffer?) {
        guard let value else { return self.varint(-1) }
        self.varint(Int64(value.readableBytes))
        value.withUnsafeReadableBytes { self.copy($0) }
    }

    private mutating func copy(_ source: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: self.room[self.position...]).copyMemory(from: source)
        self.position += source.count
    }
}
