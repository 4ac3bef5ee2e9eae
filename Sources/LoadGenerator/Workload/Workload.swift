// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaClient

/// What a run does: which topics, how many who write and read, which records, how fast and for how long.
public struct Workload: Sendable, Hashable {
    /// What is measured.
    public enum Mode: String, Sendable, CaseIterable, Codable {
        /// Writing.
        case produce
        /// Reading what was written before.
        case consume
        /// From the moment a record is due to the moment that its reader has it.
        case endToEnd = "end-to-end"
        /// Writing and reading at the same time.
        case mixed
    }

    /// How many there are of those who write or read.
    public enum Workers: Sendable, Hashable {
        /// So many, which share all topics.
        case total(Int)
        /// So many of each topic.
        case perTopic(Int)

        var number: Int {
            switch self {
            case .total(let number), .perTopic(let number): number
            }
        }
    }

    /// When it ends.
    public enum Limit: Sendable, Hashable {
        /// So many seconds after the warm-up.
        case seconds(Double)
        /// When so many records have been written and read; there is no warm-up then.
        case records(Int)
        /// When the backlog has been read once; there is no warm-up then.
        case backlog
    }

    /// What the report is called.
    public var name: String
    /// What is measured.
    public var mode: Mode
    /// How many topics are made.
    public var topicCount = 1
    /// How many partitions each has.
    public var partitionsPerTopic = 4
    /// Nil for the cluster's default.
    public var replicationFactor: Int16?
    /// Configs of the topics that are made.
    public var topicConfigs: [String: String] = [:]
    /// How large values are.
    public var size = SizeDistribution.fixed(1024)
    /// Which part of a value is random, from 0 to 1; the rest is zeros. It says how well batches can be compressed.
    public var randomBytesRatio = 0.5
    /// How many different values there are at most; see ``PayloadPool``.
    public var payloadPoolSize = 1000
    /// What values are made of instead, repeated or cut off to their size.
    public var payload: [UInt8]?
    /// Which keys records have.
    public var keys = KeyChoice.none
    /// Who writes.
    public var producers = Workers.total(1)
    /// Who reads, for each subscription.
    public var consumers = Workers.total(1)
    /// How often every record is read, by consumers that know nothing of each other.
    public var subscriptions = 1
    /// Partitions are shared out by a consumer group for each subscription, and not by the run itself.
    public var usesGroups = false
    /// Records a second of all producers together; nil for as fast as it goes.
    public var rate: Double?
    /// What is written before the run begins to measure, in bytes of values, for its consumers to read.
    public var backlogBytes = 0
    /// When it ends.
    public var limit = Limit.seconds(10)
    /// Seconds at the beginning that do not count.
    public var warmUp = 2.0
    /// Who must have a record before it counts as written.
    public var acks = RequiredAcks.all
    /// How batches are compressed.
    public var codec = CompressionCodec.none
    /// How long a batch waits for more, in milliseconds.
    public var lingerMs = 5
    /// When a batch is full, in bytes before compression.
    public var batchBytes = 256 * 1024
    /// Requests of a producer on their way to one broker.
    public var inFlight = 5
    /// A broker answers a consumer when it has so many bytes, or after ``fetchWaitMs``.
    public var fetchBytesMin = 1
    /// Milliseconds.
    public var fetchWaitMs = 500

    /// A workload with the defaults of its mode.
    public init(mode: Mode, name: String? = nil) {
        self.mode = mode
        self.name = name ?? mode.rawValue
        switch mode {
        case .produce, .mixed: break
        case .consume: self.backlogBytes = 256 << 20
        case .endToEnd:
            self.rate = 1000
            self.lingerMs = 0
        }
    }

    /// It has producers after its backlog was written.
    public var produces: Bool { self.mode != .consume }
    /// It has consumers.
    public var consumes: Bool { self.mode != .produce }
    /// Records carry the time at which they were due.
    public var stampsRecords: Bool { self.mode == .endToEnd || self.mode == .mixed }

    /// The warm-up, if there is one.
    var effectiveWarmUp: Double {
        if case .seconds = self.limit { self.warmUp } else { 0 }
    }

    var acksText: String {
        switch self.acks {
        case .all: "all"
        case .leader: "1"
        case .none: "0"
        }
    }

    /// How many records the backlog has.
    var backlogRecords: Int {
        guard self.backlogBytes > 0 else { return 0 }
        return max(1, Int(Double(self.backlogBytes) / max(self.size.mean, 1)))
    }
}

/// A workload that cannot be run, and why.
public struct InvalidWorkload: Error, Sendable, CustomStringConvertible {
    /// What is wrong, for people; names the setting.
    public let description: String

    init(_ description: String) { self.description = description }
}
