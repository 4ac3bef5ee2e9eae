// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The broker's configs of classic groups, `group.*`. Times are milliseconds.
public struct ClassicGroupConfig: Sendable, Hashable {
    /// How long the first rebalance of an empty group waits for more members.
    public internal(set) var initialRebalanceDelayMs: Int64 = 0
    /// The shortest session timeout a member may ask for.
    public internal(set) var minSessionTimeoutMs: Int64 = 6_000
    /// The longest session timeout a member may ask for.
    public internal(set) var maxSessionTimeoutMs: Int64 = 1_800_000
    /// Members of a group at a time.
    public internal(set) var maxSize = 2_147_483_647

    /// Checks what no config can check alone.
    func checkTogether() throws(ConfigError) {
        try ConfigError.refuse(
            "group.min.session.timeout.ms", self.minSessionTimeoutMs,
            above: "group.max.session.timeout.ms", self.maxSessionTimeoutMs)
    }
}

/// Which way groups may change between the classic and the consumer protocol while they have members.
public enum GroupMigrationPolicy: String, Sendable, Hashable, CaseIterable {
    /// Both ways.
    case bidirectional
    /// From classic to consumer only.
    case upgrade
    /// From consumer to classic only.
    case downgrade
    /// Neither.
    case disabled
}

/// The broker's configs of consumer groups (KIP-848), `group.consumer.*`. Times are milliseconds.
public struct ConsumerGroupConfig: Sendable, Hashable {
    /// How long a member may be silent, where its group does not set it.
    public internal(set) var sessionTimeoutMs: Int64 = 45_000
    /// The least that `sessionTimeoutMs` and a group may set.
    public internal(set) var minSessionTimeoutMs: Int64 = 45_000
    /// The most that they may set.
    public internal(set) var maxSessionTimeoutMs: Int64 = 60_000
    /// How often members are told to heartbeat, where their group does not set it.
    public internal(set) var heartbeatIntervalMs: Int64 = 5_000
    /// The least that `heartbeatIntervalMs` and a group may set.
    public internal(set) var minHeartbeatIntervalMs: Int64 = 5_000
    /// The most that they may set.
    public internal(set) var maxHeartbeatIntervalMs: Int64 = 15_000
    /// Members of a group at a time.
    public internal(set) var maxSize = 2_147_483_647
    /// The server-side assignors that members may name, that of members that name none first.
    public internal(set) var assignors = Self.knownAssignors
    /// Which way groups may change their protocol.
    public internal(set) var migrationPolicy = GroupMigrationPolicy.bidirectional

    /// All assignors that there are, in the order of the default.
    static let knownAssignors = ["uniform", "range", "weighted"]

    /// Checks what no config can check alone.
    func checkTogether() throws(ConfigError) {
        let session = "group.consumer.session.timeout.ms"
        let heartbeat = "group.consumer.heartbeat.interval.ms"
        try ConfigError.refuse(
            "group.consumer.min.session.timeout.ms", self.minSessionTimeoutMs, above: session, self.sessionTimeoutMs)
        try ConfigError.refuse(
            session, self.sessionTimeoutMs, above: "group.consumer.max.session.timeout.ms", self.maxSessionTimeoutMs)
        try ConfigError.refuse(
            "group.consumer.min.heartbeat.interval.ms", self.minHeartbeatIntervalMs,
            above: heartbeat, self.heartbeatIntervalMs)
        try ConfigError.refuse(
            heartbeat, self.heartbeatIntervalMs,
            above: "group.consumer.max.heartbeat.interval.ms", self.maxHeartbeatIntervalMs)
        guard self.heartbeatIntervalMs < self.sessionTimeoutMs else {
            throw ConfigError(
                .conflict, name: heartbeat,
                message: """
                    \(heartbeat) (\(self.heartbeatIntervalMs)) must be below \(session) (\(self.sessionTimeoutMs)), or \
                    members would be removed between two heartbeats
                    """)
        }
    }
}

/// The broker's configs of committed offsets and of `__consumer_offsets`.
public struct OffsetsConfig: Sendable, Hashable {
    /// Bytes of the longest text kept with a committed offset.
    public internal(set) var metadataMaxBytes = 4096
    /// Minutes that the offsets of an empty group are kept.
    public internal(set) var retentionMinutes: Int64 = 10_080
    /// Milliseconds between looks for offsets past their retention.
    public internal(set) var retentionCheckIntervalMs: Int64 = 600_000
    /// Partitions of the topic when it is made.
    public internal(set) var topicNumPartitions = 50
    /// Replicas of the topic when it is made.
    public internal(set) var topicReplicationFactor = 1
    /// `segment.bytes` of the topic when it is made.
    public internal(set) var topicSegmentBytes = 104_857_600
    /// The codec that the coordinator's batches are written with, by its number in a batch: 0 none, 1 gzip, 2 snappy,
    /// 3 lz4, 4 zstd.
    public internal(set) var topicCompressionCodec = 0
}

extension ConfigError {
    /// Two configs in the wrong order.
    static func refuse(
        _ lower: String, _ lowerValue: Int64, above upper: String, _ upperValue: Int64
    ) throws(ConfigError) {
        guard lowerValue > upperValue else { return }
        throw ConfigError(
            .conflict, name: lower,
            message: "\(lower) (\(lowerValue)) must not be above \(upper) (\(upperValue))")
    }
}
