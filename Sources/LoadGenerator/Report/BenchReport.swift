// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a run has found: what `martlet bench -o json` writes and `martlet bench compare` reads. docs/BENCH.md tells the
/// meaning of each field; new ones may be added to a version, none is taken away or changed.
public struct BenchReport: Codable, Sendable, Equatable {
    /// What stands in ``format``.
    public static let formatName = "martlet-bench"
    /// What stands in ``version``.
    public static let currentVersion = 1

    /// How the run came to its end.
    public enum Outcome: String, Codable, Sendable {
        /// As planned.
        case complete
        /// Somebody stopped it: figures are of the time until then.
        case interrupted
    }

    public var format = Self.formatName
    public var version = Self.currentVersion
    public var name: String
    public var mode: Workload.Mode
    /// Wall clock, ISO 8601 in UTC.
    public var startedAt: String
    public var outcome: Outcome
    public var workload: Settings
    public var cluster: Cluster
    public var machine: Machine
    /// What was done, in the order of the table.
    public var phases: [Phase]
    /// One point for each second, warm-up included.
    public var series: [Point]
    public var totals: Totals
    public var errors: [Failure]

    /// The workload as it was run.
    public struct Settings: Codable, Sendable, Equatable {
        public var topics: Int
        public var partitionsPerTopic: Int
        public var replicationFactor: Int?
        public var producers: Int
        public var consumers: Int
        public var subscriptions: Int
        public var usesGroups: Bool
        public var messageSize: String
        public var keys: String
        public var randomBytesRatio: Double
        /// Records a second; 0 for as fast as it goes.
        public var rate: Double
        public var acks: String
        public var codec: String
        public var lingerMs: Int
        public var batchBytes: Int
        public var inFlight: Int
        public var warmUpSeconds: Double
        /// Nil where something else ends the run.
        public var seconds: Double?
        /// Nil where something else ends the run.
        public var records: Int?
        public var backlogBytes: Int
    }

    /// Whom the load was for.
    public struct Cluster: Codable, Sendable, Equatable {
        public var id: String?
        public var brokers: [String]
        /// Of the smallest request there is, on a connection of its own, in milliseconds: the network and the broker's
        /// threads, without disk.
        public var pingMs: Latency?
    }

    /// What the run took from the machine that it ran on.
    public struct Machine: Codable, Sendable, Equatable {
        public var cores: Int
        /// Cores that this process kept busy, on average.
        public var clientCores: Double
        /// The same for its busiest thread, at most 1; nil where the system does not tell.
        public var busiestThread: Double?
        /// Cores that a broker on the same machine kept busy; nil when there is none, or it cannot be seen.
        public var brokerCores: Double?
        /// All that was busy, of whatever process; nil where the system does not tell.
        public var busyCores: Double?
        /// Which part of the time producers waited for memory because the cluster took records slower than they came,
        /// 0 to 1; nil without producers.
        public var producersWaited: Double?
        /// The load could not have been higher because of this process.
        public var clientWasBottleneck: Bool
        /// The same in words.
        public var verdict: String
    }

    /// A row of the table.
    public struct Phase: Codable, Sendable, Equatable {
        /// `fill`, `produce`, `consume` or `end-to-end`.
        public var name: String
        public var seconds: Double
        public var records: Int
        /// Of values, before compression.
        public var bytes: Int
        public var recordsPerSecond: Double
        public var bytesPerSecond: Double
        public var failed: Int
        /// Nil where none was measured.
        public var latencyMs: Latency?
        /// HdrHistogram's encoding V2, without compression, in base64; values are nanoseconds.
        public var histogram: String?
    }

    /// Latencies, in milliseconds.
    public struct Latency: Codable, Sendable, Equatable {
        public var mean: Double
        public var p50: Double
        public var p90: Double
        public var p99: Double
        public var p999: Double
        public var p9999: Double
        public var max: Double
    }

    /// What happened in about a second.
    public struct Point: Codable, Sendable, Equatable {
        /// When it ended, in seconds from when it began to count: 0 and below is warm-up.
        public var at: Double
        public var seconds: Double
        public var produced: Flow?
        public var consumed: Flow?
        /// Records that were acknowledged and not read yet, by the slowest subscription on average.
        public var backlog: Int?
        public var clientCores: Double
    }

    /// What went through in about a second.
    public struct Flow: Codable, Sendable, Equatable {
        public var recordsPerSecond: Double
        public var bytesPerSecond: Double
        public var failed: Int
        /// In milliseconds; nil where none was measured.
        public var p50: Double?
        public var p99: Double?
        public var max: Double?
    }

    /// All records of the run, warm-up and backlog included: what was sent has to be somewhere.
    public struct Totals: Codable, Sendable, Equatable {
        public var sent: Int
        public var acknowledged: Int
        public var failed: Int
        /// By all subscriptions together; nil without consumers.
        public var received: Int?
        /// In the partitions at the end; nil when that could not be asked.
        public var inLog: Int?
        /// Seconds from the start until a backlog had been caught up with; nil without backlog, or if it never was.
        public var backlogDrainedAfter: Double?
    }

    /// An error and how often it was met.
    public struct Failure: Codable, Sendable, Equatable {
        public var kind: String
        public var message: String
        public var count: Int
    }
}

extension BenchReport.Latency {
    init?(_ histogram: LatencyHistogram) {
        guard !histogram.isEmpty else { return nil }
        func ms(_ percentile: Double) -> Double { Double(histogram.percentile(percentile)) / 1e6 }
        self.init(
            mean: histogram.mean / 1e6, p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), p9999: ms(99.99),
            max: Double(histogram.max) / 1e6)
    }
}

extension BenchReport.Settings {
    /// What a workload says.
    public init(_ workload: Workload) {
        self.init(
            topics: workload.topicCount, partitionsPerTopic: workload.partitionsPerTopic,
            replicationFactor: workload.replicationFactor.map(Int.init),
            producers: workload.needsProducers ? workload.producerCount : 0,
            consumers: workload.consumes ? workload.consumerCount : 0, subscriptions: workload.subscriptions,
            usesGroups: workload.usesGroups, messageSize: workload.size.description, keys: workload.keys.description,
            randomBytesRatio: workload.randomBytesRatio, rate: workload.rate ?? 0, acks: workload.acksText,
            codec: "\(workload.codec)", lingerMs: workload.lingerMs, batchBytes: workload.batchBytes,
            inFlight: workload.inFlight, warmUpSeconds: workload.effectiveWarmUp, seconds: nil, records: nil,
            backlogBytes: workload.backlogBytes)
        switch workload.limit {
        case .seconds(let seconds): self.seconds = seconds
        case .records(let records): self.records = records
        case .backlog: break
        }
    }
}
