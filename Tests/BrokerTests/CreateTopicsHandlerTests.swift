// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("CreateTopics")
struct CreateTopicsHandlerTests {
    private typealias Topic = CreateTopicsRequest.CreatableTopic

    private static func topic(
        _ name: String,
        partitions: Int32 = 1,
        replicas: Int16 = 1,
        configs: [(String, String?)] = [],
        assignments: [(Int32, [Int32])] = []
    ) -> Topic {
        var topic = Topic()
        topic.name = name
        topic.numPartitions = partitions
        topic.replicationFactor = replicas
        topic.configs = configs.map { name, value in
            var config = CreateTopicsRequest.CreatableTopicConfig()
            config.name = name
            config.value = value
            return config
        }
        topic.assignments = assignments.map { index, brokers in
            var assignment = CreateTopicsRequest.CreatableReplicaAssignment()
            assignment.partitionIndex = index
            assignment.brokerIDs = brokers
            return assignment
        }
        return topic
    }

    private static func create(
        _ broker: BrokerHarness,
        _ topics: [Topic],
        version: Int16 = 7,
        validateOnly: Bool = false
    ) async throws -> [CreateTopicsResponse.CreatableTopicResult] {
        var request = CreateTopicsRequest()
        request.topics = topics
        request.validateOnly = validateOnly
        return try await broker.send(request, version: version).topics
    }

    /// The error of one topic; there must be a message with it.
    private static func error(
        _ broker: BrokerHarness,
        _ topic: Topic,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> ErrorCode {
        let answers = try await self.create(broker, [topic])
        try #require(answers.count == 1, sourceLocation: sourceLocation)
        #expect(answers[0].errorCode == 0 || answers[0].errorMessage?.isEmpty == false, sourceLocation: sourceLocation)
        return ErrorCode(answers[0].errorCode)
    }

    @Test("a topic that was made is served at once, at the lowest and the highest version", arguments: [2, 7])
    func create(version: Int16) async throws {
        try await withBroker { broker in
            let topic = Self.topic("orders", partitions: 3, configs: [("retention.ms", "1000")])
            let answer = try await Self.create(broker, [topic], version: version)[0]
            #expect(answer.errorCode == 0)
            #expect(answer.errorMessage == nil)
            #expect(answer.name == "orders")
            try await broker.produce(to: "orders", partition: 2, timestamps: [broker.now])
            guard version >= 5 else { return }
            #expect(answer.topicID != .zero)
            #expect(answer.numPartitions == 3)
            #expect(answer.replicationFactor == 1)
            let configs = try #require(answer.configs)
            let retention = try #require(configs.first { $0.name == "retention.ms" })
            #expect(retention.value == "1000")
            #expect(retention.configSource == 1)
            let policy = try #require(configs.first { $0.name == "cleanup.policy" })
            #expect(policy.value == "delete")
            #expect(policy.configSource == 5)
        }
    }

    @Test("-1 takes the broker's number of partitions and replicas")
    func brokerDefaults() async throws {
        try await withBroker(["num.partitions": "4"]) { broker in
            let answer = try await Self.create(broker, [Self.topic("orders", partitions: -1, replicas: -1)])[0]
            #expect(answer.numPartitions == 4)
            #expect(answer.replicationFactor == 1)
        }
    }

    @Test("only validated, a topic has no id and is not there afterwards, but is checked like any other")
    func validateOnly() async throws {
        try await withBroker { broker in
            let answers = try await Self.create(
                broker, [Self.topic("orders", partitions: 2), Self.topic("bad", partitions: 0)], validateOnly: true)
            #expect(answers[0].errorCode == 0)
            #expect(answers[0].topicID == .zero)
            #expect(answers[0].numPartitions == 2)
            #expect(ErrorCode(answers[1].errorCode) == .invalidPartitions)
            #expect(try await Self.create(broker, [Self.topic("orders")])[0].errorCode == 0)
        }
    }

    @Test("a topic refused does not keep the others")
    func othersAreMade() async throws {
        try await withBroker { broker in
            try await broker.createTopic("here")
            let answers = try await Self.create(
                broker, [Self.topic("a"), Self.topic("here"), Self.topic("bad name"), Self.topic("b")])
            #expect(answers.map(\.name) == ["a", "here", "bad name", "b"])
            #expect(
                answers.map { ErrorCode($0.errorCode) } == [.none, .topicAlreadyExists, .invalidTopicException, .none])
            #expect(answers[1].errorMessage?.contains("here") == true)
            #expect(answers[1].numPartitions == -1)
        }
    }

    @Test("a name that a request has twice is refused once")
    func repeatedNames() async throws {
        try await withBroker { broker in
            let answers = try await Self.create(broker, [Self.topic("a"), Self.topic("b"), Self.topic("a")])
            #expect(answers.map(\.name) == ["a", "b"])
            #expect(answers.map { ErrorCode($0.errorCode) } == [.invalidRequest, .none])
            #expect(answers[0].errorMessage?.contains("'a'") == true)
        }
    }

    @Test("names that no topic can have are refused")
    func names() async throws {
        try await withBroker { (broker) async throws in
            for name in ["", ".", "..", "a/b", "ä", String(repeating: "a", count: 250)] {
                #expect(try await Self.error(broker, Self.topic(name)) == .invalidTopicException, "'\(name)'")
            }
            #expect(try await Self.error(broker, Self.topic(String(repeating: "a", count: 249))) == .none)
            #expect(try await Self.error(broker, Self.topic("a.b")) == .none)
            #expect(try await Self.error(broker, Self.topic("a_b")) == .invalidTopicException)
        }
    }

    @Test("counts that are not possible are refused")
    func counts() async throws {
        try await withBroker { (broker) async throws in
            for count in [Int32(0), -2, .min] {
                #expect(try await Self.error(broker, Self.topic("t", partitions: count)) == .invalidPartitions)
            }
            #expect(try await Self.error(broker, Self.topic("t", partitions: .max)) == .policyViolation)
            for factor in [Int16(0), -2, 2, .max] {
                #expect(try await Self.error(broker, Self.topic("t", replicas: factor)) == .invalidReplicationFactor)
            }
        }
    }

    @Test("replicas can be assigned by hand, from partition 0 on without gaps")
    func assignments() async throws {
        try await withBroker { broker in
            let node = BrokerHarness.nodeID
            func manual(_ name: String, _ assignments: [(Int32, [Int32])], count: Int32 = -1) -> Topic {
                Self.topic(name, partitions: count, replicas: -1, assignments: assignments)
            }
            let made = try await Self.create(broker, [manual("made", [(1, [node]), (0, [node])])])[0]
            #expect(made.errorCode == 0)
            #expect(made.numPartitions == 2)
            for assignments in [
                [(0, [node]), (2, [node])], [(0, [node]), (0, [node])], [(1, [node])], [(0, [])], [(0, [node, node])],
                [(0, [node + 1])], [(-1, [node])],
            ] as [[(Int32, [Int32])]] {
                #expect(try await Self.error(broker, manual("t", assignments)) == .invalidReplicaAssignment)
            }
            #expect(try await Self.error(broker, manual("t", [(0, [node])], count: 1)) == .invalidRequest)
        }
    }

    @Test("configs are checked before anything is made")
    func configs() async throws {
        try await withBroker { broker in
            for config in [("retention.ms", "soon"), ("retention.mss", "1"), ("cleanup.policy", nil)]
                as [(String, String?)]
            {
                let answer = try await Self.create(broker, [Self.topic("t", configs: [config])])[0]
                #expect(ErrorCode(answer.errorCode) == .invalidConfig)
                #expect(answer.errorMessage?.contains(config.0) == true)
            }
            let twice = Self.topic("t", configs: [("retention.ms", "1"), ("retention.ms", "2")])
            #expect(try await Self.error(broker, twice) == .invalidRequest)
            #expect(try await Self.error(broker, Self.topic("t")) == .none)
        }
    }

    @Test("when the metadata cannot be kept, the topic is refused and can be made later")
    func storeFails() async throws {
        try await withBroker { broker in
            broker.store.failNextCommit(with: MetadataError(.storage, "the disk is full"))
            let answer = try await Self.create(broker, [Self.topic("orders")])[0]
            #expect(ErrorCode(answer.errorCode) == .kafkaStorageError)
            #expect(answer.errorMessage?.contains("the disk is full") == true)
            #expect(try await Self.create(broker, [Self.topic("orders")])[0].errorCode == 0)
        }
    }

    @Test("one request makes at most 10,000 partitions")
    func partitionsPerRequest() async throws {
        try await withBroker { broker in
            let topics = [
                Self.topic("a", partitions: 9_998), Self.topic("b", partitions: 2), Self.topic("c", partitions: 1),
            ]
            let answers = try await Self.create(broker, topics, validateOnly: true)
            #expect(answers.map { ErrorCode($0.errorCode) } == [.none, .none, .policyViolation])
            #expect(answers[2].errorMessage?.contains("10000") == true)
        }
    }
}
