// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("OffsetForLeaderEpoch")
struct OffsetForLeaderEpochHandlerTests {
    private static func ask(
        _ broker: BrokerHarness,
        _ topic: String,
        epoch: Int32,
        currentEpoch: Int32 = -1,
        partition index: Int32 = 0,
        version: Int16 = 4
    ) async throws -> OffsetForLeaderEpochResponse.EpochEndOffset {
        var partition = OffsetForLeaderEpochRequest.OffsetForLeaderPartition()
        partition.partition = index
        partition.leaderEpoch = epoch
        partition.currentLeaderEpoch = currentEpoch
        var topicAsked = OffsetForLeaderEpochRequest.OffsetForLeaderTopic()
        topicAsked.topic = topic
        topicAsked.partitions = [partition]
        var request = OffsetForLeaderEpochRequest()
        request.replicaID = -1
        request.topics = [topicAsked]
        let response = try await broker.send(request, version: version)
        try #require(response.topics.map(\.topic) == [topic])
        let answer = try #require(response.topics[0].partitions.first)
        #expect(answer.partition == index)
        return answer
    }

    @Test("the leader's epoch ends at the end of the log, also of an empty one", arguments: [2, 4])
    func currentEpoch(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let empty = try await Self.ask(broker, "orders", epoch: 0, version: version)
            #expect(empty.errorCode == 0)
            #expect(empty.leaderEpoch == 0)
            #expect(empty.endOffset == 0)
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now])
            let answer = try await Self.ask(broker, "orders", epoch: 0, currentEpoch: 0, version: version)
            #expect(answer.leaderEpoch == 0)
            #expect(answer.endOffset == 2)
        }
    }

    @Test("of an epoch that never was nothing is known")
    func otherEpochs() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now])
            for epoch in [Int32(1), .max, -1, .min] {
                let answer = try await Self.ask(broker, "orders", epoch: epoch)
                #expect(answer.errorCode == 0)
                #expect(answer.leaderEpoch == -1)
                #expect(answer.endOffset == -1)
            }
        }
    }

    @Test("unknown partitions and other leader epochs than ours are errors")
    func errors() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let topic = try await Self.ask(broker, "nothing", epoch: 0)
            #expect(ErrorCode(topic.errorCode) == .unknownTopicOrPartition)
            let partition = try await Self.ask(broker, "orders", epoch: 0, partition: 1)
            #expect(ErrorCode(partition.errorCode) == .unknownTopicOrPartition)
            let newer = try await Self.ask(broker, "orders", epoch: 0, currentEpoch: 5)
            #expect(ErrorCode(newer.errorCode) == .unknownLeaderEpoch)
            #expect(newer.endOffset == -1)
        }
    }
}
