// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import NIOPosix
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

    @Test("an epoch whose leader wrote nothing ends where the last record does, and a fetch is told the same")
    func silentEpochs() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now])
            for expected in [1, 2] {
                let raised = broker.broker.raiseLeaderEpoch(
                    of: TopicPartition(topic: "orders", partition: 0), on: MultiThreadedEventLoopGroup.singleton.next())
                #expect(try await raised.get() == LeaderEpoch(Int32(expected)))
            }
            let current = try await Self.ask(broker, "orders", epoch: 2)
            #expect(current.leaderEpoch == 2)
            #expect(current.endOffset == 2)
            let silent = try await Self.ask(broker, "orders", epoch: 1)
            #expect(silent.leaderEpoch == 0)
            #expect(silent.endOffset == 2)

            let ahead = try await Self.fetch(broker, from: 3, lastFetchedEpoch: 1)
            #expect(ahead.divergingEpoch.epoch == 0)
            #expect(ahead.divergingEpoch.endOffset == 2)
            for epoch in [Int32(0), 2] {
                let inStep = try await Self.fetch(broker, from: 2, lastFetchedEpoch: epoch)
                #expect(inStep.errorCode == 0)
                #expect(inStep.divergingEpoch.epoch == -1)
            }
        }
    }

    private static func fetch(
        _ broker: BrokerHarness, from offset: Int64, lastFetchedEpoch: Int32
    ) async throws -> FetchResponse.PartitionData {
        var partition = FetchRequest.FetchPartition()
        partition.currentLeaderEpoch = -1
        partition.fetchOffset = offset
        partition.lastFetchedEpoch = lastFetchedEpoch
        partition.partitionMaxBytes = 1 << 20
        var topic = FetchRequest.FetchTopic()
        topic.topic = "orders"
        topic.partitions = [partition]
        var request = FetchRequest()
        request.maxBytes = 1 << 20
        request.topics = [topic]
        return try #require(try await broker.send(request, version: 12).responses.first?.partitions.first)
    }
}
