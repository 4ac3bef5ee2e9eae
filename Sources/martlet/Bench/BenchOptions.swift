// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Foundation
import KafkaClient
import LoadGenerator

/// Which topics a run makes.
struct BenchTopicOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("How many topics. (default: 1)", valueName: "number"))
    var topics: Int?

    @Option(name: .shortAndLong, help: ArgumentHelp("Partitions of each topic. (default: 4)", valueName: "number"))
    var partitions: Int?

    @Option(
        name: .long, help: ArgumentHelp("Replicas of each partition. (default: the cluster's)", valueName: "number"))
    var replicationFactor: Int16?

    @Option(
        name: .long,
        help: ArgumentHelp("A config of the topics; may be given several times.", valueName: "name=value"))
    var topicConfig: [String] = []

    func validate() throws {
        for config in self.topicConfig where !config.dropFirst().contains("=") {
            throw ValidationError("--topic-config takes name=value, and not '\(config)'.")
        }
        guard (self.replicationFactor ?? 1) >= 1 else {
            throw ValidationError("--replication-factor must be at least 1.")
        }
    }

    func apply(to workload: inout Workload) {
        if let topics { workload.topicCount = topics }
        if let partitions { workload.partitionsPerTopic = partitions }
        if let replicationFactor { workload.replicationFactor = replicationFactor }
        for config in self.topicConfig {
            let parts = config.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            workload.topicConfigs[parts[0]] = parts.count > 1 ? parts[1] : ""
        }
    }
}

/// What topics are called, and whether they stay.
struct BenchNameOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("What the names of topics begin with.", valueName: "prefix"))
    var topic = "martlet-bench"

    @Flag(name: .long, help: "Do not delete the topics after the run.")
    var keep = false
}

/// Who tells of the brokers.
struct BenchAdminOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Admin ports of the brokers, which tell where the time of requests goes: host:port or http://host:port,"
                + " separated by commas, or given several times. (default: nobody is asked)", valueName: "url"))
    var admin: [String] = []

    func validate() throws { _ = try self.addresses() }

    /// The admin ports, each once. Throws `ValidationError`.
    func addresses() throws -> [AdminAddress] {
        var addresses: [AdminAddress] = []
        for text in self.admin.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            guard let address = AdminAddress(text) else {
                throw ValidationError(
                    "--admin takes host:port or http://host:port, or several separated by commas, and not '\(text)'.")
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
        guard addresses.count <= AdminAddress.countMax else {
            throw ValidationError("--admin takes at most \(AdminAddress.countMax) addresses.")
        }
        return addresses
    }
}

/// What records are like.
struct BenchRecordOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Bytes of each value: N, uniform:A-B, normal:MEAN,DEVIATION or zipf:A-B. (default: 1024)",
            valueName: "size"))
    var size: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "none, random:N, round-robin:N (so many different keys), or partition: no keys, partitions in turn."
                + " (default: none)", valueName: "keys"))
    var keys: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Which part of a value is random, 0 to 1; the rest are zeros. (default: 0.5)", valueName: "ratio"))
    var randomBytes: Double?

    @Option(
        name: .long,
        help: ArgumentHelp("Make values of the bytes of this file instead.", valueName: "file"))
    var payloadFile: String?

    /// The largest file of a payload, in bytes.
    private static let payloadBytesMax = 64 << 20

    func apply(to workload: inout Workload) throws {
        if let size {
            guard let distribution = SizeDistribution(size) else {
                throw ValidationError(
                    "--size takes N, uniform:A-B, normal:MEAN,DEVIATION or zipf:A-B with A of at least 1, at most"
                        + " \(SizeDistribution.bytesMax) bytes, and not '\(size)'.")
            }
            workload.size = distribution
        }
        if let keys {
            guard let choice = KeyChoice(keys) else {
                throw ValidationError(
                    "--keys takes none, partition, random:N or round-robin:N with N up to \(KeyChoice.countMax), and"
                        + " not '\(keys)'.")
            }
            workload.keys = choice
        }
        if let randomBytes { workload.randomBytesRatio = randomBytes }
        if let payloadFile {
            workload.payload = try BenchFiles.read(payloadFile, bytesMax: Self.payloadBytesMax)
        }
    }
}

/// Who writes, and how.
struct BenchProducerOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Producers, which share the topics. (default: 1)", valueName: "number"))
    var producers: Int?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Records a second of all producers; 0 for as fast as it goes. (default: 0, of end-to-end 1000)",
            valueName: "number"))
    var rate: Double?

    @Option(
        name: .long,
        help: ArgumentHelp("Who must have a record: all, 1 or 0. (default: all)", valueName: "acks"),
        transform: DeliveryOptions.acks)
    var acks: RequiredAcks?

    @Option(
        name: .long,
        help: ArgumentHelp("none, gzip, snappy, lz4 or zstd. (default: none)", valueName: "name"),
        transform: DeliveryOptions.codec)
    var codec: CompressionCodec?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long a batch waits for more. (default: 5, of end-to-end 0)", valueName: "milliseconds"))
    var linger: Int?

    @Option(
        name: .long, help: ArgumentHelp("When a batch is full, such as 1MiB. (default: 256KiB)", valueName: "bytes"))
    var batchBytes: ByteCount?

    @Option(name: .long, help: ArgumentHelp("Requests on their way to a broker. (default: 5)", valueName: "number"))
    var inFlight: Int?

    func apply(to workload: inout Workload) {
        if let producers { workload.producers = .total(producers) }
        if let rate { workload.rate = rate == 0 ? nil : rate }
        if let acks { workload.acks = acks }
        if let codec { workload.codec = codec }
        if let linger { workload.lingerMs = linger }
        if let batchBytes { workload.batchBytes = batchBytes.bytes }
        if let inFlight { workload.inFlight = inFlight }
    }
}

/// Who reads, and what.
struct BenchConsumerOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("Consumers, which share the partitions. (default: 1)", valueName: "number"))
    var consumers: Int?

    @Option(
        name: .long,
        help: ArgumentHelp("How often everything is read, by so many consumers each. (default: 1)", valueName: "number")
    )
    var subscriptions: Int?

    @Flag(name: .long, help: "Let a consumer group for each subscription share the partitions out.")
    var groups = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What is written before, such as 1GB. (default: 0, of consume 256MiB)", valueName: "bytes"))
    var backlog: ByteCount?

    @Option(
        name: .long,
        help: ArgumentHelp("A broker answers when it has so many bytes. (default: 1)", valueName: "bytes"))
    var fetchBytesMin: ByteCount?

    func apply(to workload: inout Workload) throws {
        if let consumers { workload.consumers = .total(consumers) }
        if let subscriptions { workload.subscriptions = subscriptions }
        if let backlog { workload.backlogBytes = backlog.bytes }
        if let fetchBytesMin { workload.fetchBytesMin = fetchBytesMin.bytes }
        workload.usesGroups = self.groups
        guard workload.mode != .consume || !self.groups else {
            throw ValidationError(
                "--groups goes with end-to-end and mixed: consume sets its consumers back to the start.")
        }
    }
}

/// How long it takes.
struct BenchTimeOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("How long is measured. (default: 10)", valueName: "seconds"))
    var seconds: Double?

    @Option(name: .long, help: ArgumentHelp("What does not count at the start. (default: 2)", valueName: "seconds"))
    var warmUp: Double?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("End after so many records instead, without a warm-up.", valueName: "number"))
    var records: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where chance begins: the same keys and payloads for the same number. (default: any)", valueName: "number"))
    var seed: UInt64?

    func apply(to workload: inout Workload) throws {
        if let seconds { workload.limit = .seconds(seconds) }
        if let warmUp { workload.warmUp = warmUp }
        if let records {
            guard self.seconds == nil else { throw ValidationError("--records and --seconds both say when it ends.") }
            workload.limit = .records(records)
        }
    }
}
