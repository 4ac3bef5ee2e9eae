// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import JSONText
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
        self.buffer.writeJSONString(value)
    }

    mutating func string(_ value: String?) {
        if let value { self.string(value) } else { self.null() }
    }

    /// Bytes that are valid UTF-8; the caller has checked them.
    mutating func string(utf8 bytes: ByteBuffer) {
        self.beginValue()
        bytes.withUnsafeReadableBytes { self.buffer.writeJSONString(validUTF8: $0) }
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
}
