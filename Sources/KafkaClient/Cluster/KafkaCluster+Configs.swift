// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

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

        /// In words, for people.
        public var name: String {
            switch self {
            case .topic: "topic"
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

extension KafkaCluster {
    /// The configs of one resource, ascending by name; only those of `keys` unless that is nil.
    public func describeConfigs(
        of resource: ConfigResource, keys: [String]? = nil, includesDocumentation: Bool = false
    ) async throws -> [ConfigDescription] {
        var request = DescribeConfigsRequest()
        var entry = DescribeConfigsRequest.DescribeConfigsResource()
        entry.resourceType = resource.kind.rawValue
        entry.resourceName = resource.name
        entry.configurationKeys = keys
        request.resources = [entry]
        request.includeDocumentation = includesDocumentation
        let versions: ClosedRange<Int16> = (includesDocumentation ? 3 : 0)...Int16.max
        return try await self.retrying {
            let response = try await self.connection(for: resource).send(request, versions: versions)
            guard let result = response.results.first else {
                throw KafkaClientError(.malformedResponse, "the answer to DescribeConfigs lacks \(resource.name)")
            }
            let errorCode = ErrorCode(rawValue: result.errorCode)
            guard errorCode == .none else {
                throw KafkaClientError(errorCode, subject: resource.name, message: result.errorMessage)
            }
            return result.configs
                .map { config in
                    ConfigDescription(
                        name: config.name, value: config.value,
                        source: ConfigDescription.Source(rawValue: config.configSource),
                        isReadOnly: config.readOnly, isSensitive: config.isSensitive,
                        documentation: config.documentation)
                }
                .sorted { $0.name < $1.name }
        }
    }

    /// Changes these configs of one resource and leaves the others alone (KIP-339): all or none of them.
    public func alterConfigs(
        of resource: ConfigResource, _ alterations: [ConfigAlteration], validatesOnly: Bool = false
    ) async throws {
        var request = IncrementalAlterConfigsRequest()
        request.validateOnly = validatesOnly
        var entry = IncrementalAlterConfigsRequest.AlterConfigsResource()
        entry.resourceType = resource.kind.rawValue
        entry.resourceName = resource.name
        entry.configs = alterations.map { alteration in
            var config = IncrementalAlterConfigsRequest.AlterableConfig()
            config.name = alteration.name
            config.configOperation = alteration.operation.rawValue
            config.value = alteration.value
            return config
        }
        request.resources = [entry]
        try await self.retrying {
            let response = try await self.connection(for: resource).send(request)
            for result in response.responses {
                let errorCode = ErrorCode(rawValue: result.errorCode)
                guard errorCode == .none else {
                    throw KafkaClientError(errorCode, subject: resource.name, message: result.errorMessage)
                }
            }
        }
    }

    /// Configs of a broker are that broker's business; any broker knows those of topics.
    private func connection(for resource: ConfigResource) async throws -> KafkaConnection {
        guard resource.kind == .broker, let id = Int32(resource.name) else { return try await self.anyConnection() }
        let cluster = try await self.describeCluster()
        guard let broker = cluster.brokers.first(where: { $0.nodeID == NodeID(id) }) else {
            throw KafkaClientError(.invalidRequest, "the cluster has no broker \(id)")
        }
        return try await self.advertisedConnection(to: broker.address)
    }
}
