// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("DescribeTopicPartitions")
struct DescribeTopicPartitionsHandlerTests {
    private static func describe(
        _ broker: BrokerHarness,
        _ topics: [String],
        limit: Int32 = 2000,
        cursor: (topic: String, partition: Int32)? = nil
    ) async throws -> DescribeTopicPartitionsResponse {
        var request = DescribeTopicPartitionsRequest()
        request.topics = topics.map { name in
            var topic = DescribeTopicPartitionsRequest.TopicRequest()
            topic.name = name
            return topic
        }
        request.responsePartitionLimit = limit
        request.cursor = cursor.map { topic, partition in
            var cursor = DescribeTopicPartitionsRequest.Cursor()
            cursor.topicName = topic
            cursor.partitionIndex = partition
            return cursor
        }
        return try await broker.send(request, version: 0)
    }

    /// What an answer says, as `topic:partitions`.
    private static func summary(_ response: DescribeTopicPartitionsResponse) -> [String] {
        response.topics.map { topic in
            "\(topic.name ?? "?"):" + topic.partitions.map { String($0.partitionIndex) }.joined(separator: ",")
        }
    }

    @Test("named topics come in the order of their names, each once, unknown ones with an error")
    func named() async throws {
        try await withBroker { broker in
            let made = try await broker.createTopic("b", partitions: 2)
            try await broker.createTopic("c")
            let response = try await Self.describe(broker, ["nothing", "b", "no name", "b"])
            #expect(Self.summary(response) == ["b:0,1", "no name:", "nothing:"])
            #expect(
                response.topics.map { ErrorCode($0.errorCode) } == [
                    .none, .invalidTopicException, .unknownTopicOrPartition,
                ])
            #expect(response.nextCursor == nil)
            let topic = response.topics[0]
            #expect(topic.topicID == made.topicID)
            #expect(topic.topicAuthorizedOperations == 3576)
            #expect(response.topics[2].topicAuthorizedOperations == .min)
            let partition = topic.partitions[1]
            #expect(partition.leaderID == BrokerHarness.nodeID)
            #expect(partition.leaderEpoch == 0)
            #expect(partition.replicaNodes == [BrokerHarness.nodeID])
            #expect(partition.isrNodes == [BrokerHarness.nodeID])
            #expect(partition.offlineReplicas.isEmpty)
        }
    }

    @Test("pages end with a cursor to go on from, until everything was told once")
    func pages() async throws {
        try await withBroker { broker in
            for (name, count) in [("a", 3), ("b", 1), ("c", 2)] as [(String, Int32)] {
                try await broker.createTopic(name, partitions: count)
            }
            for (limit, expected) in [
                (1, ["a:0", "a:1", "a:2", "b:0", "c:0", "c:1"]),
                (2, ["a:0,1", "a:2", "b:0", "c:0,1"]),
                (3, ["a:0,1,2", "b:0", "c:0,1"]),
                (6, ["a:0,1,2", "b:0", "c:0,1"]),
                (0, ["a:0", "a:1", "a:2", "b:0", "c:0", "c:1"]),
            ] as [(Int32, [String])] {
                var told: [String] = []
                var cursor: (String, Int32)?
                repeat {
                    let page = try await Self.describe(broker, [], limit: limit, cursor: cursor)
                    try #require(!page.topics.isEmpty)
                    told += Self.summary(page)
                    cursor = page.nextCursor.map { ($0.topicName, $0.partitionIndex) }
                } while cursor != nil
                #expect(told == expected, "limit \(limit)")
            }
        }
    }

    @Test("a cursor may point to a topic or partition that is gone")
    func staleCursor() async throws {
        try await withBroker { broker in
            try await broker.createTopic("a")
            try await broker.createTopic("c")
            #expect(Self.summary(try await Self.describe(broker, [], cursor: ("b", 5))) == ["c:0"])
            #expect(Self.summary(try await Self.describe(broker, [], cursor: ("a", .max))) == ["a:", "c:0"])
            #expect(Self.summary(try await Self.describe(broker, [], cursor: ("a", -1))) == ["a:0", "c:0"])
            #expect(Self.summary(try await Self.describe(broker, [], cursor: ("z", 0))).isEmpty)
        }
    }
}
