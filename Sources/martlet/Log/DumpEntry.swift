// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore

/// One thing that `martlet log dump` shows: a batch, a record, an entry of an index, a damaged place.
struct DumpEntry {
    /// What it is; in JSON the member `type`.
    var kind: StaticString
    /// In the order in which they are shown.
    var fields: [DumpField]
    /// It is a part of the entry before it, such as a record of a batch.
    var isNested = false
    /// It tells of something that is not as it should be.
    var isDamage = false

    init(_ kind: StaticString, _ fields: [DumpField], isNested: Bool = false) {
        self.kind = kind
        self.fields = fields
        self.isNested = isNested
    }

    /// Bytes at `position` that are not what they should be.
    static func damage(at position: Int64, _ reason: String, length: Int64? = nil) -> DumpEntry {
        var entry = DumpEntry("damage", [DumpField("position", .integer(position))])
        if let length { entry.fields.append(DumpField("length", .integer(length))) }
        entry.fields.append(DumpField("reason", .string(reason)))
        entry.isDamage = true
        return entry
    }

    /// `batch position=0 baseOffset=0 …`.
    var line: String {
        let fields = self.fields.map { "\($0.name)=\($0.value.text)" }.joined(separator: " ")
        return "\(self.isNested ? "  " : "")\(self.kind) \(fields)"
    }

    /// An object; `file` is where the entry was found.
    func write(to json: inout JSONWriter, file: String) {
        json.object { json in
            json.name("file")
            json.string(file)
            json.name("type")
            json.string("\(self.kind)")
            for field in self.fields {
                json.name(field.name)
                field.value.write(to: &json)
            }
        }
    }
}

/// A name and a value of a `DumpEntry`.
struct DumpField {
    var name: String
    var value: DumpValue

    init(_ name: String, _ value: DumpValue) {
        self.name = name
        self.value = value
    }
}

indirect enum DumpValue {
    case null
    case bool(Bool)
    case integer(Int64)
    /// Milliseconds since 1970, -1 for none: a number in JSON, a date in text.
    case time(Int64)
    case string(String)
    /// A word that needs no quotes.
    case word(String)
    /// Text where it is UTF-8, else base64, which is said.
    case bytes(ByteBuffer)
    case list([DumpValue])
    case object([DumpField])

    static func optional(_ string: String?) -> DumpValue { string.map { .string($0) } ?? .null }

    static func optional(_ bytes: ByteBuffer?) -> DumpValue { bytes.map { .bytes($0) } ?? .null }

    var text: String {
        switch self {
        case .null: return "null"
        case .bool(let value): return "\(value)"
        case .integer(let value): return "\(value)"
        case .time(let value): return value < 0 ? "none" : Timestamp.text(value)
        case .word(let word): return word
        case .list(let values): return "[\(values.map(\.text).joined(separator: ","))]"
        case .object(let fields):
            return "{\(fields.map { "\($0.name)=\($0.value.text)" }.joined(separator: " "))}"
        case .bytes(let bytes) where !bytes.withUnsafeReadableBytes(\.isText):
            var text = ByteBuffer()
            bytes.withUnsafeReadableBytes { Base64.encode($0, into: &text) }
            return "base64:\(String(buffer: text))"
        case .string, .bytes:
            var json = JSONWriter()
            self.write(to: &json)
            return json.text
        }
    }

    func write(to json: inout JSONWriter) {
        switch self {
        case .null: json.null()
        case .bool(let value): json.bool(value)
        case .integer(let value), .time(let value): json.integer(value)
        case .string(let text), .word(let text): json.string(text)
        case .bytes(let bytes):
            if bytes.withUnsafeReadableBytes(\.isText) {
                json.string(utf8: bytes)
            } else {
                json.object { json in
                    json.name("base64")
                    json.base64(bytes)
                }
            }
        case .list(let values):
            json.array { json in for value in values { value.write(to: &json) } }
        case .object(let fields):
            json.object { json in
                for field in fields {
                    json.name(field.name)
                    field.value.write(to: &json)
                }
            }
        }
    }
}

extension DumpEntry {
    /// What the header of a batch says.
    static func batch(_ header: RecordBatchHeader, at position: Int64) -> DumpEntry {
        var fields = [
            DumpField("position", .integer(position)), DumpField("size", .integer(Int64(header.sizeInBytes))),
            DumpField("baseOffset", .integer(header.baseOffset)), DumpField("lastOffset", .integer(header.lastOffset)),
            DumpField("count", .integer(Int64(header.recordCount))),
            DumpField("leaderEpoch", .integer(Int64(header.partitionLeaderEpoch))),
            DumpField("codec", .word(header.codec.map { "\($0)" } ?? "unknown")),
            DumpField("timestampType", .word(header.timestampType == .createTime ? "CreateTime" : "LogAppendTime")),
            DumpField("baseTimestamp", .time(header.baseTimestamp)),
            DumpField("maxTimestamp", .time(header.maxTimestamp)),
        ]
        if header.hasProducerID {
            fields += [
                DumpField("producerId", .integer(header.producerID)),
                DumpField("producerEpoch", .integer(Int64(header.producerEpoch))),
                DumpField("baseSequence", .integer(Int64(header.baseSequence))),
                DumpField("lastSequence", .integer(Int64(header.lastSequence))),
            ]
        }
        if header.isTransactional { fields.append(DumpField("transactional", .bool(true))) }
        if header.isControl { fields.append(DumpField("control", .bool(true))) }
        if header.attributes & RecordBatchHeader.Attribute.hasDeleteHorizon != 0 {
            fields.append(DumpField("deleteHorizon", .time(header.baseTimestamp)))
        }
        fields.append(DumpField("crc", .integer(Int64(header.crc))))
        return DumpEntry("batch", fields)
    }

    /// A record with its key and value as they are.
    static func record(_ record: Record) -> DumpEntry {
        var fields = Self.place(of: record)
        fields += [DumpField("key", .optional(record.key)), DumpField("value", .optional(record.value))]
        if !record.headers.isEmpty {
            // A list of pairs: a name may come several times.
            let headers = record.headers.map { header in
                DumpValue.object([
                    DumpField("name", .string(header.name)), DumpField("value", .optional(header.value)),
                ])
            }
            fields.append(DumpField("headers", .list(headers)))
        }
        return DumpEntry("record", fields, isNested: true)
    }

    /// A record of a control batch.
    static func marker(_ record: Record) -> DumpEntry {
        guard let marker = EndTransactionMarker(record) else { return .record(record) }
        return DumpEntry(
            "marker",
            Self.place(of: record) + [
                DumpField("outcome", .word("\(marker.outcome)")),
                DumpField("coordinatorEpoch", .integer(Int64(marker.coordinatorEpoch))),
            ], isNested: true)
    }

    static func place(of record: Record) -> [DumpField] {
        [DumpField("offset", .integer(record.offset)), DumpField("timestamp", .time(record.timestamp))]
    }
}
