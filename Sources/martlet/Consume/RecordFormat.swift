// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import JSONText
import KafkaRecords
import KafkaTypes
import NIOCore

/// How JSON shows keys and values.
enum ByteStyle: String, CaseIterable, Sendable, ExpressibleByArgument {
    /// Text where they are UTF-8, else base64.
    case auto
    /// Always base64: for programs that want the bytes and no questions.
    case base64
    /// Always text: what is no UTF-8 becomes U+FFFD.
    case text
}

/// How one record is written.
enum RecordFormat: Sendable {
    /// The bytes of the value as they are, and what is asked for before them; null is as empty.
    case text(printsKey: Bool, printsHeaders: Bool, separator: String)
    /// What the template says.
    case template(RecordTemplate)
    /// One object per line.
    case json(ByteStyle = .auto)

    /// What writes the records of one partition.
    func writer(for partition: TopicPartition) -> RecordWriter { RecordWriter(self, partition) }
}

/// Writes the records of one partition, one after the other. It is made once per batch, so that what all records have
/// in common is done once.
struct RecordWriter {
    private let format: RecordFormat
    private let partition: TopicPartition
    /// How every JSON line begins: up to the offset.
    private let prefix: ByteBuffer

    fileprivate init(_ format: RecordFormat, _ partition: TopicPartition) {
        self.format = format
        self.partition = partition
        var json = JSONWriter()
        json.open(UInt8(ascii: "{"))
        json.name("topic")
        json.string(partition.topic)
        json.name("partition")
        json.integer(partition.partition.rawValue)
        json.name("offset")
        self.prefix = json.buffer
    }

    func write(_ record: Record, to output: inout ByteBuffer) {
        switch self.format {
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
        case .template(let template):
            template.write(record, of: self.partition, to: &output)
        case .json(let style):
            self.writeJSON(record, style, to: &output)
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

    private func writeJSON(_ record: Record, _ style: ByteStyle, to output: inout ByteBuffer) {
        output.writeImmutableBuffer(self.prefix)
        output.writeDecimal(record.offset)
        if record.timestamp >= 0 {
            output.writeStaticString(",\"timestamp\":")
            output.writeDecimal(record.timestamp)
        } else {
            output.writeStaticString(",\"timestamp\":null")
        }
        output.writeStaticString(",\"key\":")
        if Self.write(record.key, style, to: &output) { output.writeStaticString(",\"keyEncoding\":\"base64\"") }
        output.writeStaticString(",\"value\":")
        if Self.write(record.value, style, to: &output) { output.writeStaticString(",\"valueEncoding\":\"base64\"") }
        if record.headers.isEmpty {
            output.writeStaticString(",\"headers\":{}}\n")
        } else {
            output.writeStaticString(",\"headers\":")
            // Taken out, so that there is one owner while it grows.
            var json = JSONWriter(output)
            output = ByteBuffer()
            Self.writeHeaders(record.headers, to: &json)
            output = json.buffer
            output.writeStaticString("}\n")
        }
    }

    /// Returns whether it is base64.
    private static func write(_ bytes: ByteBuffer?, _ style: ByteStyle, to output: inout ByteBuffer) -> Bool {
        guard let bytes else {
            output.writeStaticString("null")
            return false
        }
        return bytes.withUnsafeReadableBytes { bytes in
            let isText = style != .base64 && bytes.isText
            switch style {
            case .auto where !isText, .base64:
                output.writeInteger(UInt8(ascii: "\""))
                Base64.encode(bytes, into: &output)
                output.writeInteger(UInt8(ascii: "\""))
                return true
            case .text where !isText:
                output.writeJSONString(repairing: bytes)
                return false
            case .auto, .text:
                output.writeJSONString(validUTF8: bytes)
                return false
            }
        }
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
        guard let value else { return json.null() }
        if value.withUnsafeReadableBytes(\.isText) {
            json.string(utf8: value)
        } else {
            json.object { json in
                json.name("base64")
                json.base64(value)
            }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes are valid UTF-8. Quick when they are ASCII.
    var isText: Bool {
        var index = 0
        while index + 8 <= self.count {
            guard self.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 else {
                return String(validating: self, as: UTF8.self) != nil
            }
            index += 8
        }
        while index < self.count {
            guard self[index] < 0x80 else { return String(validating: self, as: UTF8.self) != nil }
            index += 1
        }
        return true
    }
}
