// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The configs that groups go by. The defaults are Kafka's, except where they say otherwise.
public struct GroupSettings: Sendable, Hashable {
    /// `group.min.session.timeout.ms`: milliseconds, the least that a classic member may ask for.
    public var minSessionTimeoutMs: Int32 = 6_000
    /// `group.max.session.timeout.ms`: milliseconds, the most that a classic member may ask for.
    public var maxSessionTimeoutMs: Int32 = 1_800_000
    /// `group.initial.rebalance.delay.ms`: how long the first rebalance of an empty classic group waits for more members.
    /// 0 here, 3 seconds in Kafka: a group of one must not wait, and a second rebalance costs little.
    public var initialRebalanceDelayMs: Int32 = 0
    /// `group.max.size`: members of a classic group.
    public var maxSize: Int32 = .max
    /// Milliseconds that a new classic member may take to come back with the id that it was given, and that members have
    /// to join a rebalance before the group gives up on those without a rebalance time-out. As in Kafka.
    public var newMemberJoinTimeoutMs: Int32 = 300_000

    /// `offset.metadata.max.bytes`: bytes of the text that a commit may carry.
    public var offsetMetadataMaxBytes: Int32 = 4_096
    /// `offsets.retention.minutes`, in milliseconds: how long offsets stay when the group is empty.
    public var offsetsRetentionMs: Int64 = 7 * 24 * 60 * 60 * 1_000

    /// `group.consumer.session.timeout.ms`: how long a consumer-group member may be silent.
    public var consumerSessionTimeoutMs: Int32 = 45_000
    /// `group.consumer.heartbeat.interval.ms`: how often members are told to heartbeat.
    public var consumerHeartbeatIntervalMs: Int32 = 5_000
    /// `group.consumer.max.size`: members of a consumer group.
    public var consumerMaxSize: Int32 = .max
    /// `group.consumer.assignors`: the server-side assignors, the default first.
    public var consumerAssignors: [String] = ["uniform", "range", "weighted"]
    /// `group.consumer.migration.policy`: which way groups may change their protocol while they run.
    public var migrationPolicy = MigrationPolicy.bidirectional

    /// Configs of single groups, by group id: what IncrementalAlterConfigs set for the resource type group.
    public var groups: [String: GroupOverrides] = [:]

    /// The defaults.
    public init() {}

    /// Which way a group may change its protocol while it has members.
    public enum MigrationPolicy: String, Sendable, CaseIterable {
        /// Both ways.
        case bidirectional
        /// From classic to consumer only.
        case upgrade
        /// From consumer to classic only.
        case downgrade
        /// Neither.
        case disabled

        /// A classic group becomes a consumer group when a consumer member joins it.
        public var allowsUpgrade: Bool { self == .bidirectional || self == .upgrade }
        /// A consumer group becomes a classic group when its last consumer member leaves and classic ones stay.
        public var allowsDowngrade: Bool { self == .bidirectional || self == .downgrade }
    }

    /// `consumer.session.timeout.ms` of that group.
    public func consumerSessionTimeoutMs(of group: String) -> Int32 {
        self.groups[group]?.consumerSessionTimeoutMs ?? self.consumerSessionTimeoutMs
    }

    /// `consumer.heartbeat.interval.ms` of that group.
    public func consumerHeartbeatIntervalMs(of group: String) -> Int32 {
        self.groups[group]?.consumerHeartbeatIntervalMs ?? self.consumerHeartbeatIntervalMs
    }
}

/// The configs that are set for one group.
public struct GroupOverrides: Sendable, Hashable {
    /// `consumer.session.timeout.ms`: milliseconds.
    public var consumerSessionTimeoutMs: Int32?
    /// `consumer.heartbeat.interval.ms`: milliseconds.
    public var consumerHeartbeatIntervalMs: Int32?
    /// `martlet.consumer.weights`: weights of members that send none, by the pattern of their client or instance id.
    public var weights: [WeightRule] = []

    /// Nothing set.
    public init() {}
}

/// What a member can carry, by the name it goes under: one rule of `martlet.consumer.weights`.
public struct WeightRule: Sendable, Hashable {
    /// Which of a member's names is compared.
    public enum Subject: String, Sendable {
        case clientID = "client.id"
        case instanceID = "group.instance.id"
    }

    /// Which name.
    public var subject: Subject
    /// A glob: `*` stands for any characters, everything else for itself.
    public var pattern: String
    /// From 0, which drains the member, to `weightMax`.
    public var weight: Int32

    /// The largest weight of a member.
    public static let weightMax: Int32 = 1_000_000

    /// Nothing is checked.
    public init(subject: Subject, pattern: String, weight: Int32) {
        self.subject = subject
        self.pattern = pattern
        self.weight = weight
    }

    /// Whether the rule is about a member of these names. Linear in their length times the number of stars.
    public func matches(clientID: String, instanceID: String?) -> Bool {
        switch self.subject {
        case .clientID: Self.matches(Array(self.pattern.utf8), Array(clientID.utf8))
        case .instanceID: instanceID.map { Self.matches(Array(self.pattern.utf8), Array($0.utf8)) } ?? false
        }
    }

    /// Goes along the text; where it no longer fits, the last star takes one more character.
    private static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        let star = UInt8(ascii: "*")
        var (p, t) = (0, 0)
        var lastStar: (p: Int, t: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == star {
                lastStar = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let star = lastStar {
                lastStar = (star.p, star.t + 1)
                p = star.p + 1
                t = star.t + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == star }
    }
}
