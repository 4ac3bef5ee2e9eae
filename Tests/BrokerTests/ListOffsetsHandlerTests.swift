// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("ListOffsets")
struct ListOffsetsHandlerTests {
    private typealias Answer = ListOffsetsResponse.ListOffsetsPartitionResponse

    /// Asks for one timestamp of partition 0.
    private static func ask(
        _ broker: BrokerHarness,
        _ topic: String,
        _ timestamp: Int64,
        version: Int16 = 11,
        isReadCommitted: Bool = false,
        leaderEpoch: Int32 = -1,
        partition index: Int32 = 0
    ) async throws -> Answer {
        var partition = ListOffsetsRequest.ListOffsetsPartition()
        partition.partitionIndex = index
        partition.timestamp = timestamp
        partition.currentLeaderEpoch = leaderEpoch
        var topicAsked = ListOffsetsRequest.ListOffsetsTopic()
        topicAsked.name = topic
        topicAsked.partitions = [partition]
        var request = ListOffsetsRequest()
        request.replicaID = -1
        request.isolationLevel = isReadCommitted ? 1 : 0
        request.topics = [topicAsked]
        let response = try await broker.send(request, version: version)
        try #require(response.topics.map(\.name) == [topic])
        return try #require(response.topics[0].partitions.first)
    }

    @Test("the earliest and latest offsets are told, at the lowest and the highest version", arguments: [1, 11])
    func earliestAndLatest(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now + 1, broker.now + 2])
            let earliest = try await Self.ask(broker, "orders", -2, version: version)
            #expect(earliest.errorCode == 0)
            #expect(earliest.offset == 0)
            #expect(earliest.timestamp == -1)
            let latest = try await Self.ask(broker, "orders", -1, version: version)
            #expect(latest.offset == 3)
            #expect(latest.leaderEpoch == (version >= 4 ? 0 : -1))
            let stable = try await Self.ask(broker, "orders", -1, version: max(2, version), isReadCommitted: true)
            #expect(stable.offset == 3)
        }
    }

    @Test("an empty partition begins and ends at 0, under the leader's epoch")
    func emptyPartition() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            for timestamp in [Int64(-1), -2, -4] {
                let answer = try await Self.ask(broker, "orders", timestamp)
                #expect(answer.offset == 0)
                #expect(answer.leaderEpoch == 0)
            }
            for timestamp in [Int64(-3), 0, broker.now] {
                let answer = try await Self.ask(broker, "orders", timestamp)
                #expect(answer.errorCode == 0)
                #expect(answer.offset == -1)
                #expect(answer.timestamp == -1)
            }
        }
    }

    @Test("a timestamp finds the first record that is not older, across batches", arguments: [1, 11])
    func byTimestamp(version: Int16) async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [start, start + 10])
            try await broker.produce(to: "orders", timestamps: [start + 20, start + 30])
            for (timestamp, offset, found) in [
                (0, 0, start), (start + 1, 1, start + 10), (start + 20, 2, start + 20), (start + 21, 3, start + 30),
            ] as [(Int64, Int64, Int64)] {
                let answer = try await Self.ask(broker, "orders", timestamp, version: version)
                #expect(answer.offset == offset)
                #expect(answer.timestamp == found)
            }
            #expect(try await Self.ask(broker, "orders", start + 31, version: version).offset == -1)
        }
    }

    @Test("the largest timestamp is found wherever it lies (KIP-734)")
    func maxTimestamp() async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [start, start + 50, start + 20])
            try await broker.produce(to: "orders", timestamps: [start + 40])
            let answer = try await Self.ask(broker, "orders", -3, version: 7)
            #expect(answer.offset == 1)
            #expect(answer.timestamp == start + 50)
            #expect(answer.leaderEpoch == 0)
        }
    }

    @Test("special timestamps exist from their version on, others not at all")
    func specialTimestampsByVersion() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now])
            for (timestamp, firstVersion) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11)] as [(Int64, Int16)] {
                let tooEarly = try await Self.ask(broker, "orders", timestamp, version: firstVersion - 1)
                #expect(ErrorCode(tooEarly.errorCode) == .unsupportedVersion)
                let answer = try await Self.ask(broker, "orders", timestamp, version: firstVersion)
                #expect(answer.errorCode == 0)
                #expect(answer.offset == (timestamp >= -4 ? 0 : -1), "timestamp \(timestamp)")
            }
            for timestamp in [Int64(-7), .min] {
                let answer = try await Self.ask(broker, "orders", timestamp)
                #expect(ErrorCode(answer.errorCode) == .unsupportedVersion)
                #expect(answer.offset == -1)
            }
        }
    }

    @Test("deleted records are not found any more")
    func afterDeleteRecords() async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [start, start + 1, start + 2])
            try await DeleteRecordsHandlerTests.delete(broker, "orders", before: 2)
            #expect(try await Self.ask(broker, "orders", -2).offset == 2)
            #expect(try await Self.ask(broker, "orders", 0).offset == 2)
            #expect(try await Self.ask(broker, "orders", -1).offset == 3)
        }
    }

    @Test("unknown topics and partitions, and other leader epochs than ours, are errors")
    func errors() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let unknownTopic = try await Self.ask(broker, "nothing", -1)
            #expect(ErrorCode(unknownTopic.errorCode) == .unknownTopicOrPartition)
            let unknownPartition = try await Self.ask(broker, "orders", -1, partition: 1)
            #expect(ErrorCode(unknownPartition.errorCode) == .unknownTopicOrPartition)
            let negative = try await Self.ask(broker, "orders", -1, partition: -1)
            #expect(ErrorCode(negative.errorCode) == .unknownTopicOrPartition)
            let newer = try await Self.ask(broker, "orders", -1, leaderEpoch: 1)
            #expect(ErrorCode(newer.errorCode) == .unknownLeaderEpoch)
            #expect(newer.offset == -1)
            #expect(try await Self.ask(broker, "orders", -1, leaderEpoch: 0).errorCode == 0)
        }
    }

    @Test("a partition that a request has twice is INVALID_REQUEST, the others are answered")
    func repeatedPartition() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 2)
            var topic = ListOffsetsRequest.ListOffsetsTopic()
            topic.name = "orders"
            topic.partitions = ([0, 1, 0] as [Int32]).map { index in
                var partition = ListOffsetsRequest.ListOffsetsPartition()
                partition.partitionIndex = index
                partition.timestamp = -1
                return partition
            }
            var request = ListOffsetsRequest()
            request.topics = [topic]
            let answers = try await broker.send(request, version: 11).topics[0].partitions
            #expect(answers.map { ErrorCode($0.errorCode) } == [.invalidRequest, .none, .invalidRequest])
        }
    }
}
