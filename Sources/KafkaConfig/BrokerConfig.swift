// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How much is logged, the least first.
public enum BrokerLogLevel: String, Sendable, Hashable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}

/// How the log is written.
public enum BrokerLogFormat: String, Sendable, Hashable, CaseIterable {
    /// A line for people.
    case text
    /// An object a line, for machines.
    case json
}

/// The configs of one broker as values, resolved from names and texts.
///
/// The property names are Kafka's config names in camel case; times are milliseconds and sizes bytes, as the names say.
public struct BrokerConfig: Sendable, Hashable {
    /// 0 or more.
    public private(set) var nodeID: Int32 = 1
    /// The cluster's id, if the operator chose one.
    public private(set) var clusterID: String?
    /// The least that is logged.
    public private(set) var logLevel: BrokerLogLevel = .info
    /// How it is written.
    public private(set) var logFormat: BrokerLogFormat = .text

    /// Where to listen, in the order written; at least one, their names unlike.
    public private(set) var listeners: [Listener] = []
    /// What clients are told, each with the name of a listener. Empty: the address the connection reached.
    public private(set) var advertisedListeners: [Listener] = []
    /// Where metrics and health are served, all with the name ADMIN; empty for nowhere.
    public private(set) var adminListeners: [Listener] = []
    /// Listeners that are meant for Kafka's controllers and are not opened, as they were written.
    public private(set) var controllerListeners: [String] = []
    /// nil: by the number of cores.
    public private(set) var numNetworkThreads: Int?
    /// nil: by the number of cores.
    public private(set) var numIOThreads: Int?
    /// -1 for the system's choice.
    public private(set) var socketSendBufferBytes = -1
    /// -1 for the system's choice.
    public private(set) var socketReceiveBufferBytes = -1

    /// The largest request; one that announces more costs its connection.
    public private(set) var socketRequestMaxBytes = 104_857_600
    /// Connections at a time, on all listeners.
    public private(set) var maxConnections = 2_147_483_647
    /// Connections at a time from one address.
    public private(set) var maxConnectionsPerIP = 2_147_483_647
    /// Negative for never.
    public private(set) var connectionsMaxIdleMs: Int64 = 600_000
    /// nil: the broker's own bound.
    public private(set) var queuedMaxRequestBytes: Int?
    /// Of one connection.
    public private(set) var queuedMaxRequests = 500
    /// Record bytes of one Fetch answer; a first batch that is larger is sent nevertheless.
    public private(set) var fetchMaxBytes = 57_671_680
    /// Fetch sessions kept at a time; 0 for none.
    public private(set) var maxIncrementalFetchSessionCacheSlots = 1000

    /// At least one.
    public private(set) var logDirs: [String] = ["martlet-data"]
    /// Free bytes of the data directory's file system below which no records are taken; -1 for the broker's own choice.
    public private(set) var logDirMinFreeBytes: Int64 = -1
    /// Partitions of a topic made without saying how many.
    public private(set) var numPartitions = 1
    /// Replicas of a topic made without saying how many.
    public private(set) var defaultReplicationFactor = 1
    /// Whether a topic is made when a client first asks for it.
    public private(set) var autoCreateTopicsEnable = true
    /// Whether topics may be deleted.
    public private(set) var deleteTopicEnable = true
    /// Time between looks for segments past their retention.
    public private(set) var logRetentionCheckIntervalMs: Int64 = 300_000
    /// Bytes a second that are read in search of damage; 0 or less for none.
    public private(set) var logScrubBytesPerSecond: Int64 = 8_388_608
    /// Time in which each sealed segment is read once in search of damage; 0 or less for never.
    public private(set) var logScrubIntervalMs: Int64 = 604_800_000
    /// Time between writes of the recovery points.
    public private(set) var logFlushOffsetCheckpointIntervalMs: Int64 = 60_000
    /// Time between writes of the log start offsets.
    public private(set) var logFlushStartOffsetCheckpointIntervalMs: Int64 = 60_000
    /// Whether topics with `cleanup.policy=compact` are compacted.
    public private(set) var logCleanerEnable = true
    /// Time between looks for logs to compact when there was none.
    public private(set) var logCleanerBackoffMs: Int64 = 15_000
    /// For the map of keys of the log that is being compacted.
    public private(set) var logCleanerDedupeBufferSize: Int64 = 16_777_216
    /// Read and written together; `infinity` or very large for no limit.
    public private(set) var logCleanerIOMaxBytesPerSecond: Double = 52_428_800
    /// How long the sequence of a silent producer is remembered.
    public private(set) var producerIDExpirationMs: Int64 = 86_400_000
    /// Time between looks for silent producers.
    public private(set) var producerIDExpirationCheckIntervalMs: Int64 = 600_000
    /// How long a silent transactional id is remembered.
    public private(set) var transactionalIDExpirationMs: Int64 = 604_800_000
    /// The longest transaction a producer may ask for.
    public private(set) var transactionMaxTimeoutMs: Int64 = 900_000

    /// The `group.*` configs of the classic protocol.
    public private(set) var groups = ClassicGroupConfig()
    /// The `group.consumer.*` configs: those of the consumer protocol (KIP-848).
    public private(set) var consumerGroups = ConsumerGroupConfig()
    /// The `offset.*` and `offsets.*` configs: committed offsets, and the topic that groups are kept in.
    public private(set) var offsets = OffsetsConfig()
    /// Partitions of `__transaction_state`.
    public private(set) var transactionStateLogNumPartitions = 50
    /// Replicas of `__transaction_state`.
    public private(set) var transactionStateLogReplicationFactor = 1
    /// `min.insync.replicas` of `__transaction_state`.
    public private(set) var transactionStateLogMinISR = 1

    /// What a topic without configs of its own has.
    public private(set) var topicDefaults = TopicConfig()

    /// Names that are no config of Martlet's, in their order, without those of Kafka's that it passes over.
    public private(set) var unknownKeys: [String] = []
    /// Names of Kafka's configuration that have no effect in Martlet, in their order.
    public private(set) var keysWithoutEffect: [String] = []

    /// What was set, and where.
    private(set) var layers = ConfigLayers()

    /// Resolves what command line, environment and file say, by Kafka's names. Unknown names are listed, not refused.
    ///
    /// Throws ``ConfigError`` with code `invalidValue` or `conflict`.
    public init(resolving values: [String: String] = [:]) throws(ConfigError) {
        for (name, value) in values {
            if let definition = BrokerConfigDefinitions.definition(name) {
                try definition.validate(value)
                self.layers.staticBroker[name] = ConfigText.trimmed(value)
            } else if BrokerConfigDefinitions.isWithoutEffect(name) {
                self.keysWithoutEffect.append(name)
            } else {
                self.unknownKeys.append(name)
            }
        }
        self.unknownKeys.sort()
        self.keysWithoutEffect.sort()
        try self.resolve()
    }

    /// The same broker with other configs set at run time: for all brokers (`clusterDefault`) and, stronger, for
    /// this one (`node`). They replace those set before.
    ///
    /// Throws ``ConfigError``: `unknownName`, `readOnly`, `invalidValue` or `conflict`.
    public func applyingDynamic(
        clusterDefault: [String: String],
        node: [String: String]
    ) throws(ConfigError) -> BrokerConfig {
        var layers = self.layers
        layers.dynamicDefault = try Self.checkedDynamic(clusterDefault, forAllBrokers: true)
        layers.dynamicBroker = try Self.checkedDynamic(node, forAllBrokers: false)
        var result = try BrokerConfig(layers: layers)
        result.unknownKeys = self.unknownKeys
        result.keysWithoutEffect = self.keysWithoutEffect
        return result
    }

    /// Begins at the defaults, so that a config that is no longer set goes back to its own.
    private init(layers: ConfigLayers) throws(ConfigError) {
        self.layers = layers
        try self.resolve()
    }

    private static func checkedDynamic(
        _ values: [String: String], forAllBrokers: Bool
    ) throws(ConfigError) -> [String: String] {
        var checked: [String: String] = [:]
        for (name, value) in values {
            let definition = try BrokerConfigDefinitions.require(name)
            guard definition.updateMode != .readOnly else {
                throw ConfigError(
                    .readOnly, name: name,
                    message: "Cannot update \(name) at run time: set it in the broker's file and restart the broker")
            }
            guard !forAllBrokers || definition.updateMode == .clusterWide else {
                throw ConfigError(
                    .readOnly, name: name, message: "Cannot update \(name) for all brokers: name the broker")
            }
            try definition.validate(value)
            checked[name] = ConfigText.trimmed(value)
        }
        return checked
    }

    private mutating func resolve() throws(ConfigError) {
        for (name, path) in Self.ints {
            guard let text = self.layers.value(name) else { continue }
            self[keyPath: path] = Int(try ConfigText.integer(text, as: Int32.self, for: name))
        }
        for (name, path) in Self.longs {
            guard let text = self.layers.value(name) else { continue }
            self[keyPath: path] = try ConfigText.integer(text, as: Int64.self, for: name)
        }
        for (name, path) in Self.booleans {
            guard let text = self.layers.value(name) else { continue }
            self[keyPath: path] = try ConfigText.boolean(text, for: name)
        }
        try self.resolveSpecial()
        var topics = TopicConfig()
        for definition in TopicConfigDefinitions.all {
            guard let text = self.layers.inherited(definition) else { continue }
            try topics.set(definition, text)
        }
        try topics.checkTogether()
        self.topicDefaults = topics
    }

    private mutating func resolveSpecial() throws(ConfigError) {
        if let text = self.layers.value("node.id") ?? self.layers.value("broker.id") {
            self.nodeID = try ConfigText.integer(text, as: Int32.self, for: "node.id")
        }
        self.clusterID = self.layers.value("cluster.id")
        if let text = self.layers.value("log.cleaner.io.max.bytes.per.second") {
            self.logCleanerIOMaxBytesPerSecond =
                try ConfigText.double(text, for: "log.cleaner.io.max.bytes.per.second")
        }
        if let text = self.layers.value("log.level") {
            self.logLevel = BrokerLogLevel(rawValue: text.lowercased()) ?? .info
        }
        if let text = self.layers.value("log.format") {
            self.logFormat = BrokerLogFormat(rawValue: text.lowercased()) ?? .text
        }
        if let text = self.layers.value("log.dirs") {
            self.logDirs = ConfigText.list(text)
        } else if let text = self.layers.value("log.dir") {
            self.logDirs = [text]
        }
        if let text = self.layers.value("num.network.threads") { self.numNetworkThreads = Int(text) }
        if let text = self.layers.value("num.io.threads") { self.numIOThreads = Int(text) }
        if let text = self.layers.value("queued.max.request.bytes") {
            let bytes = try ConfigText.integer(text, as: Int64.self, for: "queued.max.request.bytes")
            self.queuedMaxRequestBytes = bytes > 0 ? Int(bytes) : nil
        }
        if let text = self.layers.value("group.consumer.assignors") {
            self.consumerGroups.assignors = ConfigText.list(text)
        }
        if let text = self.layers.value("group.consumer.migration.policy") {
            self.consumerGroups.migrationPolicy = GroupMigrationPolicy(rawValue: text.lowercased()) ?? .bidirectional
        }
        try self.groups.checkTogether()
        try self.consumerGroups.checkTogether()
        let listeners = try ListenerSettings(self.layers)
        self.adminListeners = try ListenerSettings.admin(self.layers.value("admin.listeners"))
        self.listeners = listeners.listeners
        self.advertisedListeners = listeners.advertised
        self.controllerListeners = listeners.controllers
    }
}

extension BrokerConfig {
    private typealias Path<Value> = any WritableKeyPath<BrokerConfig, Value> & Sendable

    private static let ints: [String: Path<Int>] = [
        "socket.send.buffer.bytes": \.socketSendBufferBytes,
        "socket.receive.buffer.bytes": \.socketReceiveBufferBytes,
        "socket.request.max.bytes": \.socketRequestMaxBytes,
        "max.connections": \.maxConnections,
        "max.connections.per.ip": \.maxConnectionsPerIP,
        "queued.max.requests": \.queuedMaxRequests,
        "fetch.max.bytes": \.fetchMaxBytes,
        "max.incremental.fetch.session.cache.slots": \.maxIncrementalFetchSessionCacheSlots,
        "num.partitions": \.numPartitions,
        "default.replication.factor": \.defaultReplicationFactor,
        "group.max.size": \.groups.maxSize,
        "group.consumer.max.size": \.consumerGroups.maxSize,
        "offset.metadata.max.bytes": \.offsets.metadataMaxBytes,
        "offsets.topic.num.partitions": \.offsets.topicNumPartitions,
        "offsets.topic.replication.factor": \.offsets.topicReplicationFactor,
        "offsets.topic.segment.bytes": \.offsets.topicSegmentBytes,
        "offsets.topic.compression.codec": \.offsets.topicCompressionCodec,
        "transaction.state.log.num.partitions": \.transactionStateLogNumPartitions,
        "transaction.state.log.replication.factor": \.transactionStateLogReplicationFactor,
        "transaction.state.log.min.isr": \.transactionStateLogMinISR,
    ]

    private static let longs: [String: Path<Int64>] = [
        "connections.max.idle.ms": \.connectionsMaxIdleMs,
        "log.dir.min.free.bytes": \.logDirMinFreeBytes,
        "log.retention.check.interval.ms": \.logRetentionCheckIntervalMs,
        "log.scrub.bytes.per.second": \.logScrubBytesPerSecond,
        "log.scrub.interval.ms": \.logScrubIntervalMs,
        "log.flush.offset.checkpoint.interval.ms": \.logFlushOffsetCheckpointIntervalMs,
        "log.flush.start.offset.checkpoint.interval.ms": \.logFlushStartOffsetCheckpointIntervalMs,
        "log.cleaner.backoff.ms": \.logCleanerBackoffMs,
        "log.cleaner.dedupe.buffer.size": \.logCleanerDedupeBufferSize,
        "producer.id.expiration.ms": \.producerIDExpirationMs,
        "producer.id.expiration.check.interval.ms": \.producerIDExpirationCheckIntervalMs,
        "transactional.id.expiration.ms": \.transactionalIDExpirationMs,
        "transaction.max.timeout.ms": \.transactionMaxTimeoutMs,
        "group.initial.rebalance.delay.ms": \.groups.initialRebalanceDelayMs,
        "group.min.session.timeout.ms": \.groups.minSessionTimeoutMs,
        "group.max.session.timeout.ms": \.groups.maxSessionTimeoutMs,
        "group.consumer.session.timeout.ms": \.consumerGroups.sessionTimeoutMs,
        "group.consumer.min.session.timeout.ms": \.consumerGroups.minSessionTimeoutMs,
        "group.consumer.max.session.timeout.ms": \.consumerGroups.maxSessionTimeoutMs,
        "group.consumer.heartbeat.interval.ms": \.consumerGroups.heartbeatIntervalMs,
        "group.consumer.min.heartbeat.interval.ms": \.consumerGroups.minHeartbeatIntervalMs,
        "group.consumer.max.heartbeat.interval.ms": \.consumerGroups.maxHeartbeatIntervalMs,
        "offsets.retention.minutes": \.offsets.retentionMinutes,
        "offsets.retention.check.interval.ms": \.offsets.retentionCheckIntervalMs,
    ]

    private static let booleans: [String: Path<Bool>] = [
        "auto.create.topics.enable": \.autoCreateTopicsEnable,
        "delete.topic.enable": \.deleteTopicEnable,
        "log.cleaner.enable": \.logCleanerEnable,
    ]
}
