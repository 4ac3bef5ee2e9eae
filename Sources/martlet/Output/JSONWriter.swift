// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Writes JSON into a buffer, commas included. Values are written in the order of the calls; nesting is the caller's.
struct JSONWriter {
    var buffer: ByteBuffer
    private var needsComma = false

    init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }

    /// All that was written.
    var text: String { String(buffer: self.buffer) }

    mutating func object(_ body: (inout JSONWriter) -> Void) {
        self.open(UInt8(ascii: "{"))
        body(&self)
        self.close(UInt8(ascii: "}"))
    }

    mutating func array(_ body: (inout JSONWriter) -> Void) {
        self.open(UInt8(ascii: "["))
        body(&self)
        self.close(UInt8(ascii: "]"))
    }

    mutating func open(_ bracket: UInt8) {
        self.beginValue()
        self.buffer.writeInteger(bracket)
        self.needsComma = false
    }

    mutating func close(_ bracket: UInt8) {
        self.buffer.writeInteger(bracket)
        self.needsComma = true
    }

    /// The name of the value that is written next.
    mutating func name(_ name: StaticString) {
        self.beginValue()
        self.buffer.writeInteger(UInt8(ascii: "\""))
        self.buffer.writeStaticString(name)
        self.buffer.writeStaticString("\":")
        self.needsComma = false
    }

    mutating func name(_ name: String) {
        self.string(name)
        self.buffer.writeInteger(UInt8(ascii: ":"))
        self.needsComma = false
    }

    mutating func null() {
        self.beginValue()
        self.buffer.writeStaticString("null")
    }

    mutating func bool(_ value: Bool) {
        self.beginValue()
        self.buffer.writeStaticString(value ? "true" : "false")
    }

    mutating func integer(_ value: some BinaryInteger) {
        self.beginValue()
        self.buffer.writeDecimal(Int64(clamping: value))
    }

    mutating func integer(_ value: (some BinaryInteger)?) {
        if let value { self.integer(value) } else { self.null() }
    }

    mutating func string(_ value: String) {
        self.beginValue()
        var value = value
        value.withUTF8 { self.buffer.writeJSONString(UnsafeRawBufferPointer($0)) }
    }

    mutating func string(_ value: String?) {
        if let value { self.string(value) } else { self.null() }
    }

    /// Bytes that are valid UTF-8; the caller has checked them.
    mutating func string(utf8 bytes: ByteBuffer) {
        self.beginValue()
        bytes.withUnsafeReadableBytes { self.buffer.writeJSONString($0) }
    }

    mutating func base64(_ bytes: ByteBuffer) {
        self.beginValue()
        self.buffer.writeInteger(UInt8(ascii: "\""))
        bytes.withUnsafeReadableBytes { Base64.encode($0, into: &self.buffer) }
        self.buffer.writeInteger(UInt8(ascii: "\""))
    }

    /// The next value begins a text of its own.
    mutating func endLine() {
        self.buffer.writeInteger(UInt8(ascii: "\n"))
        self.needsComma = false
    }

    @inline(__always)
    private mutating func beginValue() {
        if self.needsComma { self.buffer.writeInteger(UInt8(ascii: ",")) }
        self.needsComma = true
    }
}

extension ByteBuffer {
    /// An integer in decimal digits.
    mutating func writeDecimal(_ value: Int64) {
        // 19 digits and a sign.
        self.writeWithUnsafeMutableBytes(minimumWritableBytes: 20) { room in
            var digits = value.magnitude
            var count = 0
            repeat {
                count += 1
                digits /= 10
            } while digits > 0
            if value < 0 { room[0] = UInt8(ascii: "-") }
            let end = (value < 0 ? 1 : 0) + count
            digits = value.magnitude
            for index in 1...count {
                room[end - index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digits % 10)
                digits /= 10
            }
            return end
        }
    }

    /// Text in quotation marks, with what JSON does not let stand escaped.
    mutating func writeJSONString(_ bytes: UnsafeRawBufferPointer) {
        var end = bytes.indexOfJSONEscape(from: 0)
        guard end < bytes.count else {
            // Nothing to escape: the usual case, in one piece.
            self.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes.count + 2) { room in
                room[0] = UInt8(ascii: "\"")
                UnsafeMutableRawBufferPointer(rebasing: room[1...]).copyMemory(from: bytes)
                room[bytes.count + 1] = UInt8(ascii: "\"")
                return bytes.count + 2
            }
            return
        }
        self.writeInteger(UInt8(ascii: "\""))
        var start = 0
        while end < bytes.count {
            self.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            self.writeJSONEscape(bytes[end])
            start = end + 1
            end = bytes.indexOfJSONEscape(from: start)
        }
        self.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start...]))
        self.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func writeJSONEscape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): self.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): self.writeStaticString("\\\\")
        case UInt8(ascii: "\n"): self.writeStaticString("\\n")
        case UInt8(ascii: "\r"): self.writeStaticString("\\r")
        case UInt8(ascii: "\t"): self.writeStaticString("\\t")
        default:
            self.writeStaticString("\\u00")
            let digits: StaticString = "0123456789abcdef"
            digits.withUTF8Buffer { digits in
                self.writeInteger(digits[Int(byte >> 4)])
                self.writeInteger(digits[Int(byte & 0xf)])
            }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Where the next control character, quotation mark or backslash is; the number of bytes when there is none.
    fileprivate func indexOfJSONEscape(from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highBits: UInt64 = 0x8080_8080_8080_8080
        var index = start
        // Eight bytes at a time: a byte is looked for as one that becomes zero, and a zero byte borrows when one is
        // subtracted. What a borrow adds stands behind a true find, so a word with a find has one to return.
        while index + 8 <= self.count {
            let word = self.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let found =
                ((quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes
                    | (word &- (ones &* 0x20)) & ~word) & highBits
            if found != 0 { break }
            index += 8
        }
        while index < self.count {
            let byte = self[index]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return index }
            index += 1
        }
        return index
    }
}
