// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Reads one JSON text from left to right (RFC 8259), strictly, without building a tree of it.
///
/// The bytes are valid only while the caller's closure runs. Every error names the byte at which the text went wrong.
struct JSONReader {
    struct Malformed: Error, CustomStringConvertible {
        var position: Int
        var reason: String
        var description: String { "\(self.reason) at byte \(self.position + 1)" }
    }

    /// Arrays and objects inside each other, at most: reading them takes stack.
    static let depthMax = 200

    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The byte at which the next value or punctuation begins; nil at the end.
    mutating func peek() -> UInt8? {
        while self.position < self.bytes.count {
            switch self.bytes[self.position] {
            case 0x20, 0x09, 0x0a, 0x0d: self.position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    func malformed(_ reason: String) -> Malformed { Malformed(position: self.position, reason: reason) }

    /// Nothing but white space may follow.
    mutating func end() throws(Malformed) {
        guard self.peek() == nil else { throw self.malformed("something follows the JSON value") }
    }

    /// Calls `body` for every member of the object that begins here; it reads the value.
    mutating func object(
        _ body: (inout JSONReader, String) throws(Malformed) -> Void
    ) throws(Malformed) {
        try self.expect(UInt8(ascii: "{"), "an object")
        if self.skip(UInt8(ascii: "}")) { return }
        repeat {
            let name = try self.string()
            try self.expect(UInt8(ascii: ":"), "':'")
            try body(&self, name)
        } while self.skip(UInt8(ascii: ","))
        try self.expect(UInt8(ascii: "}"), "',' or '}'")
    }

    /// Calls `body` for every element of the array that begins here; it reads the element.
    mutating func array(_ body: (inout JSONReader) throws(Malformed) -> Void) throws(Malformed) {
        try self.expect(UInt8(ascii: "["), "an array")
        if self.skip(UInt8(ascii: "]")) { return }
        repeat { try body(&self) } while self.skip(UInt8(ascii: ","))
        try self.expect(UInt8(ascii: "]"), "',' or ']'")
    }

    /// Reads `null` if that is what comes.
    mutating func null() throws(Malformed) -> Bool {
        guard self.peek() == UInt8(ascii: "n") else { return false }
        try self.literal("null")
        return true
    }

    mutating func integer() throws(Malformed) -> Int64 {
        let text = try self.number()
        guard let value = Int64(text) else { throw self.malformed("\(text) is no 64-bit integer") }
        return value
    }

    /// Reads any value and returns its text as it stands.
    mutating func value(depth: Int = 0) throws(Malformed) -> ByteBuffer {
        let first = self.peek()
        let start = self.position
        guard depth < Self.depthMax else { throw self.malformed("more than \(Self.depthMax) levels") }
        switch first {
        case UInt8(ascii: "{"):
            try self.object { (reader, _) throws(Malformed) in _ = try reader.value(depth: depth + 1) }
        case UInt8(ascii: "["):
            try self.array { (reader) throws(Malformed) in _ = try reader.value(depth: depth + 1) }
        case UInt8(ascii: "\""): _ = try self.string()
        case UInt8(ascii: "t"): try self.literal("true")
        case UInt8(ascii: "f"): try self.literal("false")
        case UInt8(ascii: "n"): try self.literal("null")
        default: _ = try self.number()
        }
        return ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: self.bytes[start..<self.position]))
    }

    mutating func string() throws(Malformed) -> String {
        try self.expect(UInt8(ascii: "\""), "a string")
        var text: [UInt8] = []
        while self.position < self.bytes.count {
            let byte = self.bytes[self.position]
            switch byte {
            case UInt8(ascii: "\""):
                self.position += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw self.malformed("a string that is not UTF-8 ends")
                }
                return string
            case UInt8(ascii: "\\"):
                self.position += 1
                try self.escape(into: &text)
            case 0..<0x20:
                throw self.malformed("a control character in a string, which must be escaped,")
            default:
                text.append(byte)
                self.position += 1
            }
        }
        throw self.malformed("the text ends inside a string")
    }

    // MARK: Parts

    private mutating func escape(into text: inout [UInt8]) throws(Malformed) {
        guard self.position < self.bytes.count else { throw self.malformed("the text ends inside a string") }
        let byte = self.bytes[self.position]
        self.position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: String(try self.unicodeEscape()).utf8)
        default: throw self.malformed("an unknown escape")
        }
    }

    /// Four hexadecimal digits, or two times four that are one character beyond the first 65,536.
    private mutating func unicodeEscape() throws(Malformed) -> Character {
        var code = try self.hexadecimal()
        if (0xd800..<0xdc00).contains(code) {
            guard self.take(UInt8(ascii: "\\")), self.take(UInt8(ascii: "u")) else {
                throw self.malformed("half of a surrogate pair")
            }
            let low = try self.hexadecimal()
            guard (0xdc00..<0xe000).contains(low) else { throw self.malformed("half of a surrogate pair") }
            code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw self.malformed("half of a surrogate pair") }
        return Character(scalar)
    }

    private mutating func hexadecimal() throws(Malformed) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard self.position < self.bytes.count,
                let digit = Character(Unicode.Scalar(self.bytes[self.position])).hexDigitValue
            else { throw self.malformed("four hexadecimal digits are missing") }
            code = code << 4 | UInt32(digit)
            self.position += 1
        }
        return code
    }

    private mutating func number() throws(Malformed) -> String {
        _ = self.peek()
        let start = self.position
        _ = self.take(UInt8(ascii: "-"))
        if !self.take(UInt8(ascii: "0")) { try self.digits() }
        if self.take(UInt8(ascii: ".")) { try self.digits() }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            try self.digits()
        }
        return String(decoding: self.bytes[start..<self.position], as: UTF8.self)
    }

    private mutating func digits() throws(Malformed) {
        let start = self.position
        while self.position < self.bytes.count, (0x30...0x39).contains(self.bytes[self.position]) { self.position += 1 }
        guard self.position > start else { throw self.malformed("a value is missing") }
    }

    private mutating func literal(_ literal: StaticString) throws(Malformed) {
        let matches = literal.withUTF8Buffer { expected in
            self.bytes.count - self.position >= expected.count
                && self.bytes[self.position..<self.position + expected.count].elementsEqual(expected)
        }
        guard matches else { throw self.malformed("a value is missing") }
        self.position += literal.utf8CodeUnitCount
    }

    private mutating func expect(_ byte: UInt8, _ what: String) throws(Malformed) {
        guard self.skip(byte) else { throw self.malformed("\(what) is missing") }
    }

    /// Takes this byte if it is the next after white space.
    mutating func skip(_ byte: UInt8) -> Bool {
        guard self.peek() == byte else { return false }
        self.position += 1
        return true
    }

    /// Takes this byte if it is the very next.
    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.position < self.bytes.count, self.bytes[self.position] == byte else { return false }
        self.position += 1
        return true
    }
}
