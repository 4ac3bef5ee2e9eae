// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// Everything that can produce and consume.
enum Client: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case confluent = "confluent-kafka"
    case kafkaPython = "kafka-python"
    case kafkaClient = "KafkaClient"
    case kcat

    var testDescription: String { self.rawValue }

    var library: Library? {
        switch self {
        case .confluent: .confluent
        case .kafkaPython: .kafkaPython
        case .kafkaClient: .kafkaClient
        case .kcat: nil
        }
    }
}

/// How a producer sends.
struct ProduceOptions: Sendable {
    var codec = "none"
    var acks = "all"
    var settings: [String: JSON] = [:]
}

extension BrokerUnderTest {
    /// Produces the records and expects every one of them to be acknowledged.
    func produce(
        _ client: Client,
        _ topic: String,
        _ records: [Record],
        _ options: ProduceOptions = ProduceOptions()
    ) async throws {
        guard let library = client.library else {
            return try await self.kcatProduce(topic, records, options)
        }
        let results = try await self.run(library, Self.produceStep(topic, records, options))
        let deliveries = results[0]["deliveries"].elements
        #expect(deliveries.count == records.count)
        #expect(deliveries.filter { $0.error != nil } == [])
    }

    static func produceStep(_ topic: String, _ records: [Record], _ options: ProduceOptions = ProduceOptions()) -> JSON
    {
        [
            "do": "produce", "topic": .string(topic), "codec": .string(options.codec), "acks": .string(options.acks),
            "settings": .object(options.settings), "records": .array(records.map(\.json)),
        ]
    }

    /// Reads `count` records from the offsets of `from`, a partition each, and gives them in order.
    func consume(_ client: Client, _ topic: String, from: [Int: Int] = [0: 0], count: Int) async throws -> [Record] {
        guard let library = client.library else {
            return try await self.kcatConsume(topic, from: from, count: count)
        }
        let results = try await self.run(library, Self.consumeStep(topic, from: from, count: count))
        try #require(results[0].error == nil, "\(results[0])")
        return results[0]["records"].elements.map(Record.init(json:)).inOrder
    }

    static func consumeStep(
        _ topic: String,
        from: [Int: Int] = [0: 0],
        count: Int,
        isolation: String = "read_uncommitted"
    ) -> JSON {
        [
            "do": "consume", "topic": .string(topic), "count": .number(count), "isolation": .string(isolation),
            "from": .array(
                from.sorted { $0.key < $1.key }
                    .map { ["partition": .number($0.key), "offset": .number($0.value)] }
            ),
        ]
    }

    // MARK: kcat

    private static let keyDelimiter = "<K>"
    private static let recordDelimiter = "<R>"

    /// kcat takes keys and values between delimiters and gives every record of a run the same headers, so that it is
    /// run once for each partition and kind of headers. With `-Z` nothing means null, else it means empty.
    private func kcatProduce(_ topic: String, _ records: [Record], _ options: ProduceOptions) async throws {
        var rest = records[...]
        while let first = rest.first {
            let group = rest.prefix {
                $0.partition == first.partition && $0.headers == first.headers && $0.usesNull == first.usesNull
            }
            rest = rest.dropFirst(group.count)
            var input = Data()
            for (index, record) in group.enumerated() {
                if index > 0 { input += Data(Self.recordDelimiter.utf8) }
                if let key = record.key { input += key + Data(Self.keyDelimiter.utf8) }
                input += record.value ?? Data()
            }
            var arguments = [
                "-P", "-t", topic, "-p", "\(first.partition)", "-K", Self.keyDelimiter, "-D", Self.recordDelimiter,
                "-X", "acks=\(options.acks)", "-X", "compression.codec=\(options.codec)", "-X", "linger.ms=20",
            ]
            for (name, value) in options.settings { arguments += ["-X", "\(name)=\(value.text ?? "")"] }
            for header in first.headers {
                arguments += ["-H", "\(header.name)=\(String(decoding: header.value ?? Data(), as: UTF8.self))"]
            }
            if first.usesNull { arguments.append("-Z") }
            try await self.kcat(arguments, input: input)
        }
    }

    private func kcatConsume(_ topic: String, from: [Int: Int], count: Int) async throws -> [Record] {
        var arguments = ["-C", "-t", topic, "-c", "\(count)", "-X", "fetch.wait.max.ms=20", "-f", KcatOutput.format]
        if from.count == 1, let (partition, offset) = from.first {
            arguments += ["-p", "\(partition)", "-o", "\(offset)"]
        } else {
            try #require(from.values.allSatisfy { $0 == 0 }, "kcat begins every partition at the same place")
            arguments += ["-o", "beginning"]
        }
        var output = KcatOutput(try await self.kcat(arguments))
        return try output.records().inOrder
    }
}

extension Record {
    fileprivate var usesNull: Bool { self.value == nil }
}

/// Takes apart what kcat prints.
struct KcatOutput {
    /// Lengths come before what they measure, so that keys and values may hold any bytes.
    static let format = "%p %o %T %K %S %h\u{2}%k%s\n"

    private var bytes: Data

    init(_ bytes: Data) { self.bytes = bytes }

    mutating func records() throws -> [Record] {
        var records: [Record] = []
        while !self.bytes.isEmpty {
            let partition = try self.number()
            let offset = try self.number()
            let timestamp = try self.number()
            let keyLength = try self.number()
            let valueLength = try self.number()
            let headers = try self.until(2)
            records.append(
                Record(
                    partition: partition,
                    offset: offset,
                    timestamp: timestamp,
                    key: try self.take(keyLength),
                    value: try self.take(valueLength),
                    headers: Self.headers(headers)
                )
            )
            _ = try self.take(1)
        }
        return records
    }

    /// `name=value,name=value`; kcat writes NULL for null.
    private static func headers(_ text: Data) -> [Record.Header] {
        text.split(separator: UInt8(ascii: ",")).map { header in
            let parts = header.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? Data(parts[1]) : Data()
            let isNull = value == Data("NULL".utf8)
            return Record.Header(String(decoding: parts[0], as: UTF8.self), isNull ? nil : value)
        }
    }

    private mutating func number() throws -> Int {
        let text = String(decoding: try self.until(UInt8(ascii: " ")), as: UTF8.self)
        return try #require(Int(text), "kcat printed \(text) where a number belongs")
    }

    private mutating func until(_ end: UInt8) throws -> Data {
        let index = try #require(self.bytes.firstIndex(of: end), "kcat's output ends in the middle of a record")
        defer { self.bytes = self.bytes[(index + 1)...] }
        return Data(self.bytes[..<index])
    }

    /// The next bytes; nil for the length -1, which is null.
    private mutating func take(_ count: Int) throws -> Data? {
        if count < 0 { return nil }
        try #require(self.bytes.count >= count, "kcat's output ends in the middle of a record")
        defer { self.bytes = self.bytes.dropFirst(count) }
        return Data(self.bytes.prefix(count))
    }
}
