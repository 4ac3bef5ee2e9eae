// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// What an operation on configs came to for each resource.
public typealias ConfigResults<Value> = [ConfigResource: Result<Value, KafkaClientError>]

extension KafkaCluster {
    /// The configs of one resource, ascending by name; only those of `keys` unless that is nil. Throws what went wrong,
    /// for example `unknownTopicOrPartition`.
    ///
    /// One request, and one more to find a broker that is meant: DescribeConfigs 0, Kafka 0.11; with documentation 3, Kafka
    /// 2.6.
    public func describeConfigs(
        of resource: ConfigResource, keys: [String]? = nil, includesDocumentation: Bool = false
    ) async throws -> [ConfigDescription] {
        let results = try await self.describeConfigs(
            of: [resource], keys: keys, includesDocumentation: includesDocumentation)
        guard let result = results[resource] else { throw Self.missing(resource, api: "DescribeConfigs") }
        return try result.get()
    }

    /// The configs of several resources, each ascending by name; only those of `keys` unless that is nil. Resources fail
    /// on their own, with ``KafkaClientError/Code/unknownBroker`` for a broker that the cluster does not have.
    ///
    /// One request to any broker, and one to each broker of which configs are asked for: DescribeConfigs 0, Kafka 0.11;
    /// with documentation 3, Kafka 2.6.
    public func describeConfigs(
        of resources: [ConfigResource], keys: [String]? = nil, includesDocumentation: Bool = false
    ) async throws -> ConfigResults<[ConfigDescription]> {
        let versions: ClosedRange<Int16> = (includesDocumentation ? 3 : 0)...Int16.max
        return try await self.atConfigBrokers(of: resources) { connection, resources in
            var request = DescribeConfigsRequest()
            request.includeDocumentation = includesDocumentation
            request.resources = resources.map { resource in
                var entry = DescribeConfigsRequest.DescribeConfigsResource()
                entry.resourceType = resource.kind.rawValue
                entry.resourceName = resource.name
                entry.configurationKeys = keys
                return entry
            }
            let response = try await connection.send(request, versions: versions)
            var results: ConfigResults<[ConfigDescription]> = [:]
            for resource in resources { results[resource] = .failure(Self.missing(resource, api: "DescribeConfigs")) }
            for result in response.results {
                let resource = ConfigResource(kind: .init(rawValue: result.resourceType), name: result.resourceName)
                results[resource] = Self.outcome(
                    result.configs.map(ConfigDescription.init).sorted { $0.name < $1.name }, result.errorCode,
                    subject: Self.subject(resource), message: result.errorMessage)
            }
            return results
        }
    }

    /// Changes these configs of one resource and leaves the others alone (KIP-339): all or none of them. Throws what went
    /// wrong, for example `invalidConfig`. With `validatesOnly` nothing is changed.
    ///
    /// One request, and one more to find a broker that is meant: IncrementalAlterConfigs 0, Kafka 2.3.
    public func alterConfigs(
        of resource: ConfigResource, _ alterations: [ConfigAlteration], validatesOnly: Bool = false
    ) async throws {
        let results = try await self.alterConfigs([resource: alterations], validatesOnly: validatesOnly)
        guard let result = results[resource] else { throw Self.missing(resource, api: "IncrementalAlterConfigs") }
        try result.get()
    }

    /// Changes these configs and leaves the others alone (KIP-339): of each resource all or none. Resources fail on their
    /// own, with ``KafkaClientError/Code/unknownBroker`` for a broker that the cluster does not have. With
    /// `validatesOnly` nothing is changed.
    ///
    /// One request to any broker, and one to each broker of which configs are changed: IncrementalAlterConfigs 0, Kafka
    /// 2.3.
    public func alterConfigs(
        _ alterations: [ConfigResource: [ConfigAlteration]], validatesOnly: Bool = false
    ) async throws -> ConfigResults<Void> {
        let resources = alterations.keys.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }
        return try await self.atConfigBrokers(of: resources) { connection, resources in
            var request = IncrementalAlterConfigsRequest()
            request.validateOnly = validatesOnly
            request.resources = resources.map { resource in
                var entry = IncrementalAlterConfigsRequest.AlterConfigsResource()
                entry.resourceType = resource.kind.rawValue
                entry.resourceName = resource.name
                entry.configs = (alterations[resource] ?? []).map { alteration in
                    var config = IncrementalAlterConfigsRequest.AlterableConfig()
                    config.name = alteration.name
                    config.configOperation = alteration.operation.rawValue
                    config.value = alteration.value
                    return config
                }
                return entry
            }
            let response = try await connection.send(request)
            var results: ConfigResults<Void> = [:]
            for resource in resources {
                results[resource] = .failure(Self.missing(resource, api: "IncrementalAlterConfigs"))
            }
            for result in response.responses {
                let resource = ConfigResource(kind: .init(rawValue: result.resourceType), name: result.resourceName)
                results[resource] = Self.outcome(
                    (), result.errorCode, subject: Self.subject(resource), message: result.errorMessage)
            }
            return results
        }
    }

    /// The resources of these kinds that have configs of their own, in the order of the broker's answer; of all kinds for
    /// none (KIP-1142).
    ///
    /// One request to any broker: ListConfigResources 1, Kafka 4.1.
    public func listConfigResources(_ kinds: [ConfigResource.Kind] = []) async throws -> [ConfigResource] {
        var request = ListConfigResourcesRequest()
        request.resourceTypes = kinds.map(\.rawValue)
        let response = try await self.askAnyone(
            request, subject: "the resources with configs", versions: 1...Int16.max
        ) { ($0.errorCode, nil) }
        return response.configResources.map { resource in
            ConfigResource(kind: .init(rawValue: resource.resourceType), name: resource.resourceName)
        }
    }

    /// A number alone says little.
    private static func subject(_ resource: ConfigResource) -> String {
        guard resource.kind == .broker else { return resource.name }
        return resource.name.isEmpty ? "all brokers" : "broker \(resource.name)"
    }

    private static func missing(_ resource: ConfigResource, api: String) -> KafkaClientError {
        KafkaClientError(.malformedResponse, "the answer to \(api) lacks \(resource.name)")
    }

    /// Configs of a broker are that broker's business; any broker knows those of all else.
    private func atConfigBrokers<Value: Sendable>(
        of resources: [ConfigResource],
        _ operation: @escaping @Sendable (KafkaConnection, [ConfigResource]) async throws -> ConfigResults<Value>
    ) async throws -> ConfigResults<Value> {
        try await self.inRounds(resources) { resources in
            var groups: [BrokerAddress?: [ConfigResource]] = [:]
            var failed: [ConfigResource: KafkaClientError] = [:]
            var brokers: [BrokerDescription]?
            for resource in resources {
                guard resource.kind == .broker || resource.kind == .brokerLogger, let id = Int32(resource.name) else {
                    groups[nil, default: []].append(resource)
                    continue
                }
                let known: [BrokerDescription]
                if let brokers { known = brokers } else { known = try await self.describeCluster().brokers }
                brokers = known
                let node = NodeID(id)
                if let broker = known.first(where: { $0.nodeID == node }) {
                    groups[broker.address, default: []].append(resource)
                } else {
                    failed[resource] = KafkaClientError(unknownBroker: node)
                }
            }
            return (groups, failed)
        } prepareRetry: { _, _ in
            true
        } operation: { address, resources in
            let connection: KafkaConnection
            if let address {
                connection = try await self.advertisedConnection(to: address)
            } else {
                connection = try await self.retrying { try await self.anyConnection() }
            }
            return try await operation(connection, resources)
        }
    }
}

extension ConfigDescription {
    init(_ config: DescribeConfigsResponse.DescribeConfigsResourceResult) {
        self.name = config.name
        self.value = config.value
        self.source = Source(rawValue: config.configSource)
        self.isReadOnly = config.readOnly
        self.isSensitive = config.isSensitive
        self.documentation = config.documentation
    }
}
