// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Testing

@testable import martlet

@Suite struct RecordParserTests {
    private func parse(_ line: String, _ parser: RecordParser) throws -> InputRecord {
        try #require(try parser.record(line: ByteBuffer(string: line)))
    }

    @Test("a line is a value, unless there is a separator")
    func raw() throws {
        let plain = RecordParser(format: .raw(keySeparator: nil))
        #expect(try self.parse("k:v", plain).value == ByteBuffer(string: "k:v"))
        #expect(try self.parse("k:v", plain).key == nil)
        let keyed = RecordParser(format: .raw(keySeparator: "::"))
        #expect(try self.parse("k:::v::w", keyed).key == ByteBuffer(string: "k"))
        #expect(try self.parse("k:::v::w", keyed).value == ByteBuffer(string: ":v::w"))
        #expect(try self.parse("no key", keyed).key == nil)
        #expect(try self.parse("::v", keyed).key == ByteBuffer())
        #expect(try self.parse("", keyed).value == ByteBuffer())
    }

    @Test("an empty value is null only when that is asked for")
    func tombstones() throws {
        let parser = RecordParser(format: .raw(keySeparator: ":"), emptyIsNull: true)
        let record = try self.parse("k:", parser)
        #expect(record.key == ByteBuffer(string: "k"))
        #expect(record.value == nil)
        #expect(try self.parse("k:", RecordParser(format: .raw(keySeparator: ":"))).value == ByteBuffer())
    }

    @Test("the key and the headers of the command line are those of every record")
    func fixed() throws {
        let header = RecordHeader(name: "h", value: ByteBuffer(string: "1"))
        let parser = RecordParser(format: .raw(keySeparator: nil), key: ByteBuffer(string: "k"), headers: [header])
        for line in ["a", "b"] {
            let record = try self.parse(line, parser)
            #expect(record.key == ByteBuffer(string: "k"))
            #expect(record.headers == [header])
        }
    }

    private let json = RecordParser(format: .json)

    @Test("a JSON line has all that a record has")
    func jsonLine() throws {
        let record = try self.parse(
            #"""
            {"topic":"t","offset":5,"key":"k","value":"v","partition":3,"timestamp":1700000000000,
             "headers":{"a":"1","b":null,"c":["2",null],"d":{"base64":"/w=="}}}
            """#, self.json)
        #expect(record.key == ByteBuffer(string: "k"))
        #expect(record.value == ByteBuffer(string: "v"))
        #expect(record.partition == 3)
        #expect(record.timestamp == 1_700_000_000_000)
        #expect(
            record.headers == [
                RecordHeader(name: "a", value: ByteBuffer(string: "1")), RecordHeader(name: "b", value: nil),
                RecordHeader(name: "c", value: ByteBuffer(string: "2")), RecordHeader(name: "c", value: nil),
                RecordHeader(name: "d", value: ByteBuffer(bytes: [0xff])),
            ])
    }

    @Test("null, absent, empty and nested values are different things")
    func jsonValues() throws {
        #expect(try self.parse("{}", self.json).value == nil)
        #expect(try self.parse(#"{"value":null}"#, self.json).value == nil)
        #expect(try self.parse(#"{"value":""}"#, self.json).value == ByteBuffer())
        #expect(try self.parse(#"{"value":{"a": 1}}"#, self.json).value == ByteBuffer(string: #"{"a": 1}"#))
        #expect(try self.parse(#"{"key":17}"#, self.json).key == ByteBuffer(string: "17"))
        #expect(
            try self.parse(#"{"valueEncoding":"base64","value":"AP8="}"#, self.json).value
                == ByteBuffer(bytes: [0, 0xff]))
        #expect(try self.json.record(line: ByteBuffer(string: "  ")) == nil)
    }

    @Test(
        "a line that is no record is an error",
        arguments: [
            "x", "[]", "1", #"{"value":"#, #"{"partition":"0"}"#, #"{"headers":[]}"#, #"{"headers":{"a":1}}"#,
            #"{"value":"!","valueEncoding":"base64"}"#, #"{"valueEncoding":"hex"}"#, "{} {}",
        ])
    func malformed(line: String) {
        #expect(throws: JSONReader.Malformed.self) { try self.json.record(line: ByteBuffer(string: line)) }
    }
}
