// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient

/// What the test wants: steps to run in order, or (with a group) one member of a consumer group until SIGTERM. The same
/// as Tests/InteropTests/clients/steps.py and group_member.py read.
struct Job: Decodable {
    var bootstrap: String
    var steps: [Step]?
    var group: String?
    var topic: String?
    var name: String?
    var strategy: String?
    var assignor: String?
    var instance: String?
    var sessionMs: Int?
    var heartbeatMs: Int?
}

/// One step. `do` names it, the other fields are its arguments.
struct Step: Decodable {
    struct RecordField: Decodable {
        var partition: Int32?
        var timestamp: Int64?
        var key: String?
        var value: String?
        var valueFile: String?
        var headers: [HeaderField]?
    }

    struct HeaderField: Decodable {
        var name: String
        var value: String?
    }

    struct Place: Decodable {
        var partition: Int32
        var offset: Int64
    }

    struct Change: Decodable {
        var name: String
        var operation: String
        var value: String?
    }

    /// A setting, however the test writes it.
    enum Setting: Decodable {
        case text(String), number(Int), flag(Bool)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let flag = try? value.decode(Bool.self) {
                self = .flag(flag)
            } else if let number = try? value.decode(Int.self) {
                self = .number(number)
            } else {
                self = .text(try value.decode(String.self))
            }
        }

        var text: String {
            switch self {
            case .text(let text): text
            case .number(let number): "\(number)"
            case .flag(let flag): "\(flag)"
            }
        }
    }

    var `do`: String
    var topic: String?
    var topics: [String]?
    var type: String?
    var name: String?
    var codec: String?
    var acks: String?
    var settings: [String: Setting]?
    var records: [RecordField]?
    var from: [Place]?
    var count: Int?
    var isolation: String?
    var valuesTo: String?
    var seeks: [Int64]?
    var partition: Int32?
    var times: [Int64]?
    var partitions: Int32?
    var size: Int?
    var recordsPerSecond: Int?
    var progressFile: String?
    var stopFile: String?
    var idempotent: Bool?
    var replicationFactor: Int16?
    var configs: [String: Setting]?
    var validateOnly: Bool?
    var limit: Int32?
    var offset: Int64?
    var spec: String?
    var changes: [Change]?

    /// A field that this step cannot do without.
    func need<Value>(_ field: KeyPath<Step, Value?>, _ name: String) throws -> Value {
        guard let value = self[keyPath: field] else { throw JobError("the step \(self.do) lacks \(name)") }
        return value
    }

    func partition(_ index: Int32) throws -> TopicPartition {
        TopicPartition(topic: try self.need(\.topic, "topic"), partition: PartitionIndex(index))
    }
}

struct JobError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What a step answers with.
enum Answer: Encodable {
    case null
    case text(String)
    case number(Int64)
    case flag(Bool)
    case list([Answer])
    case object([String: Answer])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .flag(let flag): try container.encode(flag)
        case .list(let list): try container.encode(list)
        case .object(let object): try container.encode(object)
        }
    }

    /// An error that Kafka's protocol names is an answer, too.
    static func failure(_ name: String, _ message: String) -> Answer {
        .object(["error": .text(name), "message": .text(message)])
    }

    static func bytes(_ buffer: ByteBuffer?) -> Answer {
        buffer.map { .text(Data($0.readableBytesView).base64EncodedString()) } ?? .null
    }
}

/// Bytes travel as base64, and null as null.
func decoded(_ text: String?) throws -> ByteBuffer? {
    guard let text else { return nil }
    guard let data = Data(base64Encoded: text) else { throw JobError("not base64: \(text)") }
    return ByteBuffer(bytes: data)
}
