// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("AlterConfigs and IncrementalAlterConfigs")
struct AlterConfigsHandlerTests {
    private typealias Describe = DescribeConfigsHandlerTests
    private typealias Incremental = IncrementalAlterConfigsRequest

    private enum Operation {
        static let set: Int8 = 0
        static let delete: Int8 = 1
        static let append: Int8 = 2
        static let subtract: Int8 = 3
    }

    /// Sets configs incrementally; the step must succeed.
    static func set(_ broker: BrokerHarness, _ type: Int8, _ name: String, _ configs: [String: String]) async throws {
        let changes = configs.map { ($0.key, Operation.set, Optional($0.value)) }
        let answer = try await self.alter(broker, type, name, changes)
        try #require(answer.errorCode == 0, "\(answer.errorMessage ?? "")")
    }

    private static func resource(
        _ type: Int8, _ name: String, _ changes: [(String, Int8, String?)]
    ) -> Incremental.AlterConfigsResource {
        var resource = Incremental.AlterConfigsResource()
        resource.resourceType = type
        resource.resourceName = name
        resource.configs = changes.map { name, operation, value in
            var config = Incremental.AlterableConfig()
            config.name = name
            config.configOperation = operation
            config.value = value
            return config
        }
        return resource
    }

    static func alter(
        _ broker: BrokerHarness,
        _ type: Int8,
        _ name: String,
        _ changes: [(String, Int8, String?)],
        validateOnly: Bool = false,
        version: Int16 = 1
    ) async throws -> IncrementalAlterConfigsResponse.AlterConfigsResourceResponse {
        var request = Incremental()
        request.resources = [self.resource(type, name, changes)]
        request.validateOnly = validateOnly
        let answer = try await broker.send(request, version: version).responses[0]
        #expect(answer.resourceType == type)
        #expect(answer.resourceName == name)
        #expect((answer.errorCode == 0) == (answer.errorMessage == nil))
        return answer
    }

    static func replace(
        _ broker: BrokerHarness,
        _ type: Int8,
        _ name: String,
        _ configs: [(String, String?)],
        validateOnly: Bool = false,
        version: Int16 = 2
    ) async throws -> AlterConfigsResponse.AlterConfigsResourceResponse {
        var resource = AlterConfigsRequest.AlterConfigsResource()
        resource.resourceType = type
        resource.resourceName = name
        resource.configs = configs.map { name, value in
            var config = AlterConfigsRequest.AlterableConfig()
            config.name = name
            config.value = value
            return config
        }
        var request = AlterConfigsRequest()
        request.resources = [resource]
        request.validateOnly = validateOnly
        return try await broker.send(request, version: version).responses[0]
    }

    /// Value and source of one config of topic `orders`.
    private static func config(_ broker: BrokerHarness, _ name: String) async throws -> String {
        let config = try Describe.config(
            try await Describe.describe(broker, Describe.topic, "orders", keys: [name]))
        return "\(config.value ?? "null") from \(config.configSource)"
    }

    @Test("set and delete change one config and leave the others", arguments: [0, 1])
    func setAndDelete(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", configs: ["retention.ms": "1000", "retention.bytes": "5"])
            let answer = try await Self.alter(
                broker, Describe.topic, "orders",
                [("retention.ms", Operation.delete, nil), ("segment.ms", Operation.set, " 77 ")], version: version)
            #expect(answer.errorCode == 0)
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
            #expect(try await Self.config(broker, "segment.ms") == "77 from 1")
            #expect(try await Self.config(broker, "retention.bytes") == "5 from 1")
        }
    }

    @Test("append and subtract work on the list in force, and on lists only")
    func lists() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let policy = "cleanup.policy"
            _ = try await Self.alter(broker, Describe.topic, "orders", [(policy, Operation.append, "compact")])
            #expect(try await Self.config(broker, policy) == "delete,compact from 1")
            _ = try await Self.alter(broker, Describe.topic, "orders", [(policy, Operation.subtract, "delete")])
            #expect(try await Self.config(broker, policy) == "compact from 1")
            let noList = try await Self.alter(
                broker, Describe.topic, "orders", [("retention.ms", Operation.append, "1")])
            #expect(ErrorCode(noList.errorCode) == .invalidConfig)
            let noItem = try await Self.alter(broker, Describe.topic, "orders", [(policy, Operation.append, "burn")])
            #expect(ErrorCode(noItem.errorCode) == .invalidConfig)
            #expect(try await Self.config(broker, policy) == "compact from 1")
        }
    }

    @Test("a changed topic config is in force at once: a batch too large is refused")
    func inForceAtOnce() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now])
            try await Self.set(broker, Describe.topic, "orders", ["max.message.bytes": "10"])
            await #expect(throws: BrokerHarness.StepFailed.self) {
                try await broker.produce(to: "orders", timestamps: [broker.now])
            }
            try broker.restart()
            #expect(try await Self.config(broker, "max.message.bytes") == "10 from 1")
        }
    }

    @Test("one wrong change keeps all changes of its resource from being made, and no others")
    func wholeResource() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.createTopic("bills")
            var request = Incremental()
            request.resources = [
                Self.resource(
                    Describe.topic, "orders",
                    [("retention.ms", Operation.set, "1"), ("segment.ms", Operation.set, "soon")]),
                Self.resource(Describe.topic, "bills", [("retention.ms", Operation.set, "1")]),
            ]
            let answers = try await broker.send(request, version: 1).responses
            #expect(answers.map { ErrorCode($0.errorCode) } == [.invalidConfig, .none])
            #expect(answers[0].errorMessage?.contains("segment.ms") == true)
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
        }
    }

    @Test("only validated, nothing changes, but errors are told")
    func validateOnly() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let good = try await Self.alter(
                broker, Describe.topic, "orders", [("retention.ms", Operation.set, "1")], validateOnly: true)
            #expect(good.errorCode == 0)
            let bad = try await Self.alter(
                broker, Describe.topic, "orders", [("retention.ms", Operation.set, "-2")], validateOnly: true)
            #expect(ErrorCode(bad.errorCode) == .invalidConfig)
            let replaced = try await Self.replace(
                broker, Describe.topic, "orders", [("retention.ms", "1")], validateOnly: true)
            #expect(replaced.errorCode == 0)
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
        }
    }

    @Test("AlterConfigs puts what is not in the request back to its default", arguments: [0, 2])
    func replaceAll(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", configs: ["retention.ms": "1000", "retention.bytes": "5"])
            let answer = try await Self.replace(
                broker, Describe.topic, "orders", [("segment.ms", "77")], version: version)
            #expect(answer.errorCode == 0)
            #expect(answer.errorMessage == nil)
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
            #expect(try await Self.config(broker, "retention.bytes") == "-1 from 5")
            #expect(try await Self.config(broker, "segment.ms") == "77 from 1")
            let null = try await Self.replace(broker, Describe.topic, "orders", [("segment.ms", nil)])
            #expect(ErrorCode(null.errorCode) == .invalidConfig)
            #expect(try await Self.config(broker, "segment.ms") == "77 from 1")
        }
    }

    @Test("a default set for all brokers reaches topics without their own, one for this broker is stronger")
    func dynamicBrokerConfigs() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await Self.set(broker, Describe.broker, "", ["log.retention.ms": "9000"])
            #expect(try await Self.config(broker, "retention.ms") == "9000 from 3")
            let own = String(BrokerHarness.nodeID)
            try await Self.set(broker, Describe.broker, own, ["log.retention.ms": "8000"])
            #expect(try await Self.config(broker, "retention.ms") == "8000 from 2")
            try broker.restart()
            #expect(try await Self.config(broker, "retention.ms") == "8000 from 2")
            let replaced = try await Self.replace(broker, Describe.broker, own, [])
            #expect(replaced.errorCode == 0)
            #expect(try await Self.config(broker, "retention.ms") == "9000 from 3")
            _ = try await Self.alter(broker, Describe.broker, "", [("log.retention.ms", Operation.delete, nil)])
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
        }
    }

    @Test("a default for all brokers is in force at once: a batch too large is refused")
    func dynamicBrokerConfigInForce() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await Self.set(broker, Describe.broker, "", ["message.max.bytes": "10"])
            await #expect(throws: BrokerHarness.StepFailed.self) {
                try await broker.produce(to: "orders", timestamps: [broker.now])
            }
        }
    }

    @Test("what cannot be changed is an error with a message")
    func errors() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let own = String(BrokerHarness.nodeID)
            let set = Operation.set
            for (type, name, change, error) in [
                (Describe.topic, "nothing", ("retention.ms", set, "1"), .unknownTopicOrPartition),
                (Describe.topic, "no name", ("retention.ms", set, "1"), .invalidTopicException),
                (Describe.topic, "orders", ("retention.mss", set, "1"), .invalidConfig),
                (Describe.topic, "orders", ("retention.ms", set, nil), .invalidConfig),
                (Describe.topic, "orders", ("retention.ms", 4, "1"), .invalidRequest),
                (Describe.topic, "orders", ("retention.ms", -1, "1"), .invalidRequest),
                (Describe.broker, own, ("listeners", set, "PLAINTEXT://:9092"), .invalidConfig),
                (Describe.broker, own, ("nothing", set, "1"), .invalidConfig),
                (Describe.broker, "99", ("log.retention.ms", set, "1"), .brokerIDNotRegistered),
                (Describe.broker, "me", ("log.retention.ms", set, "1"), .invalidRequest),
                (Describe.brokerLogger, own, ("root", set, "DEBUG"), .invalidRequest),
                (Describe.group, "", ("consumer.session.timeout.ms", set, "50000"), .invalidRequest),
                (Describe.group, "payments", ("nothing", set, "1"), .invalidConfig),
                (3, "x", ("x", set, "1"), .invalidRequest),
            ] as [(Int8, String, (String, Int8, String?), ErrorCode)] {
                let answer = try await Self.alter(broker, type, name, [change])
                #expect(ErrorCode(answer.errorCode) == error, "\(type) '\(name)' \(change)")
                #expect(answer.errorMessage?.isEmpty == false)
            }
            let typo = try await Self.alter(broker, Describe.topic, "orders", [("retention.mss", set, "1")])
            #expect(typo.errorMessage?.contains("did you mean retention.ms") == true)
        }
    }

    @Test("a resource or a config that a request has twice is refused")
    func repeated() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let change = ("retention.ms", Operation.set, Optional("1"))
            let twice = try await Self.alter(broker, Describe.topic, "orders", [change, change])
            #expect(ErrorCode(twice.errorCode) == .invalidRequest)
            var request = Incremental()
            request.resources = [
                Self.resource(Describe.topic, "orders", [change]), Self.resource(Describe.topic, "orders", [change]),
            ]
            let answers = try await broker.send(request, version: 1).responses
            #expect(answers.map { ErrorCode($0.errorCode) } == [.invalidRequest, .invalidRequest])
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
        }
    }

    @Test("when the metadata cannot be kept, nothing changes")
    func storeFails() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            broker.store.failNextCommit(with: MetadataError(.storage, "the disk is full"))
            let answer = try await Self.alter(
                broker, Describe.topic, "orders", [("retention.ms", Operation.set, "1")])
            #expect(ErrorCode(answer.errorCode) == .kafkaStorageError)
            #expect(try await Self.config(broker, "retention.ms") == "604800000 from 5")
        }
    }
}
