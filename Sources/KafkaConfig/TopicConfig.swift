// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What becomes of a topic's old records. Empty: nothing, they stay for ever.
public struct CleanupPolicy: OptionSet, Sendable, Hashable {
    /// One bit for each policy.
    public let rawValue: UInt8
    /// A policy of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Segments past the retention limits are deleted.
    public static let delete = CleanupPolicy(rawValue: 1)
    /// Of each key the last record is kept.
    public static let compact = CleanupPolicy(rawValue: 2)
}

/// The codec a topic's batches are stored with.
public enum TopicCompression: String, Sendable, Hashable, CaseIterable {
    /// As the producer sent them.
    case producer
    case uncompressed
    case gzip
    case snappy
    case lz4
    case zstd
}

/// Whose clock the time of a topic's records is; the raw value is the text of the config.
public enum MessageTimestampType: String, Sendable, Hashable, CaseIterable {
    case createTime = "CreateTime"
    case logAppendTime = "LogAppendTime"
}

/// The configs of one topic as values: its own where set, the broker's otherwise.
///
/// The property names are Kafka's config names in camel case; times are milliseconds and sizes bytes, as the names say.
public struct TopicConfig: Sendable, Hashable {
    /// What becomes of old records.
    public private(set) var cleanupPolicy: CleanupPolicy = .delete
    /// The codec that batches are stored with.
    public private(set) var compressionType: TopicCompression = .producer
    /// 1...9, or -1 for the codec's own default.
    public private(set) var compressionGzipLevel = -1
    /// 1...17.
    public private(set) var compressionLZ4Level = 9
    /// -131072...22.
    public private(set) var compressionZstdLevel = 3
    /// How long compaction keeps a tombstone.
    public private(set) var deleteRetentionMs: Int64 = 86_400_000
    /// Time between taking a file out of use and deleting it.
    public private(set) var fileDeleteDelayMs: Int64 = 60_000
    /// 1: acks=all answers wait for stable storage. See ``acksAllWaitsForStableStorage``.
    public private(set) var flushMessages: Int64 = 1
    /// `Int64.max` for never. Counts only where `flushMessages` is above 1.
    public private(set) var flushMs: Int64 = .max
    /// Bytes of records between two index entries, about.
    public private(set) var indexIntervalBytes = 4096
    /// The longest a record may wait for compaction; `Int64.max` for no limit.
    public private(set) var maxCompactionLagMs: Int64 = .max
    /// The largest batch, as stored, header included.
    public private(set) var maxMessageBytes = 1_048_588
    /// Whose clock a record's time is.
    public private(set) var messageTimestampType: MessageTimestampType = .createTime
    /// How far a record's time may lie before the broker's, with create time.
    public private(set) var messageTimestampBeforeMaxMs: Int64 = .max
    /// How far a record's time may lie after the broker's, with create time.
    public private(set) var messageTimestampAfterMaxMs: Int64 = 3_600_000
    /// 0...1.
    public private(set) var minCleanableDirtyRatio = 0.5
    /// How long a record is safe from compaction.
    public private(set) var minCompactionLagMs: Int64 = 0
    /// Replicas that must have a batch before acks=all is answered.
    public private(set) var minInsyncReplicas = 1
    /// Whether the disk space of a segment is reserved when it is begun.
    public private(set) var preallocate = false
    /// Negative for no limit.
    public private(set) var retentionBytes: Int64 = -1
    /// -1 for ever.
    public private(set) var retentionMs: Int64 = 604_800_000
    /// Size at which the next segment is begun.
    public private(set) var segmentBytes = 1_073_741_824
    /// The largest size of an index file.
    public private(set) var segmentIndexBytes = 10_485_760
    /// At most so much is taken off `segmentMs`, at random.
    public private(set) var segmentJitterMs: Int64 = 0
    /// Age at which the next segment is begun.
    public private(set) var segmentMs: Int64 = 604_800_000
    /// Whether a replica that lags behind may lead.
    public private(set) var uncleanLeaderElectionEnable = false

    /// Set in tests that want segments smaller than Kafka allows; read through `segmentBytes`.
    private var internalSegmentBytes: Int?

    /// Martlet's defaults, without a broker.
    public init() {}

    /// The broker's defaults with a topic's own configs over them.
    ///
    /// Throws ``ConfigError``: `unknownName`, `invalidValue`, or `conflict` for values that do not go together.
    /// Cost: the number of overrides.
    public init(overrides: [String: String], broker: BrokerConfig) throws(ConfigError) {
        self = broker.topicDefaults
        for (name, value) in overrides {
            let definition = try TopicConfigDefinitions.require(name)
            try definition.validate(value)
            try self.set(definition, ConfigText.trimmed(value))
        }
        try self.checkTogether()
    }

    /// Whether an acks=all answer waits until its records are on stable storage: true unless `flush.messages` is
    /// set above 1.
    public var acksAllWaitsForStableStorage: Bool { self.flushMessages <= 1 }

    /// Checks what no config can check alone.
    func checkTogether() throws(ConfigError) {
        guard self.minCompactionLagMs <= self.maxCompactionLagMs else {
            throw ConfigError(
                .conflict, name: "min.compaction.lag.ms",
                message: """
                    min.compaction.lag.ms (\(self.minCompactionLagMs)) must not be above max.compaction.lag.ms \
                    (\(self.maxCompactionLagMs))
                    """)
        }
    }
}

extension TopicConfig {
    /// Sets one property from its validated, trimmed text. Configs that are kept without effect set nothing.
    mutating func set(_ definition: ConfigDefinition, _ text: String) throws(ConfigError) {
        let name = definition.name
        if let path = Self.longs[name] {
            self[keyPath: path] = try ConfigText.integer(text, as: Int64.self, for: name)
        } else if let path = Self.ints[name] {
            self[keyPath: path] = Int(try ConfigText.integer(text, as: Int32.self, for: name))
        } else if let path = Self.booleans[name] {
            self[keyPath: path] = try ConfigText.boolean(text, for: name)
        } else {
            try self.setSpecial(name, text)
        }
        if let bytes = self.internalSegmentBytes { self.segmentBytes = bytes }
    }

    private mutating func setSpecial(_ name: String, _ text: String) throws(ConfigError) {
        switch name {
        case "cleanup.policy":
            self.cleanupPolicy = ConfigText.list(text).reduce(into: []) { policy, item in
                policy.insert(item == "compact" ? .compact : .delete)
            }
        case "compression.type":
            self.compressionType = TopicCompression(rawValue: text) ?? .producer
        case "message.timestamp.type":
            self.messageTimestampType = MessageTimestampType(rawValue: text) ?? .createTime
        case "min.cleanable.dirty.ratio":
            self.minCleanableDirtyRatio = try ConfigText.double(text, for: name)
        case "internal.segment.bytes":
            self.internalSegmentBytes = Int(try ConfigText.integer(text, as: Int32.self, for: name))
        default:
            break
        }
    }

    private typealias Path<Value> = any WritableKeyPath<TopicConfig, Value> & Sendable

    private static let longs: [String: Path<Int64>] = [
        "delete.retention.ms": \.deleteRetentionMs,
        "file.delete.delay.ms": \.fileDeleteDelayMs,
        "flush.messages": \.flushMessages,
        "flush.ms": \.flushMs,
        "max.compaction.lag.ms": \.maxCompactionLagMs,
        "message.timestamp.before.max.ms": \.messageTimestampBeforeMaxMs,
        "message.timestamp.after.max.ms": \.messageTimestampAfterMaxMs,
        "min.compaction.lag.ms": \.minCompactionLagMs,
        "retention.bytes": \.retentionBytes,
        "retention.ms": \.retentionMs,
        "segment.jitter.ms": \.segmentJitterMs,
        "segment.ms": \.segmentMs,
    ]

    private static let ints: [String: Path<Int>] = [
        "compression.gzip.level": \.compressionGzipLevel,
        "compression.lz4.level": \.compressionLZ4Level,
        "compression.zstd.level": \.compressionZstdLevel,
        "index.interval.bytes": \.indexIntervalBytes,
        "max.message.bytes": \.maxMessageBytes,
        "min.insync.replicas": \.minInsyncReplicas,
        "segment.bytes": \.segmentBytes,
        "segment.index.bytes": \.segmentIndexBytes,
    ]

    private static let booleans: [String: Path<Bool>] = [
        "preallocate": \.preallocate,
        "unclean.leader.election.enable": \.uncleanLeaderElectionEnable,
    ]
}
