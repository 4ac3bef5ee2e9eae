// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("DeleteTopics")
struct DeleteTopicsHandlerTests {
    private typealias Answer = DeleteTopicsResponse.DeletableTopicResult

    private static func delete(
        _ broker: BrokerHarness,
        names: [String],
        version: Int16
    ) async throws -> [Answer] {
        var request = DeleteTopicsRequest()
        request.topicNames = names
        return try await broker.send(request, version: version).responses
    }

    private static func delete(
        _ broker: BrokerHarness,
        _ topics: [(name: String?, id: TopicID)]
    ) async throws -> [Answer] {
        var request = DeleteTopicsRequest()
        request.topics = topics.map { name, id in
            var topic = DeleteTopicsRequest.DeleteTopicState()
            topic.name = name
            topic.topicID = id
            return topic
        }
        return try await broker.send(request, version: 6).responses
    }

    private static func exists(_ broker: BrokerHarness, _ topic: String) async throws -> Bool {
        var asked = DescribeTopicPartitionsRequest.TopicRequest()
        asked.name = topic
        var request = DescribeTopicPartitionsRequest()
        request.topics = [asked]
        return try await broker.send(request, version: 0).topics[0].errorCode == 0
    }

    @Test("a topic deleted by name is gone and can be made again", arguments: [1, 5])
    func byName(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 2)
            try await broker.produce(to: "orders", timestamps: [broker.now])
            let answers = try await Self.delete(broker, names: ["orders", "nothing"], version: version)
            #expect(answers.map { ErrorCode($0.errorCode) } == [.none, .unknownTopicOrPartition])
            #expect(answers.map(\.name) == ["orders", "nothing"])
            if version >= 5 { #expect(answers[1].errorMessage?.contains("'nothing'") == true) }
            #expect(answers[0].errorMessage == nil)
            #expect(try await !Self.exists(broker, "orders"))
            try await broker.createTopic("orders")
            #expect(try await broker.produce(to: "orders", timestamps: [broker.now]) == 0)
        }
    }

    @Test("from version 6 on a topic can be deleted by its id, and the answer tells its name")
    func byID() async throws {
        try await withBroker { broker in
            let id = try await broker.createTopic("orders").topicID
            let other = try await broker.createTopic("bills").topicID
            let unknown = TopicID(high: 1, low: 2)
            let answers = try await Self.delete(broker, [(nil, id), (nil, unknown), ("bills", .zero)])
            #expect(answers.map { ErrorCode($0.errorCode) } == [.none, .unknownTopicID, .none])
            #expect(answers.map(\.name) == ["orders", nil, "bills"])
            #expect(answers.map(\.topicID) == [id, unknown, other])
            #expect(try await !Self.exists(broker, "orders"))
        }
    }

    @Test("a topic that is named twice, or both ways, is refused and stays")
    func ambiguous() async throws {
        try await withBroker { broker in
            let id = try await broker.createTopic("orders").topicID
            let twice = try await Self.delete(broker, [("orders", .zero), (nil, id)])
            #expect(twice.map { ErrorCode($0.errorCode) } == [.invalidRequest, .invalidRequest])
            let both = try await Self.delete(broker, [("orders", id)])
            #expect(ErrorCode(both[0].errorCode) == .invalidRequest)
            let neither = try await Self.delete(broker, [(nil, .zero)])
            #expect(ErrorCode(neither[0].errorCode) == .invalidRequest)
            #expect(try await Self.exists(broker, "orders"))
        }
    }

    @Test("delete.topic.enable=false keeps every topic")
    func disabled() async throws {
        try await withBroker(["delete.topic.enable": "false"]) { broker in
            try await broker.createTopic("orders")
            let old = try await Self.delete(broker, names: ["orders"], version: 2)
            #expect(ErrorCode(old[0].errorCode) == .invalidRequest)
            let new = try await Self.delete(broker, [("orders", .zero)])
            #expect(ErrorCode(new[0].errorCode) == .topicDeletionDisabled)
            #expect(new[0].errorMessage?.contains("delete.topic.enable") == true)
            #expect(try await Self.exists(broker, "orders"))
        }
    }
}
