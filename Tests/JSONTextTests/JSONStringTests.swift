// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import JSONText
import NIOCore
import Testing

@Suite struct JSONStringTests {
    /// What Foundation reads in what was written.
    private func read(_ buffer: ByteBuffer) throws -> String {
        let data = Data(buffer.readableBytesView)
        let value = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
        return try #require(value as? String)
    }

    private func written(_ text: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeJSONString(text)
        return buffer
    }

    @Test("every control character, and every other byte of ASCII, is read back by Foundation")
    func everyASCIICharacter() throws {
        for value in UInt8.min...0x7f {
            let character = String(UnicodeScalar(value))
            // In the first eight bytes, which are looked at together, and in the rest.
            for text in [character, "1234567" + character + "9", "12345678" + character, character + "234567890"] {
                // Compared by their bytes: characters may be equal and differ.
                #expect(Array(try self.read(self.written(text)).utf8) == Array(text.utf8), "\(value)")
            }
        }
    }

    @Test(
        "text of all kinds is read back by Foundation",
        arguments: [
            "", "plain", "\"quoted\"", "back\\slash", "\\\"\\", "a\u{2028}b\u{2029}c", "größe", "😀", "👩‍👩‍👧‍👦 family",
            "e\u{301}", "a\u{feff}b", "\u{fffd}", "\u{10ffff}", "</script>", "a/b", "\r\n", "\u{7f}\u{80}\u{9f}",
        ])
    func texts(text: String) throws {
        #expect(Array(try self.read(self.written(text)).utf8) == Array(text.utf8))
    }

    @Test("what has to be escaped is found at every place of a text", arguments: ["\"", "\\", "\n", "\0", "\u{1f}"])
    func everyPlace(special: String) throws {
        for length in 0..<24 {
            for place in 0...length {
                let text =
                    String(repeating: "é", count: place) + special + String(repeating: "x", count: length - place)
                #expect(try self.read(self.written(text + special)) == text + special)
            }
        }
    }

    @Test("nothing but control characters, quotation marks and backslashes is escaped")
    func escapes() {
        #expect(String(buffer: self.written("a\u{1}\"\\\n\r\t/\u{2028}😀")) == #""a\u0001\"\\\n\r\t/"# + "\u{2028}😀\"")
    }

    @Test(
        "what is no UTF-8 becomes U+FFFD, and the rest stays",
        arguments: [
            [0xff], [0x61, 0xc3], [0xc3, 0x22, 0x62], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98], [0xc0, 0x80],
            [0x80, 0x0a, 0x5c], [0xf5, 0x80, 0x80, 0x80],
        ] as [[UInt8]])
    func invalid(bytes: [UInt8]) throws {
        var buffer = ByteBuffer()
        bytes.withUnsafeBytes { buffer.writeJSONString(repairing: $0) }
        let text = try self.read(buffer)
        #expect(text == String(decoding: bytes, as: UTF8.self))
        #expect(text.unicodeScalars.contains("\u{fffd}"))
        #expect(text.unicodeScalars.filter(\.isASCII).map(\.value) == bytes.filter { $0 < 0x80 }.map(UInt32.init))
    }

    @Test("bytes that are UTF-8 are written alike, known to be so or not")
    func bytes() {
        let text = "größe \"x\"\u{0}😀"
        var (valid, repaired) = (ByteBuffer(), ByteBuffer())
        Array(text.utf8).withUnsafeBytes {
            valid.writeJSONString(validUTF8: $0)
            repaired.writeJSONString(repairing: $0)
        }
        #expect(valid == self.written(text) && repaired == valid)
    }
}
