// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@testable import martlet

@Suite struct RecordFormatTests {
    private static let partition = TopicPartition(topic: "orders", partition: 2)

    private func formatted(
        _ format: RecordFormat, key: [UInt8]?, value: [UInt8]?, headers: [RecordHeader] = [], timestamp: Int64 = 1000
    ) throws -> String {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = 7
        var builder = RecordBatchBuilder(options)
        try builder.append(
            key: key.map { ByteBuffer(bytes: $0) }, value: value.map { ByteBuffer(bytes: $0) }, headers: headers,
            timestamp: timestamp)
        var records = try builder.finish().records()
        let record = try #require(try records.next())
        var output = ByteBuffer()
        format.writer(for: Self.partition).write(record, to: &output)
        return String(buffer: output)
    }

    private func header(_ name: String, _ value: [UInt8]?) -> RecordHeader {
        RecordHeader(name: name, value: value.map { ByteBuffer(bytes: $0) })
    }

    @Test("text is the value, and what is asked for before it")
    func text() throws {
        let plain = RecordFormat.text(printsKey: false, printsHeaders: false, separator: "\t")
        #expect(try self.formatted(plain, key: [0x6b], value: Array("v1".utf8)) == "v1\n")
        #expect(try self.formatted(plain, key: nil, value: nil) == "\n")
        let all = RecordFormat.text(printsKey: true, printsHeaders: true, separator: "|")
        #expect(
            try self.formatted(
                all, key: Array("k".utf8), value: Array("v".utf8),
                headers: [self.header("a", [0x31]), self.header("b", nil)])
                == "a=1,b=|k|v\n")
    }

    @Test("JSON has all that a record has, null where it has nothing")
    func json() throws {
        #expect(
            try self.formatted(.json(), key: Array("k\"".utf8), value: nil)
                == #"{"topic":"orders","partition":2,"offset":7,"timestamp":1000,"key":"k\"","value":null,"headers":{}}"#
                + "\n")
        #expect(
            try self.formatted(.json(), key: nil, value: [], timestamp: -1).contains(#""timestamp":null,"key":null"#))
    }

    @Test("bytes that are no text are in base64, and said to be")
    func binary() throws {
        let line = try self.formatted(
            .json(), key: [0xff], value: [0xc3, 0x28],
            headers: [self.header("h", [0x80]), self.header("x", [0x31]), self.header("h", nil)])
        #expect(line.contains(#""key":"/w==","keyEncoding":"base64","value":"wyg=","valueEncoding":"base64""#))
        #expect(line.contains(#""headers":{"h":[{"base64":"gA=="},null],"x":"1"}"#))
    }

    @Test("all keys and values in base64, or all as text, when that is asked for")
    func byteStyles() throws {
        let all = try self.formatted(.json(.base64), key: Array("k".utf8), value: nil)
        #expect(all.contains(#""key":"aw==","keyEncoding":"base64","value":null,"headers""#))
        let text = try self.formatted(.json(.text), key: [0x61, 0xff], value: Array("v".utf8))
        #expect(text.contains("\"key\":\"a\u{fffd}\",\"value\":\"v\""))
    }

    @Test("a template has the letters of kcat's")
    func template() throws {
        func formatted(_ template: String, _ key: [UInt8]?, _ value: [UInt8]?, null: String = "") throws -> String {
            try self.formatted(
                .template(try RecordTemplate(template, null: null)), key: key, value: value,
                headers: [self.header("a", [0x31]), self.header("b", nil)])
        }
        let all = try formatted("%t|%p|%o|%T|%k|%K|%s|%S|%h|%%\\n", Array("key".utf8), Array("v".utf8))
        #expect(all == "orders|2|7|1000|key|3|v|1|a=1,b=NULL|%\n")
        #expect(try formatted("%K %S %k%s", nil, nil) == "-1 -1 ")
        #expect(try formatted("%k/%s", nil, nil, null: "NULL") == "NULL/NULL")
        #expect(try formatted("%R%s", nil, Array("ab".utf8)) == "\0\0\0\u{2}ab")
        #expect(try formatted("a\\t\\r\\0\\x41\\\\", nil, nil) == "a\t\r\0A\\")
        #expect(try formatted("", nil, nil) == "")
    }

    @Test(
        "a template that means nothing is refused",
        arguments: ["%", "a%z", "%é", "\\", "\\q", "\\x4", "\\xzz", "\\x+1"])
    func badTemplate(text: String) {
        #expect(throws: RecordTemplate.Malformed.self) { try RecordTemplate(text) }
    }

    @Test("what consume prints, produce reads back")
    func roundTrip() throws {
        let headers = [self.header("a", [0x31]), self.header("a", [0xfe]), self.header("b", nil)]
        let value: [UInt8] = Array("ü\n\u{0}\"".utf8)
        let line = try self.formatted(.json(), key: [0, 1, 0xff], value: value, headers: headers)
        let record = try #require(try RecordParser(format: .json).record(line: ByteBuffer(string: line)))
        #expect(record.key == ByteBuffer(bytes: [0, 1, 0xff]))
        #expect(record.value == ByteBuffer(bytes: value))
        #expect(record.headers == headers)
        #expect(record.timestamp == 1000)
        #expect(record.partition == 2)
    }

    @Test(
        "text is told from other bytes at every length",
        arguments: 1..<20)
    func text(length: Int) {
        let ascii = ByteBuffer(repeating: 0x61, count: length)
        #expect(ascii.withUnsafeReadableBytes(\.isText))
        var broken = ascii
        broken.setInteger(UInt8(0xff), at: length - 1)
        #expect(!broken.withUnsafeReadableBytes(\.isText))
        let text = ByteBuffer(string: String(repeating: "a", count: length) + "é")
        #expect(text.withUnsafeReadableBytes(\.isText))
    }
}
