// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import martlet

@Suite struct JSONTests {
    private func read<Value>(_ text: String, _ body: (inout JSONReader) throws -> Value) throws -> Value {
        try ByteBuffer(string: text).withUnsafeReadableBytes { bytes in
            var reader = JSONReader(bytes)
            let value = try body(&reader)
            try reader.end()
            return value
        }
    }

    @Test("commas stand between values, and nowhere else")
    func commas() {
        var json = JSONWriter()
        json.object { json in
            json.name("a")
            json.array { json in
                json.integer(1)
                json.null()
                json.array { _ in }
                json.object { _ in }
                json.bool(true)
            }
            json.name("b")
            json.string("x")
            json.name("c" as String)
            json.integer(Int64.min)
        }
        #expect(json.text == #"{"a":[1,null,[],{},true],"b":"x","c":-9223372036854775808}"#)
    }

    @Test("numbers are written with all their digits", arguments: [0, 7, 10, -1, -10, 1_234_567_890, Int64.max, .min])
    func integers(value: Int64) throws {
        var buffer = ByteBuffer()
        buffer.writeDecimal(value)
        #expect(String(buffer: buffer) == "\(value)")
        #expect(try self.read("\(value)") { try $0.integer() } == value)
    }

    @Test(
        "strings come back as they were", arguments: ["", "plain", "\"\\\n\r\t\u{1}\u{1f}", "größe 😀", "a/b", "\u{7f}"])
    func strings(text: String) throws {
        var json = JSONWriter()
        json.string(text)
        #expect(try self.read(json.text) { try $0.string() } == text)
    }

    @Test("what must be escaped is found at every place of a text", arguments: ["\"", "\\", "\n", "\u{1f}"])
    func escapesAnywhere(special: String) throws {
        for length in 0..<40 {
            for place in 0...length {
                let text =
                    String(repeating: "é", count: place) + special + String(repeating: "x", count: length - place)
                var json = JSONWriter()
                json.string(text + special)
                #expect(try self.read(json.text) { try $0.string() } == text + special)
            }
        }
    }

    @Test(
        "escapes are read, surrogate pairs among them",
        arguments: [
            (#""\u0041\u00e9""#, "Aé"), (#""\ud83d\ude00""#, "😀"), (#""\/\b\f\n\r\t""#, "/\u{8}\u{c}\n\r\t"),
        ])
    func escapes(text: String, expected: String) throws {
        #expect(try self.read(text) { try $0.string() } == expected)
    }

    @Test(
        "what is not JSON is an error",
        arguments: [
            "", "{", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "'a'", "\"a", "\"\\x\"",
            "\"\\u12\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\n\"", "01", "1.", "1e", "+1", ".5", "nul", "truex", "1 2",
            "-",
        ])
    func malformed(text: String) {
        #expect(throws: JSONReader.Malformed.self) { try self.read(text) { _ = try $0.value() } }
    }

    @Test(
        "values of any kind come as their own text",
        arguments: ["1", "-1.5e+3", "true", "null", #"{"a":[1,{"b":"]"}]}"#])
    func anyValue(text: String) throws {
        #expect(try self.read("  " + text + "\n") { try $0.value() } == ByteBuffer(string: text))
    }

    @Test("nesting without end is an error, not a crash")
    func nesting() {
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONReader.Malformed.self) { try self.read(deep) { _ = try $0.value() } }
    }

    @Test("an error says where")
    func position() {
        let error = #expect(throws: JSONReader.Malformed.self) {
            try self.read(#"{"a": x}"#) { _ = try $0.value() }
        }
        #expect(error?.description == "a value is missing at byte 7")
    }

    @Test("base64 both ways, with every length of padding", arguments: 0..<70)
    func base64(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 250) }
        var text = ByteBuffer()
        bytes.withUnsafeBytes { Base64.encode($0, into: &text) }
        #expect(text.readableBytes == (count + 2) / 3 * 4)
        #expect(Base64.decode(String(buffer: text)) == ByteBuffer(bytes: bytes))
    }

    @Test(
        "base64 as RFC 4648 has it", arguments: [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
    func base64Vectors(plain: String, coded: String) {
        var text = ByteBuffer()
        plain.utf8.withContiguousStorageIfAvailable { Base64.encode(UnsafeRawBufferPointer($0), into: &text) }
        #expect(String(buffer: text) == coded)
    }

    @Test("other text is no base64", arguments: ["Z", "Zg", "Zg=", "Zg===", "=Zg=", "Z g=", "====", "Zm9-"])
    func notBase64(text: String) { #expect(Base64.decode(text) == nil) }
}
