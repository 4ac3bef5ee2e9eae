// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore

/// How one record is written.
enum RecordFormat: Sendable {
    /// The bytes of the value as they are, and what is asked for before them; null is as empty.
    case text(printsKey: Bool, printsHeaders: Bool, separator: String)
    /// One object per line.
    case json

    func write(_ record: Record, of partition: TopicPartition, to output: inout ByteBuffer) {
        switch self {
        case .text(let printsKey, let printsHeaders, let separator):
            if printsHeaders {
                Self.writeHeaders(record.headers, to: &output)
                output.writeString(separator)
            }
            if printsKey {
                if let key = record.key { output.writeImmutableBuffer(key) }
                output.writeString(separator)
            }
            if let value = record.value { output.writeImmutableBuffer(value) }
            output.writeInteger(UInt8(ascii: "\n"))
        case .json:
            // Taken out, so that there is one owner while it grows.
            var json = JSONWriter(output)
            output = ByteBuffer()
            Self.writeJSON(record, of: partition, to: &json)
            json.endLine()
            output = json.buffer
        }
    }

    private static func writeHeaders(_ headers: RecordHeaders, to output: inout ByteBuffer) {
        var isFirst = true
        for header in headers {
            if !isFirst { output.writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            output.writeString(header.name)
            output.writeInteger(UInt8(ascii: "="))
            if let value = header.value { output.writeImmutableBuffer(value) }
        }
    }

    private static func writeJSON(_ record: Record, of partition: TopicPartition, to json: inout JSONWriter) {
        json.open(UInt8(ascii: "{"))
        json.name("topic")
        json.string(partition.topic)
        json.name("partition")
        json.integer(partition.partition.rawValue)
        json.name("offset")
        json.integer(record.offset)
        json.name("timestamp")
        json.integer(record.timestamp < 0 ? nil : record.timestamp)
        json.name("key")
        if Self.write(record.key, to: &json) {
            json.name("keyEncoding")
            json.string("base64")
        }
        json.name("value")
        if Self.write(record.value, to: &json) {
            json.name("valueEncoding")
            json.string("base64")
        }
        json.name("headers")
        Self.writeHeaders(record.headers, to: &json)
        json.close(UInt8(ascii: "}"))
    }

    /// Returns whether base64 was needed.
    private static func write(_ bytes: ByteBuffer?, to json: inout JSONWriter) -> Bool {
        guard let bytes else {
            json.null()
            return false
        }
        guard bytes.isText else {
            json.base64(bytes)
            return true
        }
        json.string(utf8: bytes)
        return false
    }

    private static func writeHeaders(_ headers: RecordHeaders, to json: inout JSONWriter) {
        json.open(UInt8(ascii: "{"))
        if !headers.isEmpty {
            // JSON wants each name once: values of the same name are collected at its first place.
            var names: [String] = []
            var values: [String: [ByteBuffer?]] = [:]
            for header in headers {
                if values[header.name] == nil { names.append(header.name) }
                values[header.name, default: []].append(header.value)
            }
            for name in names {
                json.name(name)
                let values = values[name] ?? []
                if values.count == 1 {
                    Self.writeHeader(values[0], to: &json)
                } else {
                    json.array { json in for value in values { Self.writeHeader(value, to: &json) } }
                }
            }
        }
        json.close(UInt8(ascii: "}"))
    }

    private static func writeHeader(_ value: ByteBuffer?, to json: inout JSONWriter) {
        if let value, !value.isText {
            json.object { json in
                json.name("base64")
                json.base64(value)
            }
        } else {
            _ = Self.write(value, to: &json)
        }
    }
}

extension ByteBuffer {
    /// The readable bytes are valid UTF-8. Quick when they are ASCII.
    var isText: Bool {
        self.withUnsafeReadableBytes { bytes in
            var index = 0
            while index + 8 <= bytes.count {
                guard bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 else {
                    return String(validating: bytes, as: UTF8.self) != nil
                }
                index += 8
            }
            while index < bytes.count {
                guard bytes[index] < 0x80 else { return String(validating: bytes, as: UTF8.self) != nil }
                index += 1
            }
            return true
        }
    }
}
