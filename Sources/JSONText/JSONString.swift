// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

extension ByteBuffer {
    /// Writes text in quotation marks, with what JSON does not let stand escaped: control characters, quotation marks,
    /// backslashes (RFC 8259, section 7). All other characters stand as they are, in UTF-8. Linear.
    public mutating func writeJSONString(_ text: String) {
        var text = text
        text.withUTF8 { self.writeJSONString(validUTF8: UnsafeRawBufferPointer($0)) }
    }

    /// Writes bytes that are meant to be text as ``writeJSONString(_:)`` does; what is no UTF-8 in them becomes U+FFFD.
    /// Linear.
    public mutating func writeJSONString(repairing bytes: UnsafeRawBufferPointer) {
        self.writeJSONString(String(decoding: bytes, as: UTF8.self))
    }

    /// Writes bytes that the caller knows to be UTF-8 as ``writeJSONString(_:)`` does, without a look at whether they
    /// are. Linear.
    public mutating func writeJSONString(validUTF8 bytes: UnsafeRawBufferPointer) {
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
