// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The configs that are set for one group (the resource type group of the config APIs), as values. What is not set there
/// is nil, and the broker's `group.consumer.*` decides.
public struct GroupConfig: Sendable, Hashable {
    /// `consumer.session.timeout.ms`: milliseconds after which a silent member is removed.
    public private(set) var consumerSessionTimeoutMs: Int64?
    /// `consumer.heartbeat.interval.ms`: milliseconds between the heartbeats of a member.
    public private(set) var consumerHeartbeatIntervalMs: Int64?
    /// `martlet.consumer.weights`: for members that send no weight of their own; the first rule that fits decides.
    public private(set) var consumerWeights: [ConsumerWeightRule] = []

    /// Nothing set.
    public init() {}

    /// Reads what is set on a group, each config by itself.
    ///
    /// Throws ``ConfigError``: `unknownName` or `invalidValue`. Cost: the length of the values.
    public init(overrides: [String: String]) throws(ConfigError) {
        for (name, value) in overrides {
            let definition = try GroupConfigDefinitions.require(name)
            try definition.validate(value)
            let text = ConfigText.trimmed(value)
            switch name {
            case GroupConfigDefinitions.sessionTimeout:
                self.consumerSessionTimeoutMs = Int64(try ConfigText.integer(text, as: Int32.self, for: name))
            case GroupConfigDefinitions.heartbeatInterval:
                self.consumerHeartbeatIntervalMs = Int64(try ConfigText.integer(text, as: Int32.self, for: name))
            default:
                self.consumerWeights = try ConsumerWeightRule.list(text, for: name)
            }
        }
    }

    /// Refuses what the broker does not allow a group to set.
    ///
    /// Throws ``ConfigError`` with code `conflict`, naming both configs.
    public func check(against broker: BrokerConfig) throws(ConfigError) {
        let bounds = broker.consumerGroups
        let session = GroupConfigDefinitions.sessionTimeout
        let heartbeat = GroupConfigDefinitions.heartbeatInterval
        if let timeout = self.consumerSessionTimeoutMs {
            try ConfigError.refuse(
                "group.consumer.min.session.timeout.ms", bounds.minSessionTimeoutMs, above: session, timeout)
            try ConfigError.refuse(
                session, timeout, above: "group.consumer.max.session.timeout.ms", bounds.maxSessionTimeoutMs)
        }
        if let interval = self.consumerHeartbeatIntervalMs {
            try ConfigError.refuse(
                "group.consumer.min.heartbeat.interval.ms", bounds.minHeartbeatIntervalMs, above: heartbeat, interval)
            try ConfigError.refuse(
                heartbeat, interval, above: "group.consumer.max.heartbeat.interval.ms", bounds.maxHeartbeatIntervalMs)
        }
        let interval = self.consumerHeartbeatIntervalMs ?? bounds.heartbeatIntervalMs
        let timeout = self.consumerSessionTimeoutMs ?? bounds.sessionTimeoutMs
        guard interval < timeout else {
            throw ConfigError(
                .conflict, name: heartbeat,
                message: """
                    \(heartbeat) (\(interval)) must be below \(session) (\(timeout)), or members would be removed \
                    between two heartbeats
                    """)
        }
    }

    /// The same with times brought within what the broker allows now: its bounds may have been narrowed in its file after
    /// the group was configured.
    public func bounded(by broker: BrokerConfig) -> GroupConfig {
        let bounds = broker.consumerGroups
        var result = self
        result.consumerSessionTimeoutMs = self.consumerSessionTimeoutMs.map {
            min(max($0, bounds.minSessionTimeoutMs), bounds.maxSessionTimeoutMs)
        }
        result.consumerHeartbeatIntervalMs = self.consumerHeartbeatIntervalMs.map {
            min(max($0, bounds.minHeartbeatIntervalMs), bounds.maxHeartbeatIntervalMs)
        }
        return result
    }
}

/// What the members of a group can carry, by the name they go under: one rule of `martlet.consumer.weights`.
///
/// Written `client.id:PATTERN=WEIGHT` or `group.instance.id:PATTERN=WEIGHT`, rules with semicolons between them. In a
/// pattern `*` stands for any characters, everything else for itself; it may hold anything but a semicolon.
public struct ConsumerWeightRule: Sendable, Hashable {
    /// Which of a member's names is compared; the raw value is how it is written.
    public enum Subject: String, Sendable, Hashable, CaseIterable {
        case clientID = "client.id"
        case instanceID = "group.instance.id"
    }

    /// The most rules of one group: each new member is compared with all of them.
    public static let rulesMax = 100
    /// The longest pattern, in bytes: what clients call themselves is shorter.
    public static let patternBytesMax = 255
    /// The largest weight, so that the sum over a group fits into 32 bits many times over.
    public static let weightMax: Int32 = 1_000_000

    /// Which name.
    public let subject: Subject
    /// A glob, not empty.
    public let pattern: String
    /// From 0, which drains a member, to `weightMax`; 100 is that of members that no rule fits.
    public let weight: Int32

    /// Reads rules; none from an empty text. Throws `invalidValue` with the rule at fault.
    static func list(_ text: String, for name: String) throws(ConfigError) -> [ConsumerWeightRule] {
        let parts = text.split(separator: ";").map { ConfigText.trimmed($0) }.filter { !$0.isEmpty }
        guard parts.count <= self.rulesMax else {
            throw .invalid(text, for: name, "\(parts.count) rules are too many; at most \(self.rulesMax) are accepted")
        }
        var rules: [ConsumerWeightRule] = []
        for part in parts { rules.append(try Self(part, for: name)) }
        return rules
    }

    private init(_ text: String, for name: String) throws(ConfigError) {
        guard let colon = text.firstIndex(of: ":"), let equals = text.lastIndex(of: "="), colon < equals else {
            throw .invalid(
                text, for: name,
                """
                a rule is written client.id:PATTERN=WEIGHT or group.instance.id:PATTERN=WEIGHT, such as \
                client.id:big-*=200
                """)
        }
        let subject = ConfigText.trimmed(text[..<colon])
        guard let known = Subject(rawValue: subject) else {
            let hint =
                NameSuggestion.nearest(to: subject, in: Subject.allCases.lazy.map(\.rawValue))
                .map { "; did you mean \($0)?" } ?? ""
            throw .invalid(text, for: name, "a rule begins with client.id: or group.instance.id:\(hint)")
        }
        let pattern = ConfigText.trimmed(text[text.index(after: colon)..<equals])
        guard !pattern.isEmpty else {
            throw .invalid(text, for: name, "the pattern must not be empty; * fits every name")
        }
        guard !pattern.utf8.contains(0) else {
            throw .invalid(text, for: name, "the pattern must not hold a zero byte")
        }
        guard pattern.utf8.count <= Self.patternBytesMax else {
            throw .invalid(
                text, for: name,
                "the pattern has \(pattern.utf8.count) bytes; at most \(Self.patternBytesMax) are accepted")
        }
        guard let weight = Int32(ConfigText.trimmed(text[text.index(after: equals)...])),
            (0...Self.weightMax).contains(weight)
        else {
            throw .invalid(text, for: name, "the weight must be a whole number from 0 to \(Self.weightMax)")
        }
        self.subject = known
        self.pattern = pattern
        self.weight = weight
    }
}
