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

    /// Always ``formatName``.
    public var format = Self.formatName
    /// The version of the shape.
    public var version = Self.currentVersion
    /// What the run or the phase is called.
    public var name: String
    /// What was measured.
    public var mode: Workload.Mode
    /// Wall clock, ISO 8601 in UTC.
    public var startedAt: String
    /// How the run came to its end.
    public var outcome: Outcome
    /// What was run.
    public var workload: Settings
    /// Whom the load was for.
    public var cluster: Cluster
    /// What the run took from this machine.
    public var machine: Machine
    /// What was done, in the order of the table.
    public var phases: [Phase]
    /// One point for each second, warm-up included.
    public var series: [Point]
    /// All records of the run.
    public var totals: Totals
    /// What went wrong, the most frequent first.
    public var errors: [Failure]
    /// What the brokers measured themselves; nil when they were not asked.
    public var brokerTimes: BrokerTimes?

    /// The workload as it was run.
    public struct Settings: Codable, Sendable, Equatable {
        /// How many topics were made.
        public var topics: Int
        /// How many partitions each had.
        public var partitionsPerTopic: Int
        /// Replicas of each partition; nil for the cluster's default.
        public var replicationFactor: Int?
        /// How many there were.
        public var producers: Int
        /// How many there were, of all subscriptions.
        public var consumers: Int
        /// How often every record was read.
        public var subscriptions: Int
        /// Consumer groups shared the partitions out.
        public var usesGroups: Bool
        /// See ``SizeDistribution``.
        public var messageSize: String
        /// See ``KeyChoice``.
        public var keys: String
        /// Which part of values was random.
        public var randomBytesRatio: Double
        /// Records a second; 0 for as fast as it goes.
        public var rate: Double
        /// `all`, `1` or `0`.
        public var acks: String
        /// How batches were compressed.
        public var codec: String
        /// How long a batch waited for more, in milliseconds.
        public var lingerMs: Int
        /// When a batch was full, in bytes before compression.
        public var batchBytes: Int
        /// Requests of a producer on their way to one broker.
        public var inFlight: Int
        /// What did not count at the start.
        public var warmUpSeconds: Double
        /// Nil where something else ends the run.
        public var seconds: Double?
        /// Nil where something else ends the run.
        public var records: Int?
        /// What was written before, in bytes of values.
        public var backlogBytes: Int
    }

    /// Whom the load was for.
    public struct Cluster: Codable, Sendable, Equatable {
        /// The cluster's own name; nil if it has none.
        public var id: String?
        /// Their addresses.
        public var brokers: [String]
        /// Of the smallest request there is, on a connection of its own, in milliseconds: the network and the broker's
        /// threads, without disk.
        public var pingMs: Latency?
    }

    /// What the run took from the machine that it ran on.
    public struct Machine: Codable, Sendable, Equatable {
        /// Processors of the machine.
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
        /// How long it took.
        public var seconds: Double
        /// Records that counted.
        public var records: Int
        /// Of values, before compression.
        public var bytes: Int
        /// Records a second.
        public var recordsPerSecond: Double
        /// Bytes of values a second.
        public var bytesPerSecond: Double
        /// Records that failed, warm-up included.
        public var failed: Int
        /// Nil where none was measured.
        public var latencyMs: Latency?
        /// HdrHistogram's encoding V2, without compression, in base64; values are nanoseconds.
        public var histogram: String?
    }

    /// Latencies, in milliseconds.
    public struct Latency: Codable, Sendable, Equatable {
        /// The mean.
        public var mean: Double
        /// Half of the records took no longer.
        public var p50: Double
        /// 90 % took no longer.
        public var p90: Double
        /// 99 % took no longer.
        public var p99: Double
        /// 99.9 % took no longer.
        public var p999: Double
        /// 99.99 % took no longer.
        public var p9999: Double
        /// What the slowest took.
        public var max: Double
    }

    /// What happened in about a second.
    public struct Point: Codable, Sendable, Equatable {
        /// When it ended, in seconds from when it began to count: 0 and below is warm-up.
        public var at: Double
        /// How long it took.
        public var seconds: Double
        /// What producers had acknowledged; nil without any.
        public var produced: Flow?
        /// What consumers read; nil without any.
        public var consumed: Flow?
        /// Records that were acknowledged and not read yet, by the slowest subscription on average.
        public var backlog: Int?
        /// Cores that this process kept busy.
        public var clientCores: Double
    }

    /// What went through in about a second.
    public struct Flow: Codable, Sendable, Equatable {
        /// Records a second.
        public var recordsPerSecond: Double
        /// Bytes of values a second.
        public var bytesPerSecond: Double
        /// Records that failed, warm-up included.
        public var failed: Int
        /// In milliseconds; nil where none was measured.
        public var p50: Double?
        /// 99 % took no longer.
        public var p99: Double?
        /// What the slowest took.
        public var max: Double?
    }

    /// All records of the run, warm-up and backlog included: what was sent has to be somewhere.
    public struct Totals: Codable, Sendable, Equatable {
        /// Handed to the producers.
        public var sent: Int
        /// By the cluster; with acks=0 what was handed to the operating system.
        public var acknowledged: Int
        /// Records that failed, warm-up included.
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
        /// The protocol's name of the error, or the client's.
        public var kind: String
        /// What was said of it first.
        public var message: String
        /// Records that it met, or how often it happened.
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
