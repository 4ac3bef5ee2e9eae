// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore

/// A record to be written, before it has a partition.
struct InputRecord {
    var key: ByteBuffer?
    var value: ByteBuffer?
    var headers: [RecordHeader] = []
    var partition: Int32?
    /// Milliseconds since 1970; nil for now.
    var timestamp: Int64?
    /// Of the input, counted from 1; nil for what is no line.
    var line: Int?
}

/// Makes a record of a line, or of a file.
struct RecordParser {
    enum Format {
        /// The bytes as they are, the key before the separator if there is one.
        case raw(keySeparator: String?)
        case json
    }

    private let keySeparator: [UInt8]
    private let isJSON: Bool
    private let key: ByteBuffer?
    private let headers: [RecordHeader]
    private let emptyIsNull: Bool
    private let timestamp: Int64?

    init(
        format: Format, key: ByteBuffer? = nil, headers: [RecordHeader] = [], emptyIsNull: Bool = false,
        timestamp: Int64? = nil
    ) {
        switch format {
        case .raw(let separator):
            self.keySeparator = Array((separator ?? "").utf8)
            self.isJSON = false
        case .json:
            self.keySeparator = []
            self.isJSON = true
        }
        self.key = key
        self.headers = headers
        self.emptyIsNull = emptyIsNull
        self.timestamp = timestamp
    }

    /// The record of a line; nil for a blank line of JSON. Throws `JSONReader.Malformed`.
    func record(line: ByteBuffer) throws -> InputRecord? {
        guard !self.isJSON else { return try self.jsonRecord(line) }
        guard !self.keySeparator.isEmpty, let split = self.split(line) else { return self.record(file: line) }
        return InputRecord(
            key: split.key, value: self.nullIfEmpty(split.value), headers: self.headers, timestamp: self.timestamp)
    }

    /// The record that has all these bytes as its value.
    func record(file: ByteBuffer) -> InputRecord {
        InputRecord(
            key: self.key, value: self.nullIfEmpty(file), headers: self.headers, timestamp: self.timestamp)
    }

    private func nullIfEmpty(_ value: ByteBuffer?) -> ByteBuffer? {
        self.emptyIsNull && value?.readableBytes == 0 ? nil : value
    }

    private func split(_ line: ByteBuffer) -> (key: ByteBuffer?, value: ByteBuffer?)? {
        let separator = self.keySeparator
        let found = line.withUnsafeReadableBytes { bytes -> Int? in
            guard bytes.count >= separator.count else { return nil }
            return (0...bytes.count - separator.count).first { start in
                bytes[start] == separator[0]
                    && bytes[start..<start + separator.count].elementsEqual(separator)
            }
        }
        guard let found else { return nil }
        let valueStart = found + separator.count
        return (
            line.getSlice(at: line.readerIndex, length: found),
            line.getSlice(at: line.readerIndex + valueStart, length: line.readableBytes - valueStart)
        )
    }

    // MARK: JSON

    private func jsonRecord(_ line: ByteBuffer) throws -> InputRecord? {
        let result = line.withUnsafeReadableBytes { bytes -> Result<InputRecord?, JSONReader.Malformed> in
            do throws(JSONReader.Malformed) {
                var reader = JSONReader(bytes)
                guard reader.peek() != nil else { return .success(nil) }
                let record = try self.jsonRecord(&reader)
                try reader.end()
                return .success(record)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func jsonRecord(_ reader: inout JSONReader) throws(JSONReader.Malformed) -> InputRecord {
        var record = InputRecord(headers: self.headers, timestamp: self.timestamp)
        var (keyIsBase64, valueIsBase64) = (false, false)
        try reader.object { (reader, name) throws(JSONReader.Malformed) in
            switch name {
            case "key": record.key = try Self.bytes(&reader)
            case "value": record.value = try Self.bytes(&reader)
            case "keyEncoding": keyIsBase64 = try Self.isBase64(&reader)
            case "valueEncoding": valueIsBase64 = try Self.isBase64(&reader)
            case "headers": if !(try reader.null()) { record.headers += try Self.headers(&reader) }
            case "partition": record.partition = try Self.integer(&reader).map { Int32(clamping: $0) }
            case "timestamp": record.timestamp = try Self.integer(&reader) ?? self.timestamp
            default: _ = try reader.value()
            }
        }
        if keyIsBase64 { record.key = try Self.decoded(record.key, reader) }
        if valueIsBase64 { record.value = try Self.decoded(record.value, reader) }
        record.value = self.nullIfEmpty(record.value)
        return record
    }

    private static func integer(_ reader: inout JSONReader) throws(JSONReader.Malformed) -> Int64? {
        try reader.null() ? nil : try reader.integer()
    }

    private static func bytes(_ reader: inout JSONReader) throws(JSONReader.Malformed) -> ByteBuffer? {
        if try reader.null() { return nil }
        return reader.peek() == UInt8(ascii: "\"") ? ByteBuffer(string: try reader.string()) : try reader.value()
    }

    private static func isBase64(_ reader: inout JSONReader) throws(JSONReader.Malformed) -> Bool {
        switch try reader.string() {
        case "base64": true
        case "utf-8", "text": false
        default: throw reader.malformed("an encoding other than base64 or utf-8")
        }
    }

    private static func decoded(
        _ text: ByteBuffer?, _ reader: JSONReader
    ) throws(JSONReader.Malformed) -> ByteBuffer? {
        guard let text else { return nil }
        guard let bytes = Base64.decode(String(buffer: text)) else { throw reader.malformed("invalid base64") }
        return bytes
    }

    private static func headers(_ reader: inout JSONReader) throws(JSONReader.Malformed) -> [RecordHeader] {
        var headers: [RecordHeader] = []
        try reader.object { (reader, name) throws(JSONReader.Malformed) in
            if reader.peek() == UInt8(ascii: "[") {
                try reader.array { (reader) throws(JSONReader.Malformed) in
                    headers.append(RecordHeader(name: name, value: try Self.headerValue(&reader)))
                }
            } else {
                headers.append(RecordHeader(name: name, value: try Self.headerValue(&reader)))
            }
        }
        return headers
    }

    private static func headerValue(_ reader: inout JSONReader) throws(JSONReader.Malformed) -> ByteBuffer? {
        if try reader.null() { return nil }
        guard reader.peek() == UInt8(ascii: "{") else { return ByteBuffer(string: try reader.string()) }
        var bytes: ByteBuffer?
        try reader.object { (reader, name) throws(JSONReader.Malformed) in
            guard name == "base64" else { throw reader.malformed("a header with '\(name)' instead of base64") }
            bytes = try Self.decoded(ByteBuffer(string: try reader.string()), reader)
        }
        return bytes
    }
}
