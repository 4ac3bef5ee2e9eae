// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The type of a config's value; the raw value is what DescribeConfigs answers carry (KIP-569).
public enum ConfigType: Int8, Sendable, Hashable, CaseIterable {
    case boolean = 1
    case string = 2
    /// 32 bits, signed.
    case int = 3
    /// 16 bits, signed.
    case short = 4
    /// 64 bits, signed.
    case long = 5
    case double = 6
    /// Items with commas between them; blanks around an item do not count.
    case list = 7
    case `class` = 8
    case password = 9

    /// Kafka's upper-case name, for messages.
    public var name: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .string: "STRING"
        case .int: "INT"
        case .short: "SHORT"
        case .long: "LONG"
        case .double: "DOUBLE"
        case .list: "LIST"
        case .class: "CLASS"
        case .password: "PASSWORD"
        }
    }
}

/// Where a config's value comes from; the raw value is what DescribeConfigs answers carry (KIP-226).
public enum ConfigSource: Int8, Sendable, Hashable, CaseIterable {
    /// Set on the topic itself.
    case dynamicTopic = 1
    /// Set at run time for one broker.
    case dynamicBroker = 2
    /// Set at run time for all brokers of the cluster.
    case dynamicDefaultBroker = 3
    /// Command line, environment or file of the broker.
    case staticBroker = 4
    /// Nobody set it.
    case defaultConfig = 5
    /// Set on the group itself (KIP-848).
    case dynamicGroup = 8
}

/// When a broker config may change (KIP-226).
public enum ConfigUpdateMode: Sendable, Hashable {
    /// Only with a restart.
    case readOnly
    /// At run time, for one broker or for all.
    case perBroker
    /// At run time, for all brokers; also for one, though it then differs between them.
    case clusterWide
}

/// A broker config that gives a topic's or group's config its default, such as `log.retention.hours` for `retention.ms`.
public struct ConfigSynonym: Sendable, Hashable {
    /// The broker config's name.
    public let name: String
    /// How many of that config's units one of the broker config's is: 3,600,000 from hours to milliseconds.
    public let scale: Int64

    /// A synonym in the same unit, or in one `scale` times as large.
    public init(_ name: String, scale: Int64 = 1) {
        self.name = name
        self.scale = scale
    }
}

/// What is known about one config: everything but its value.
public struct ConfigDefinition: Sendable {
    /// Kafka's name.
    public let name: String
    /// The type of its value.
    public let type: ConfigType
    /// Martlet's default as text; nil where unset means something of its own, which `documentation` tells.
    public let defaultValue: String?
    /// Kafka 4's default as text, nil if it has none. Where it differs from ours, `documentation` tells why.
    public let kafkaDefault: String?
    /// What it does, with its unit, in our words.
    public let documentation: String
    /// What a value must satisfy beyond its type.
    public let constraint: ConfigConstraint
    /// Of a topic's or group's config: the broker configs its default comes from, the strongest first. Of a broker
    /// config: empty.
    public let synonyms: [ConfigSynonym]
    /// When it may change. Of a topic's or group's config it means nothing: those change at any time.
    public let updateMode: ConfigUpdateMode
    /// True if answers must leave the value out.
    public let isSensitive: Bool
    /// True if it is meant for tests and is not listed among the others.
    public let isInternal: Bool

    init(
        _ name: String,
        _ type: ConfigType,
        _ defaultValue: String?,
        _ documentation: String,
        _ constraint: ConfigConstraint = .none,
        kafka: KafkaDefault = .same,
        from synonyms: [ConfigSynonym] = [],
        update: ConfigUpdateMode = .readOnly,
        isInternal: Bool = false
    ) {
        self.name = name
        self.type = type
        self.defaultValue = defaultValue
        self.documentation = documentation
        self.constraint = constraint
        self.synonyms = synonyms
        self.updateMode = update
        self.isSensitive = type == .password
        self.isInternal = isInternal
        self.kafkaDefault =
            switch kafka {
            case .same: defaultValue
            case .none: nil
            case .value(let text): text
            }
    }

    /// How Kafka's default stands to ours.
    enum KafkaDefault: ExpressibleByStringLiteral {
        case same
        case none
        case value(String)
        init(stringLiteral value: String) { self = .value(value) }
    }
}
