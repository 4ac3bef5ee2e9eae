// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("DescribeProducers")
struct DescribeProducersHandlerTests {
    private static func describe(
        _ broker: BrokerHarness,
        _ topic: String,
        _ partitions: [Int32]
    ) async throws -> [DescribeProducersResponse.PartitionResponse] {
        var topicAsked = DescribeProducersRequest.TopicRequest()
        topicAsked.name = topic
        topicAsked.partitionIndexes = partitions
        var request = DescribeProducersRequest()
        request.topics = [topicAsked]
        let response = try await broker.send(request, version: 0)
        try #require(response.topics.map(\.name) == [topic])
        return response.topics[0].partitions
    }

    @Test("idempotent producers are told with their last sequence, others are not")
    func producers() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 2)
            try await broker.produce(to: "orders", timestamps: [broker.now])
            try await broker.produce(to: "orders", timestamps: [1, 2], producer: (40, 0, 0))
            try await broker.produce(to: "orders", timestamps: [broker.now], producer: (40, 0, 2))
            try await broker.produce(to: "orders", timestamps: [broker.now - 5], producer: (30, 3, 0))
            let answers = try await Self.describe(broker, "orders", [0, 1])
            #expect(answers.map(\.errorCode) == [0, 0])
            #expect(answers[0].errorMessage == nil)
            let told = answers[0].activeProducers
            #expect(told.map(\.producerID) == [30, 40])
            #expect(told.map(\.producerEpoch) == [3, 0])
            #expect(told.map(\.lastSequence) == [0, 2])
            #expect(told.map(\.lastTimestamp) == [broker.now - 5, broker.now])
            #expect(told.map(\.currentTxnStartOffset) == [-1, -1])
            #expect(answers[1].activeProducers.isEmpty)
        }
    }

    @Test("a producer that was silent for too long is forgotten")
    func expired() async throws {
        try await withBroker(["producer.id.expiration.ms": "1000"]) { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now], producer: (40, 0, 0))
            #expect(try await Self.describe(broker, "orders", [0])[0].activeProducers.count == 1)
            broker.advance(milliseconds: 1_000)
            #expect(try await Self.describe(broker, "orders", [0])[0].activeProducers.isEmpty)
        }
    }

    @Test("partitions that are not there are errors with a message")
    func errors() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let partition = try await Self.describe(broker, "orders", [7])[0]
            #expect(ErrorCode(partition.errorCode) == .unknownTopicOrPartition)
            #expect(partition.partitionIndex == 7)
            #expect(partition.errorMessage?.contains("orders") == true)
            let topic = try await Self.describe(broker, "nothing", [0])[0]
            #expect(ErrorCode(topic.errorCode) == .unknownTopicOrPartition)
            #expect(topic.errorMessage?.contains("nothing") == true)
        }
    }

    @Test("a partition that the request has twice is told for neither")
    func repeated() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 2)
            let answers = try await Self.describe(broker, "orders", [0, 1, 0])
            #expect(answers.map { ErrorCode($0.errorCode) } == [.invalidRequest, .none, .invalidRequest])
            #expect(answers[0].errorMessage?.contains("orders-0") == true)
        }
    }
}
