// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// What a config belongs to.
public struct ConfigResource: Hashable, Sendable {
    /// The kind of a resource, by the protocol's number. The set is open.
    public struct Kind: Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: Int8

        /// Any number.
        public init(rawValue: Int8) { self.rawValue = rawValue }

        /// A topic.
        public static let topic = Kind(rawValue: 2)
        /// A broker, by its node id; the empty name stands for what all brokers have in common.
        public static let broker = Kind(rawValue: 4)
        /// How much a broker logs of what (KIP-412), by its node id.
        public static let brokerLogger = Kind(rawValue: 8)
        /// What clients are to report (KIP-714), by the name of the subscription.
        public static let clientMetrics = Kind(rawValue: 16)
        /// A group (KIP-848), by its id.
        public static let group = Kind(rawValue: 32)
    }

    /// What it is.
    public var kind: Kind
    /// Which one.
    public var name: String

    /// A resource of any kind.
    public init(kind: Kind, name: String) {
        self.kind = kind
        self.name = name
    }

    /// The topic of this name.
    public static func topic(_ name: String) -> ConfigResource { ConfigResource(kind: .topic, name: name) }

    /// The broker of this number.
    public static func broker(_ nodeID: NodeID) -> ConfigResource {
        ConfigResource(kind: .broker, name: "\(nodeID)")
    }
}

/// A config and where its value comes from.
public struct ConfigDescription: Sendable {
    /// Who set a value, by the protocol's number. The set is open.
    public struct Source: Hashable, Sendable {
        /// The number on the wire.
        public var rawValue: Int8

        /// Any number.
        public init(rawValue: Int8) { self.rawValue = rawValue }

        /// Set for this topic.
        public static let topic = Source(rawValue: 1)
        /// Set for one broker while it runs.
        public static let dynamicBroker = Source(rawValue: 2)
        /// Set for all brokers while they run.
        public static let dynamicDefaultBroker = Source(rawValue: 3)
        /// From the broker's configuration file.
        public static let staticBroker = Source(rawValue: 4)
        /// Set by nobody.
        public static let defaultConfig = Source(rawValue: 5)

        /// Set for how much a broker logs (KIP-412).
        public static let brokerLogger = Source(rawValue: 6)
        /// Set for what clients report (KIP-714).
        public static let clientMetrics = Source(rawValue: 7)
        /// Set for this group (KIP-848).
        public static let group = Source(rawValue: 8)

        /// In words, for people.
        public var name: String {
            switch self {
            case .topic: "topic"
            case .brokerLogger: "broker logger"
            case .clientMetrics: "client metrics"
            case .group: "group"
            case .dynamicBroker: "broker, dynamic"
            case .dynamicDefaultBroker: "all brokers, dynamic"
            case .staticBroker: "broker, static"
            case .defaultConfig: "default"
            default: "source \(self.rawValue)"
            }
        }
    }

    /// Kafka's name of it.
    public var name: String
    /// Nil when it has none, or is sensitive.
    public var value: String?
    /// Who set the value.
    public var source: Source
    /// It cannot be changed while the broker runs.
    public var isReadOnly: Bool
    /// A secret, whose value brokers do not tell.
    public var isSensitive: Bool
    /// What it means, when it was asked for.
    public var documentation: String?
}

/// A change of one config.
public struct ConfigAlteration: Sendable {
    enum Operation: Int8 {
        case set = 0
        case delete = 1
        case append = 2
        case subtract = 3
    }

    var name: String
    var operation: Operation
    var value: String?

    /// Gives the config this value.
    public static func set(_ name: String, to value: String) -> ConfigAlteration {
        ConfigAlteration(name: name, operation: .set, value: value)
    }

    /// Takes the value away, so that the one of the broker or the default holds again.
    public static func delete(_ name: String) -> ConfigAlteration {
        ConfigAlteration(name: name, operation: .delete, value: nil)
    }

    /// Adds to the config, which is a list.
    public static func append(_ name: String, _ value: String) -> ConfigAlteration {
        ConfigAlteration(name: name, operation: .append, value: value)
    }

    /// Takes out of the config, which is a list.
    public static func subtract(_ name: String, _ value: String) -> ConfigAlteration {
        ConfigAlteration(name: name, operation: .subtract, value: value)
    }
}
