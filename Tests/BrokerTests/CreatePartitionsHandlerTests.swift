// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("CreatePartitions")
struct CreatePartitionsHandlerTests {
    private static func grow(
        _ broker: BrokerHarness,
        _ topics: [(name: String, count: Int32)],
        assignments: [[Int32]]? = nil,
        validateOnly: Bool = false,
        version: Int16 = 3
    ) async throws -> [CreatePartitionsResponse.CreatePartitionsTopicResult] {
        var request = CreatePartitionsRequest()
        request.validateOnly = validateOnly
        request.topics = topics.map { name, count in
            var topic = CreatePartitionsRequest.CreatePartitionsTopic()
            topic.name = name
            topic.count = count
            topic.assignments = assignments?.map { brokers in
                var assignment = CreatePartitionsRequest.CreatePartitionsAssignment()
                assignment.brokerIDs = brokers
                return assignment
            }
            return topic
        }
        return try await broker.send(request, version: version).results
    }

    @Test("new partitions are served at once, and the old ones keep their records", arguments: [0, 3])
    func grow(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now])
            let answer = try await Self.grow(broker, [("orders", 3)], version: version)[0]
            #expect(answer.errorCode == 0)
            #expect(answer.errorMessage == nil)
            #expect(try await broker.produce(to: "orders", partition: 2, timestamps: [broker.now]) == 0)
            #expect(try await broker.produce(to: "orders", timestamps: [broker.now]) == 1)
            try broker.restart()
            #expect(try await broker.produce(to: "orders", partition: 2, timestamps: [broker.now]) == 1)
        }
    }

    @Test("a count that is not larger is INVALID_PARTITIONS, with the present count in the message")
    func notLarger() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 3)
            for count in [Int32(3), 2, 0, -1] {
                let answer = try await Self.grow(broker, [("orders", count)])[0]
                #expect(ErrorCode(answer.errorCode) == .invalidPartitions)
                #expect(answer.errorMessage?.contains("3 partitions") == true)
            }
        }
    }

    @Test("only validated, nothing grows")
    func validateOnly() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            #expect(try await Self.grow(broker, [("orders", 2)], validateOnly: true)[0].errorCode == 0)
            #expect(try await Self.grow(broker, [("orders", 2)])[0].errorCode == 0)
        }
    }

    @Test("each topic is answered by itself; one that comes twice is refused once")
    func several() async throws {
        try await withBroker { broker in
            try await broker.createTopic("a")
            try await broker.createTopic("b")
            let answers = try await Self.grow(broker, [("a", 2), ("nothing", 2), ("b", 2), ("a", 3)])
            #expect(answers.map(\.name) == ["a", "nothing", "b"])
            #expect(
                answers.map { ErrorCode($0.errorCode) } == [.invalidRequest, .unknownTopicOrPartition, .none])
            #expect(answers[1].errorMessage?.contains("nothing") == true)
        }
    }

    @Test("the brokers of the new partitions can be assigned by hand")
    func assignments() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let node = BrokerHarness.nodeID
            let tooMany = try await Self.grow(broker, [("orders", 2)], assignments: [[node], [node]])[0]
            #expect(ErrorCode(tooMany.errorCode) == .invalidReplicaAssignment)
            let stranger = try await Self.grow(broker, [("orders", 2)], assignments: [[node + 1]])[0]
            #expect(ErrorCode(stranger.errorCode) == .invalidReplicaAssignment)
            #expect(try await Self.grow(broker, [("orders", 2)], assignments: [[node]])[0].errorCode == 0)
        }
    }
}
