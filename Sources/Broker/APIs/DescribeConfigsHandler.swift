// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire

/// DescribeConfigs (key 32): the configs of topics, groups and brokers, and where each of them comes from.
///
/// Served: 1-4. The answer has the source of each value and, if asked for, every place that has one (KIP-226); from
/// version 3 on its type and, if asked for, its documentation too (KIP-569).
///
/// - A topic (type 2) by its name: its configs in force, its own and those inherited, and `martlet.acks.all`, which
///   says in words what an acknowledgement of it means.
/// - A broker (type 4) by its id: that broker's configs in force. By an empty name: what is set at run time for all.
/// - A group (type 32) by its id, whether it exists or not: its configs in force (KIP-848).
/// - The loggers of a broker (type 8): an empty list. There is one level for all, the broker config `log.level`.
/// - Null or no keys mean all of them; unknown keys are left out, as in Kafka.
/// - A request that names more than `resourcesMax` resources gets INVALID_REQUEST for each: its answer would be some
///   thousand times as large as the request.
struct DescribeConfigsHandler: APIHandler {
    /// Resources of one request.
    static let resourcesMax = 10_000

    let broker: Broker
    let context: RequestContext

    private typealias Described = DescribeConfigsResponse.DescribeConfigsResourceResult

    func answer(_ request: DescribeConfigsRequest) -> Answer<DescribeConfigsResponse> {
        let image = self.broker.metadata.image
        let config = self.broker.config
        var response = DescribeConfigsResponse()
        response.results = request.resources.map { resource in
            var result = DescribeConfigsResponse.DescribeConfigsResult()
            result.errorMessage = nil
            result.resourceType = resource.resourceType
            result.resourceName = resource.resourceName
            do throws(RequestRefusal) {
                if request.resources.count > Self.resourcesMax {
                    throw RequestRefusal(
                        .invalidRequest,
                        "\(request.resources.count) resources in one request; at most \(Self.resourcesMax) are accepted"
                    )
                }
                let target = try ConfigResource(type: resource.resourceType, name: resource.resourceName)
                    .target(in: image)
                let keys = resource.configurationKeys
                let entries = try Self.entries(of: target, keys: keys?.isEmpty == true ? nil : keys, config, image)
                result.configs = entries.map { Self.describe($0, for: request) }
            } catch {
                result.errorCode = error.errorCode.rawValue
                result.errorMessage = error.message
            }
            return result
        }
        return .now(response)
    }

    private static func entries(
        of target: ConfigResource.Target,
        keys: [String]?,
        _ config: BrokerConfig,
        _ image: ClusterImage
    ) throws(RequestRefusal) -> [Entry] {
        switch target {
        case .topic(let topic):
            let entries = config.topicEntries(overrides: topic.configs, names: keys).map { Entry($0) }
            // What the metadata holds was checked when it was set.
            guard keys?.contains(DurabilityDescription.configName) ?? true,
                let durability = (try? TopicConfig(overrides: topic.configs, broker: config))?.durability
            else { return entries }
            return (entries + [Entry(durability)]).sorted { $0.name < $1.name }
        case .broker(nil):
            let set = image.defaultBrokerConfigs
            let chosen = keys.map { keys in set.filter { keys.contains($0.key) } } ?? set
            return chosen.sorted { $0.key < $1.key }.map { Entry(setForAllBrokers: $0.key, $0.value) }
        case .broker(let id?):
            try self.checkIsHere(id, image)
            return config.entries(names: keys).map { Entry($0) }
        case .group(let id):
            return config.groupEntries(overrides: image.groupConfigs[id] ?? [:], names: keys).map { Entry($0) }
        case .brokerLogger(let id):
            try self.checkIsHere(id, image)
            return []
        }
    }

    /// A broker knows its own configs only: those in its file are nowhere else.
    private static func checkIsHere(_ id: NodeID, _ image: ClusterImage) throws(RequestRefusal) {
        guard id == image.nodeID else {
            throw RequestRefusal(.invalidRequest, "This is broker \(image.nodeID): ask broker \(id) for its configs")
        }
    }

    private static func describe(_ entry: Entry, for request: DescribeConfigsRequest) -> Described {
        var described = Described()
        described.name = entry.name
        described.value = entry.value
        described.readOnly = entry.isReadOnly
        described.configSource = entry.source.rawValue
        described.isSensitive = entry.isSensitive
        described.configType = entry.type.rawValue
        described.documentation = request.includeDocumentation ? entry.documentation : nil
        if request.includeSynonyms {
            described.synonyms = entry.settings.map { setting in
                var synonym = DescribeConfigsResponse.DescribeConfigsSynonym()
                synonym.name = setting.name
                synonym.value = setting.value
                synonym.source = setting.source.rawValue
                return synonym
            }
        }
        return described
    }

    /// One config on its way into the answer.
    private struct Entry {
        let name: String
        let value: String?
        let source: ConfigSource
        let type: ConfigType
        let isReadOnly: Bool
        let isSensitive: Bool
        let documentation: String
        /// Every place that has a value, the strongest first.
        let settings: [(name: String, value: String?, source: ConfigSource)]

        init(_ entry: ConfigEntry) {
            self.name = entry.name
            self.value = entry.value
            self.source = entry.source
            self.type = entry.type
            self.isReadOnly = entry.isReadOnly
            self.isSensitive = entry.isSensitive
            self.documentation = entry.documentation
            self.settings = entry.synonyms.map { ($0.name, $0.value, $0.source) }
        }

        /// What follows from other configs, in words.
        init(_ durability: Durability) {
            self.name = DurabilityDescription.configName
            self.value = DurabilityDescription(durability: durability).text
            // A default: tools that copy what was set from topic to topic leave it alone.
            self.source = .defaultConfig
            self.type = .string
            self.isReadOnly = true
            self.isSensitive = false
            self.documentation = DurabilityDescription.documentation
            self.settings = []
        }

        /// A config that somebody set at run time for all brokers.
        init(setForAllBrokers name: String, _ value: String) {
            let definition = BrokerConfigDefinitions.definition(name)
            self.name = name
            self.isSensitive = definition?.isSensitive ?? false
            self.value = self.isSensitive ? nil : value
            self.source = .dynamicDefaultBroker
            self.type = definition?.type ?? .string
            self.isReadOnly = false
            self.documentation = definition?.documentation ?? ""
            self.settings = [(name, self.value, .dynamicDefaultBroker)]
        }
    }
}
