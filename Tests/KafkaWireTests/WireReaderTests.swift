// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import NIOCore
import Testing

@testable import KafkaWire

@Suite("WireReader")
struct WireReaderTests {
    private func reader(_ bytes: [UInt8]) -> WireReader { WireReader(ByteBuffer(bytes: bytes)) }

    @Test("fixed widths are big-endian")
    func fixedWidths() throws {
        var reader = self.reader([0xff, 0x80, 0x00, 0x00, 0x01, 0x00, 0x00, 0xff, 0xff, 0x02, 0x00])
        #expect(try reader.readInt8() == -1)
        #expect(try reader.readInt16() == .min)
        #expect(try reader.readInt32() == 0x0001_0000)
        #expect(try reader.readUInt16() == 0xffff)
        #expect(try reader.readBool() == true)
        #expect(try reader.readBool() == false)
        try reader.finish()
        #expect(throws: WireError.truncated(needed: 8, available: 0)) { try reader.readInt64() }
    }

    @Test("a UUID is sixteen bytes, and fifteen are too few")
    func uuid() throws {
        var whole = self.reader(Array(0..<16))
        #expect(try whole.readUUID() == UUID128(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f))
        var short = self.reader(Array(0..<15))
        #expect(throws: WireError.truncated(needed: 16, available: 15)) { try short.readUUID() }
    }

    @Test("a varint has at most five bytes, of which the last has four bits, and no form but the shortest is read")
    func varints() throws {
        let good: [([UInt8], UInt32)] = [
            ([0x00], 0), ([0x7f], 127), ([0x80, 0x01], 128), ([0xff, 0x7f], 16_383), ([0x80, 0x80, 0x01], 16_384),
            ([0xff, 0xff, 0xff, 0xff, 0x0f], .max),
        ]
        for (bytes, value) in good {
            var reader = self.reader(bytes)
            #expect(try reader.readUnsignedVarint() == value)
            try reader.finish()
        }
        let overlong: [[UInt8]] = [
            [0x80, 0x00], [0xff, 0x00], [0xff, 0xff, 0xff, 0xff, 0x10], [0xff, 0xff, 0xff, 0xff, 0x8f, 0x00],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0x80, 0x80, 0x80, 0x80, 0x00],
        ]
        for bytes in overlong {
            var reader = self.reader(bytes)
            #expect(throws: WireError.overlongVarint) { try reader.readUnsignedVarint() }
        }
        var open = self.reader([0x80])
        #expect(throws: WireError.truncated(needed: 1, available: 0)) { try open.readUnsignedVarint() }
    }

    @Test("signed varints come in zigzag order, to both ends of their types")
    func zigzag() throws {
        for (byte, value) in [(0, 0), (1, -1), (2, 1), (3, -2)] as [(UInt8, Int32)] {
            var reader = self.reader([byte])
            #expect(try reader.readVarint() == value)
        }
        for value in [.min, -129, -1, 0, 63, 64, 300, .max] as [Int32] {
            var writer = WireWriter()
            writer.writeVarint(value)
            var reader = WireReader(writer.buffer)
            #expect(try reader.readVarint() == value)
            try reader.finish()
        }
        for value in [.min, Int64(Int32.min) - 1, -1, 0, 64, .max] as [Int64] {
            var writer = WireWriter()
            writer.writeVarlong(value)
            var reader = WireReader(writer.buffer)
            #expect(try reader.readVarlong() == value)
            try reader.finish()
        }
        var tooLong = self.reader(Array(repeating: 0xff, count: 9) + [0x02])
        #expect(throws: WireError.overlongVarint) { try tooLong.readVarlong() }
    }

    @Test("a string has a classic and a compact form, each with its null")
    func strings() throws {
        var classic = self.reader([0, 2, 0xc3, 0xa9, 0xff, 0xff, 0, 0])
        #expect(try classic.readString(compact: false, field: "f") == "é")
        #expect(try classic.readNullableString(compact: false) == nil)
        #expect(try classic.readNullableString(compact: false) == "")
        var compact = self.reader([3, 0xc3, 0xa9, 0, 1])
        #expect(try compact.readNullableString(compact: true) == "é")
        #expect(try compact.readNullableString(compact: true) == nil)
        #expect(try compact.readString(compact: true, field: "f") == "")
        var null = self.reader([0])
        #expect(throws: WireError.nonNullableIsNull(field: "f")) { try null.readString(compact: true, field: "f") }
    }

    @Test("a string that is not UTF-8 is refused")
    func invalidUTF8() {
        // A lone continuation, an overlong slash, a surrogate, a sequence that the length cuts.
        for bytes in [[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe6, 0xbc]] as [[UInt8]] {
            var reader = self.reader([0, UInt8(bytes.count)] + bytes + [0xa2])
            #expect(throws: WireError.invalidUTF8) { try reader.readString(compact: false, field: "f") }
        }
    }

    @Test("lengths below -1 and beyond the bytes left are refused")
    func lengths() {
        var negative = self.reader([0xff, 0xfe, 1, 2])
        #expect(throws: WireError.negativeLength(-2)) { try negative.readNullableString(compact: false) }
        var beyond = self.reader([0, 3, 1, 2])
        #expect(throws: WireError.lengthBeyondFrame(length: 3, available: 2)) {
            try beyond.readNullableString(compact: false)
        }
        var bytes = self.reader([0x7f, 0xff, 0xff, 0xff])
        #expect(throws: WireError.lengthBeyondFrame(length: Int(Int32.max), available: 0)) {
            try bytes.readBytes(compact: false, field: "f")
        }
        var string = self.reader([0x81, 0x80, 0x02] + Array(repeating: 0x61, count: 32_768))
        #expect(throws: WireError.valueTooLong(length: 32_768, limit: 32_767)) {
            try string.readNullableString(compact: true)
        }
        var compact = self.reader([0xff, 0xff, 0xff, 0xff, 0x0f])
        #expect(throws: WireError.lengthBeyondFrame(length: Int(UInt32.max) - 1, available: 0)) {
            try compact.readNullableRecords(compact: true)
        }
    }

    @Test("bytes are slices of the buffer that was read")
    func slices() throws {
        let buffer = ByteBuffer(bytes: [0, 0, 0, 3, 1, 2, 3, 9])
        var reader = WireReader(buffer)
        let slice = try reader.readBytes(compact: false, field: "f")
        #expect(slice == ByteBuffer(bytes: [1, 2, 3]))
        let base = buffer.withUnsafeReadableBytes { $0.baseAddress }
        #expect(slice.withUnsafeReadableBytes { $0.baseAddress } == base.map { $0 + 4 })
        #expect(throws: WireError.trailingBytes(1)) { try reader.finish() }
    }

    @Test("the presence of a struct is 1 or -1")
    func presence() throws {
        var reader = self.reader([1, 0xff, 0])
        #expect(try reader.readPresence())
        #expect(try !reader.readPresence())
        #expect(throws: WireError.invalidPresence(0)) { try reader.readPresence() }
    }
}

@Suite("Arrays of WireReader")
struct WireReaderArrayTests {
    private func reader(_ bytes: [UInt8]) -> WireReader { WireReader(ByteBuffer(bytes: bytes)) }

    @Test("a count is checked against the bytes left before anything is reserved")
    func counts() {
        var short = self.reader([0, 0, 0, 3] + Array(repeating: 0, count: 11))
        #expect(throws: WireError.lengthBeyondFrame(length: 12, available: 11)) {
            try short.readIntegers(of: Int32.self, compact: false, field: "f")
        }
        var strings = self.reader([4, 1, 1])
        #expect(throws: WireError.lengthBeyondFrame(length: 3, available: 2)) {
            try strings.readStrings(compact: true, field: "f")
        }
        var negative = self.reader([0xff, 0xff, 0xff, 0xfe])
        #expect(throws: WireError.negativeLength(-2)) { try negative.readNullableUUIDs(compact: false) }
    }

    @Test("a million elements are read, one more is refused")
    func elementLimit() throws {
        let limit = WireLimits.arrayElementsMax
        for (count, isAllowed) in [(limit, true), (limit + 1, false)] {
            var buffer = ByteBuffer()
            buffer.writeInteger(Int32(count))
            buffer.writeRepeatingByte(7, count: count)
            var reader = WireReader(buffer)
            if isAllowed {
                #expect(try reader.readIntegers(of: Int8.self, compact: false, field: "f").count == limit)
            } else {
                #expect(throws: WireError.tooManyElements(count)) {
                    try reader.readIntegers(of: Int8.self, compact: false, field: "f")
                }
            }
        }
    }

    @Test("integers of every width are read in one block and written back", arguments: [false, true])
    func integers(compact: Bool) throws {
        var writer = WireWriter()
        try writer.writeIntegers([-1, 0, .max] as [Int16], compact: compact)
        try writer.writeNullableIntegers([.min, 5] as [Int64], compact: compact)
        try writer.writeNullableIntegers(nil as [Int32]?, compact: compact)
        try writer.writeNullableUUIDs([UUID128(high: 1, low: 2)], compact: compact)
        try writer.writeNullableStrings(["a", ""], compact: compact)
        var reader = WireReader(writer.buffer)
        #expect(try reader.readIntegers(of: Int16.self, compact: compact, field: "f") == [-1, 0, .max])
        #expect(try reader.readNullableIntegers(of: Int64.self, compact: compact) == [.min, 5])
        #expect(try reader.readNullableIntegers(of: Int32.self, compact: compact) == nil)
        #expect(try reader.readUUIDs(compact: compact, field: "f") == [UUID128(high: 1, low: 2)])
        #expect(try reader.readStrings(compact: compact, field: "f") == ["a", ""])
        try reader.finish()
    }

    @Test("a null array is an error where null has no place")
    func nulls() {
        var reader = self.reader([0, 0, 0])
        #expect(throws: WireError.nonNullableIsNull(field: "f")) {
            try reader.readIntegers(of: Int8.self, compact: true, field: "f")
        }
        #expect(throws: WireError.nonNullableIsNull(field: "g")) { try reader.readStrings(compact: true, field: "g") }
        #expect(throws: WireError.nonNullableIsNull(field: "h")) { try reader.readUUIDs(compact: true, field: "h") }
    }
}

@Suite("Tagged fields")
struct TaggedFieldTests {
    /// Reads one known field, tag 1 with an int16; everything else is skipped.
    private func read(_ bytes: [UInt8]) throws -> Int16? {
        var reader = WireReader(ByteBuffer(bytes: bytes))
        var value: Int16?
        var tags = try reader.readTaggedFields()
        while let tag = try reader.nextTag(&tags) {
            if tag == 1 {
                value = try reader.readInt16()
                try reader.finishTag(tags)
            } else {
                try reader.skipTag(tags)
            }
        }
        try reader.finish()
        return value
    }

    @Test("known fields are read and unknown ones skipped")
    func skip() throws {
        #expect(try self.read([0]) == nil)
        #expect(try self.read([1, 1, 2, 0, 7]) == 7)
        #expect(try self.read([3, 0, 1, 9, 1, 2, 0, 7, 200, 1, 3, 1, 2, 3]) == 7)
    }

    @Test("tags ascend strictly")
    func order() {
        #expect(throws: WireError.invalidTag(1, previous: 1)) { try self.read([2, 1, 2, 0, 7, 1, 2, 0, 7]) }
        #expect(throws: WireError.invalidTag(0, previous: 5)) { try self.read([2, 5, 0, 0, 0]) }
    }

    @Test("a field is as long as it says")
    func sizes() {
        #expect(throws: WireError.invalidTaggedFieldSize(tag: 1, declared: 3, used: 2)) {
            try self.read([1, 1, 3, 0, 7, 0])
        }
        #expect(throws: WireError.invalidTaggedFieldSize(tag: 1, declared: 1, used: 2)) {
            try self.read([1, 1, 1, 0, 7])
        }
        #expect(throws: WireError.lengthBeyondFrame(length: 3, available: 2)) { try self.read([1, 9, 3, 0, 7]) }
        // The bytes of the size itself do not count.
        #expect(throws: WireError.lengthBeyondFrame(length: 129, available: 128)) {
            try self.read([1, 9, 0x81, 0x01] + Array(repeating: 0, count: 128))
        }
    }

    @Test("ten thousand fields are read, one more is refused, and so are more than the bytes can hold")
    func limits() throws {
        let limit = WireLimits.taggedFieldsMax
        for count in [limit, limit + 1] {
            var writer = WireWriter()
            writer.writeTaggedFieldCount(count)
            for tag in 0..<count {
                let start = writer.beginTag(tag + 10)
                try writer.endTag(start)
            }
            var reader = WireReader(writer.buffer)
            if count == limit {
                try reader.skipTaggedFields()
                try reader.finish()
            } else {
                #expect(throws: WireError.tooManyTags(count)) { try reader.skipTaggedFields() }
            }
        }
        #expect(throws: WireError.lengthBeyondFrame(length: 20, available: 2)) { try self.read([10, 0, 0]) }
    }

    @Test("a field of any size gets a size before it", arguments: [0, 1, 127, 128, 129, 16_383, 16_384, 3_000_000])
    func widths(size: Int) throws {
        var writer = WireWriter()
        writer.writeInt8(42)
        writer.writeTaggedFieldCount(1)
        let start = writer.beginTag(300)
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        writer.buffer.writeBytes(content)
        try writer.endTag(start)
        writer.writeInt8(43)

        var reader = WireReader(writer.buffer)
        #expect(try reader.readInt8() == 42)
        var tags = try reader.readTaggedFields()
        #expect(try reader.nextTag(&tags) == 300)
        #expect(reader.rest.getBytes(at: reader.rest.readerIndex, length: size) == content)
        try reader.skipTag(tags)
        #expect(try reader.nextTag(&tags) == nil)
        #expect(try reader.readInt8() == 43)
        try reader.finish()
    }
}
