// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import Yams

/// A workload in YAML, with the keys of OpenMessaging Benchmark's workload files and some more; benchmarks/workloads
/// has examples, docs/BENCH.md a table of all keys.
///
/// A key that is not known is an error: a misspelt one would otherwise measure something else.
public enum WorkloadFile {
    /// The largest file, in bytes: a workload has some lines.
    public static let bytesMax = 1 << 20

    /// Reads a workload. Throws `InvalidWorkload`, which names the line, for text that is not YAML, for keys that are
    /// not known, and for values out of range.
    ///
    /// - Parameters:
    ///   - path: of the file, for errors.
    ///   - payload: gives the bytes of the file that `payloadFile` names.
    public static func parse(
        _ text: String, path: String, payload: @escaping (String) throws -> [UInt8]
    ) throws -> Workload {
        let root: Node?
        do {
            root = try Parser(yaml: text).singleRoot()
        } catch {
            throw InvalidWorkload("\(path) is not YAML: \("\(error)".prefix(Self.reasonCharactersMax))")
        }
        guard case .mapping(let mapping)? = root else {
            throw InvalidWorkload("\(path) must have names and values at its top")
        }
        var fields: [String: Field] = [:]
        for (key, node) in mapping {
            let line = key.mark?.line ?? 1
            guard case .scalar(let name) = key, Self.keys.contains(name.string) else {
                throw InvalidWorkload(
                    "line \(line) of \(path): \(key.string ?? "?") is no key of a workload; those are"
                        + " \(Self.keys.sorted().joined(separator: ", "))")
            }
            guard fields[name.string] == nil else {
                throw InvalidWorkload("line \(line) of \(path): \(name.string) is set twice")
            }
            fields[name.string] = Field(name: name.string, node: node, place: "line \(line) of \(path)")
        }
        return try WorkloadReader(fields: fields, path: path, payload: payload).workload()
    }

    /// How much of the parser's own message is repeated, in characters.
    private static let reasonCharactersMax = 500

    static let keys: Set<String> = [
        // OpenMessaging Benchmark's.
        "name", "topics", "partitionsPerTopic", "messageSize", "payloadFile", "useRandomizedPayloads",
        "randomBytesRatio", "randomizedPayloadPoolSize", "subscriptionsPerTopic", "consumerPerSubscription",
        "producersPerTopic", "keyDistributor", "producerRate", "consumerBacklogSizeGB", "testDurationMinutes",
        "warmupDurationMinutes",
        // Our own.
        "mode", "messageSizes", "keys", "producers", "consumers", "acks", "codec", "linger", "batchBytes", "inFlight",
        "testDurationSeconds", "warmupDurationSeconds", "records", "backlogBytes", "replicationFactor", "topicConfigs",
        "consumerGroups", "fetchBytesMin",
    ]

    /// A key with its value.
    struct Field {
        var name: String
        var node: Node
        var place: String

        func invalid(_ expected: String) -> InvalidWorkload {
            InvalidWorkload("\(self.place): \(self.name) takes \(expected)")
        }

        func text() throws(InvalidWorkload) -> String {
            guard case .scalar(let scalar) = self.node else { throw self.invalid("one value") }
            return scalar.string
        }

        func integer() throws(InvalidWorkload) -> Int {
            guard let value = Int(try self.text()) else { throw self.invalid("a whole number") }
            return value
        }

        func number() throws(InvalidWorkload) -> Double {
            guard let value = Double(try self.text()), value.isFinite else { throw self.invalid("a number") }
            return value
        }

        func bool() throws(InvalidWorkload) -> Bool {
            switch try self.text().lowercased() {
            case "true", "yes", "on": return true
            case "false", "no", "off": return false
            default: throw self.invalid("true or false")
            }
        }
    }
}

/// Makes a workload of the keys of a file.
struct WorkloadReader {
    let fields: [String: WorkloadFile.Field]
    let path: String
    let payload: (String) throws -> [UInt8]

    func workload() throws -> Workload {
        var workload = Workload(mode: try self.mode(), name: try self.fields["name"]?.text())
        workload.rate = nil
        try self.readTopics(&workload)
        try self.readRecords(&workload)
        try self.readWorkers(&workload)
        try self.readTime(&workload)
        do {
            try workload.validate()
        } catch {
            throw InvalidWorkload("\(self.path): \(error)")
        }
        return workload
    }

    /// Written, or what the workers make of it: OpenMessaging Benchmark has no name for it.
    private func mode() throws -> Workload.Mode {
        if let field = self.fields["mode"] {
            guard let mode = Workload.Mode(rawValue: try field.text()) else {
                throw field.invalid("produce, consume, end-to-end or mixed")
            }
            return mode
        }
        let counts = ["consumerPerSubscription", "subscriptionsPerTopic", "consumers"].compactMap { self.fields[$0] }
        return try counts.isEmpty || counts.contains { try $0.integer() == 0 } ? .produce : .mixed
    }

    private func readTopics(_ workload: inout Workload) throws(InvalidWorkload) {
        if let field = self.fields["topics"] { workload.topicCount = try field.integer() }
        if let field = self.fields["partitionsPerTopic"] { workload.partitionsPerTopic = try field.integer() }
        if let field = self.fields["replicationFactor"] {
            guard let factor = Int16(exactly: try field.integer()), factor > 0 else {
                throw field.invalid("a number from 1 on")
            }
            workload.replicationFactor = factor
        }
        guard let field = self.fields["topicConfigs"] else { return }
        guard case .mapping(let mapping) = field.node else { throw field.invalid("names and values") }
        for (name, value) in mapping {
            guard let name = name.string, case .scalar(let scalar) = value else {
                throw field.invalid("names and values")
            }
            workload.topicConfigs[name] = scalar.string
        }
    }

    private func readRecords(_ workload: inout Workload) throws {
        for name in ["messageSize", "messageSizes"] {
            guard let field = self.fields[name] else { continue }
            guard let size = SizeDistribution(try field.text()) else {
                throw field.invalid("bytes: N, uniform:A-B, normal:MEAN,DEVIATION or zipf:A-B")
            }
            workload.size = size
        }
        if let field = self.fields["randomBytesRatio"] { workload.randomBytesRatio = try field.number() }
        if let field = self.fields["randomizedPayloadPoolSize"] { workload.payloadPoolSize = try field.integer() }
        let isRandom = try self.fields["useRandomizedPayloads"]?.bool() ?? (self.fields["payloadFile"] == nil)
        if let field = self.fields["payloadFile"], !isRandom { workload.payload = try self.payload(try field.text()) }
        if let field = self.fields["keyDistributor"] {
            let names: [String: KeyChoice] = [
                "NO_KEY": .none, "KEY_ROUND_ROBIN": .roundRobin(KeyChoice.countDefault),
                "RANDOM_NANO": .random(KeyChoice.countDefault),
            ]
            guard let keys = names[try field.text()] else {
                throw field.invalid("NO_KEY, KEY_ROUND_ROBIN or RANDOM_NANO")
            }
            workload.keys = keys
        }
        if let field = self.fields["keys"] {
            guard let keys = KeyChoice(try field.text()) else {
                throw field.invalid("none, partition, random:N or round-robin:N")
            }
            workload.keys = keys
        }
    }

    private func readWorkers(_ workload: inout Workload) throws(InvalidWorkload) {
        if let field = self.fields["producersPerTopic"] { workload.producers = .perTopic(try field.integer()) }
        if let field = self.fields["producers"] { workload.producers = .total(try field.integer()) }
        if let field = self.fields["consumerPerSubscription"] { workload.consumers = .perTopic(try field.integer()) }
        if let field = self.fields["consumers"] { workload.consumers = .total(try field.integer()) }
        if let field = self.fields["subscriptionsPerTopic"] {
            workload.subscriptions = try field.integer()
            // OpenMessaging Benchmark has workloads without readers.
            if workload.subscriptions == 0, !workload.consumes { workload.subscriptions = 1 }
        }
        if let field = self.fields["consumerGroups"] { workload.usesGroups = try field.bool() }
        if let field = self.fields["acks"] {
            let names: [String: RequiredAcks] = ["all": .all, "-1": .all, "1": .leader, "0": .none]
            guard let acks = names[try field.text()] else { throw field.invalid("all, 1 or 0") }
            workload.acks = acks
        }
        if let field = self.fields["codec"] {
            guard let codec = CompressionCodec(name: try field.text()) else {
                throw field.invalid("none, gzip, snappy, lz4 or zstd")
            }
            workload.codec = codec
        }
        if let field = self.fields["linger"] { workload.lingerMs = try field.integer() }
        if let field = self.fields["batchBytes"] { workload.batchBytes = try field.integer() }
        if let field = self.fields["inFlight"] { workload.inFlight = try field.integer() }
        if let field = self.fields["fetchBytesMin"] { workload.fetchBytesMin = try field.integer() }
    }

    private func readTime(_ workload: inout Workload) throws(InvalidWorkload) {
        if let field = self.fields["producerRate"] {
            let rate = try field.number()
            workload.rate = rate == 0 ? nil : rate
        }
        if let field = self.fields["testDurationMinutes"] { workload.limit = .seconds(try field.number() * 60) }
        if let field = self.fields["testDurationSeconds"] { workload.limit = .seconds(try field.number()) }
        if let field = self.fields["records"] { workload.limit = .records(try field.integer()) }
        if let field = self.fields["warmupDurationMinutes"] { workload.warmUp = try field.number() * 60 }
        if let field = self.fields["warmupDurationSeconds"] { workload.warmUp = try field.number() }
        if let field = self.fields["consumerBacklogSizeGB"] {
            let gigabytes = try field.number()
            guard gigabytes >= 0, gigabytes <= 16_384 else { throw field.invalid("0 to 16384") }
            workload.backlogBytes = Int(gigabytes * Double(1 << 30))
        }
        if let field = self.fields["backlogBytes"] { workload.backlogBytes = try field.integer() }
    }
}
