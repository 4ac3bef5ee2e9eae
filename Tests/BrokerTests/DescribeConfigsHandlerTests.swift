// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("DescribeConfigs")
struct DescribeConfigsHandlerTests {
    typealias Result = DescribeConfigsResponse.DescribeConfigsResult
    typealias Config = DescribeConfigsResponse.DescribeConfigsResourceResult

    static let topic: Int8 = 2
    static let broker: Int8 = 4
    static let brokerLogger: Int8 = 8
    static let group: Int8 = 32

    static func describe(
        _ broker: BrokerHarness,
        _ type: Int8,
        _ name: String,
        keys: [String]? = nil,
        synonyms: Bool = false,
        documentation: Bool = false,
        version: Int16 = 4
    ) async throws -> Result {
        var resource = DescribeConfigsRequest.DescribeConfigsResource()
        resource.resourceType = type
        resource.resourceName = name
        resource.configurationKeys = keys
        var request = DescribeConfigsRequest()
        request.resources = [resource]
        request.includeSynonyms = synonyms
        request.includeDocumentation = documentation
        let result = try await broker.send(request, version: version).results[0]
        #expect(result.resourceType == type)
        #expect(result.resourceName == name)
        return result
    }

    /// The only config of an answer.
    static func config(_ result: Result) throws -> Config {
        try #require(result.errorCode == 0)
        try #require(result.configs.count == 1)
        return result.configs[0]
    }

    @Test("a topic says in words what acks=all means, and cannot be told otherwise")
    func durabilityInWords() async throws {
        try await withBroker { broker in
            try await broker.createTopic("safe")
            try await broker.createTopic("quick", configs: ["flush.messages": "1000", "flush.ms": "250"])
            let name = "martlet.acks.all"
            let safe = try Self.config(try await Self.describe(broker, Self.topic, "safe", keys: [name]))
            #expect(safe.value?.hasPrefix("synced:") == true)
            #expect(safe.readOnly)
            #expect(safe.configSource == 5)
            let quick = try Self.config(try await Self.describe(broker, Self.topic, "quick", keys: [name]))
            #expect(quick.value?.contains("synced after 1000 records or 250 ms") == true)
            let all = try await Self.describe(broker, Self.topic, "quick").configs.map(\.name)
            #expect(all.contains(name))
            #expect(all == all.sorted())
        }
    }

    @Test("a topic's configs say what is in force and who set it", arguments: [1, 4])
    func topicConfigs(version: Int16) async throws {
        try await withBroker(["log.retention.bytes": "5000"]) { broker in
            try await broker.createTopic("orders", configs: ["retention.ms": "1000"])
            let result = try await Self.describe(broker, Self.topic, "orders", version: version)
            #expect(result.errorCode == 0)
            #expect(result.errorMessage == nil)
            let byName = Dictionary(uniqueKeysWithValues: result.configs.map { ($0.name, $0) })
            #expect(result.configs.map(\.name) == result.configs.map(\.name).sorted())
            #expect(byName["retention.ms"]?.value == "1000")
            #expect(byName["retention.ms"]?.configSource == 1)
            #expect(byName["retention.bytes"]?.value == "5000")
            #expect(byName["retention.bytes"]?.configSource == 4)
            #expect(byName["cleanup.policy"]?.value == "delete")
            #expect(byName["cleanup.policy"]?.configSource == 5)
            #expect(byName["retention.ms"]?.readOnly == false)
            #expect(byName["retention.ms"]?.synonyms.isEmpty == true)
            #expect(byName["internal.segment.bytes"] == nil)
            #expect(byName["retention.ms"]?.configType == (version >= 3 ? 5 : 0))
        }
    }

    @Test("keys choose configs; an empty list means all, unknown ones are left out")
    func keys() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let chosen = try await Self.describe(
                broker, Self.topic, "orders", keys: ["retention.ms", "nothing", "cleanup.policy"])
            #expect(chosen.configs.map(\.name) == ["cleanup.policy", "retention.ms"])
            #expect(try await Self.describe(broker, Self.topic, "orders", keys: []).configs.count > 20)
        }
    }

    @Test("synonyms tell every place that has a value, the strongest first")
    func synonyms() async throws {
        try await withBroker(["log.retention.hours": "2"]) { broker in
            try await broker.createTopic("orders", configs: ["retention.ms": "1000"])
            let config = try Self.config(
                try await Self.describe(broker, Self.topic, "orders", keys: ["retention.ms"], synonyms: true))
            #expect(config.synonyms.map(\.name) == ["retention.ms", "log.retention.hours", "log.retention.hours"])
            #expect(config.synonyms.map(\.value) == ["1000", "2", "168"])
            #expect(config.synonyms.map(\.source) == [1, 4, 5])
        }
    }

    @Test("the documentation of flush.messages tells what an acknowledgement means")
    func documentation() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let config = try Self.config(
                try await Self.describe(broker, Self.topic, "orders", keys: ["flush.messages"], documentation: true))
            #expect(config.value == "1")
            #expect(config.documentation?.contains("stable storage") == true)
            let silent = try Self.config(
                try await Self.describe(broker, Self.topic, "orders", keys: ["flush.messages"]))
            #expect(silent.documentation == nil)
        }
    }

    @Test("a broker tells its own configs")
    func brokerConfigs() async throws {
        try await withBroker(["num.partitions": "4"]) { broker in
            let own = String(BrokerHarness.nodeID)
            let partitions = try Self.config(
                try await Self.describe(broker, Self.broker, own, keys: ["num.partitions"], synonyms: true))
            #expect(partitions.value == "4")
            #expect(partitions.configSource == 4)
            #expect(partitions.readOnly)
            #expect(partitions.configType == 3)
            #expect(partitions.synonyms.map(\.value) == ["4", "1"])
            #expect(try await Self.describe(broker, Self.broker, own).configs.count > 50)
        }
    }

    @Test("a broker resource without a name tells what is set for all brokers, and nothing else")
    func clusterWideConfigs() async throws {
        try await withBroker { broker in
            #expect(try await Self.describe(broker, Self.broker, "").configs.isEmpty)
            try await AlterConfigsHandlerTests.set(broker, Self.broker, "", ["log.retention.ms": "9000"])
            let config = try Self.config(try await Self.describe(broker, Self.broker, "", synonyms: true))
            #expect(config.name == "log.retention.ms")
            #expect(config.value == "9000")
            #expect(config.configSource == 3)
            #expect(!config.readOnly)
            #expect(config.synonyms.map(\.source) == [3])
            #expect(try await Self.describe(broker, Self.broker, "", keys: ["num.partitions"]).configs.isEmpty)
        }
    }

    @Test("what there is not is an error with a message")
    func errors() async throws {
        try await withBroker { broker in
            let other = String(BrokerHarness.nodeID + 1)
            for (type, name, error) in [
                (Self.topic, "nothing", .unknownTopicOrPartition), (Self.topic, "no name", .invalidTopicException),
                (Self.broker, other, .invalidRequest), (Self.broker, "me", .invalidRequest),
                (Self.brokerLogger, "", .invalidRequest), (Self.brokerLogger, other, .invalidRequest),
                (0, "x", .invalidRequest), (16, "x", .invalidRequest), (Self.group, "", .invalidRequest),
                (99, "x", .invalidRequest),
            ] as [(Int8, String, ErrorCode)] {
                let result = try await Self.describe(broker, type, name)
                #expect(ErrorCode(result.errorCode) == error, "\(type) '\(name)'")
                #expect(result.errorMessage?.isEmpty == false)
                #expect(result.configs.isEmpty)
            }
            let logger = try await Self.describe(broker, Self.brokerLogger, String(BrokerHarness.nodeID))
            #expect(logger.errorCode == 0)
            #expect(logger.configs.isEmpty)
        }
    }

    @Test("a request with more than 10,000 resources is refused, resource by resource")
    func tooManyResources() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            var resource = DescribeConfigsRequest.DescribeConfigsResource()
            resource.resourceType = Self.topic
            resource.resourceName = "orders"
            var request = DescribeConfigsRequest()
            request.resources = Array(repeating: resource, count: 10_001)
            let results = try await broker.send(request, version: 4).results
            #expect(results.count == 10_001)
            #expect(results.allSatisfy { ErrorCode($0.errorCode) == .invalidRequest && $0.configs.isEmpty })
        }
    }
}
