// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Testing

@Suite struct RecordHeaderLookupTests {
    private static let written = [
        RecordHeader(name: "kind", value: "order"), RecordHeader(name: "trace", value: "1"),
        RecordHeader(name: "kind", value: "payment"), RecordHeader(name: "null", value: nil),
        RecordHeader(name: "", value: ""), RecordHeader(name: "bytes", value: ByteBuffer(bytes: [0xff, 0xfe])),
        RecordHeader(name: "gone", value: "x"), RecordHeader(name: "gone", value: nil),
    ]

    /// The headers as they come out of a batch.
    private static func read() throws -> RecordHeaders {
        var builder = RecordBatchBuilder()
        try builder.append(key: nil, value: nil, headers: Self.written, timestamp: 0)
        var records = try builder.finish().records()
        return try #require(try records.next()).headers
    }

    @Test("the last header of a name counts, and all of them can be had")
    func lastOfName() throws {
        let headers = try Self.read()
        #expect(headers.last(named: "kind")?.value == ByteBuffer(string: "payment"))
        #expect(headers.all(named: "kind").map(\.stringValue) == ["order", "payment"])
        #expect(headers.last(named: "")?.value == ByteBuffer())
        #expect(headers.last(named: "Kind") == nil)
        #expect(headers.all(named: "missing").isEmpty)
        #expect(Self.written.last(named: "kind")?.stringValue == "payment")
    }

    @Test("a value is text when it is UTF-8; null is none, and hides what came before it")
    func text() throws {
        let headers = try Self.read()
        #expect(headers.string(named: "trace") == "1")
        #expect(headers.string(named: "") == "")
        #expect(headers.string(named: "null") == nil)
        #expect(headers.last(named: "null") != nil)
        #expect(headers.string(named: "bytes") == nil)
        #expect(headers.string(named: "gone") == nil)
        #expect(Self.written.string(named: "trace") == "1")
    }
}
