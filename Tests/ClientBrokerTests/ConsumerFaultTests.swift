// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import KafkaWire
import MartletTestKit
import Testing

@Suite struct ConsumerFaultTests {
    private typealias Fixture = ConsumerFixture

    /// Reads a hundred records of each of two partitions while `disturb` is called after every twenty-fifth.
    private static func read(
        _ martlet: Martlet, disturb: (_ round: Int) async throws -> Void
    ) async throws -> [TopicPartition: [Int]] {
        let cluster = try Fixture.cluster(martlet)
        let partitions = [Fixture.partition(0), Fixture.partition(1)]
        try await KafkaCluster.withCluster(cluster) { client in
            for partition in partitions { try await Fixture.produce(0..<100, to: partition, client) }
        }
        let start = Dictionary(uniqueKeysWithValues: partitions.map { ($0, ConsumerStart.earliest) })
        var configuration = Fixture.configuration(.assignment(start))
        configuration.partitionBytesMax = 300
        return try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer in
            var numbers: [TopicPartition: [Int]] = [:]
            var count = 0
            for try await record in consumer.records {
                numbers[record.partition, default: []].append(record.number)
                count += 1
                if count == 200 { break }
                if count % 25 == 0 { try await disturb(count / 25) }
            }
            return numbers
        }
    }

    private static let expected = [
        Fixture.partition(0): Array(0..<100), Fixture.partition(1): Array(0..<100),
    ]

    private static let configuration = MartletConfiguration(topics: [MartletTopic("orders", partitions: 2)])

    @Test("connections that break, and answers that get lost, lose and repeat nothing")
    func drops() async throws {
        try await withMartlet(Self.configuration) { martlet in
            let numbers = try await Self.read(martlet) { round in
                if round.isMultiple(of: 2) {
                    _ = await martlet.dropConnections()
                } else {
                    martlet.loseAnswers(to: .fetch)
                }
            }
            #expect(numbers == Self.expected)
        }
    }

    @Test("leaders that move, and brokers that refuse for a while, lose and repeat nothing")
    func refusals() async throws {
        let errors: [ErrorCode] = [
            .notLeaderOrFollower, .fencedLeaderEpoch, .unknownLeaderEpoch, .kafkaStorageError, .offsetNotAvailable,
            .leaderNotAvailable, .unknownTopicID,
        ]
        try await withMartlet(Self.configuration) { martlet in
            let numbers = try await Self.read(martlet) { round in
                try martlet.fail(
                    .fetch, with: errors[round % errors.count], times: 2, partition: Fixture.partition(0))
            }
            #expect(numbers == Self.expected)
        }
    }

    @Test("what a broker refuses for good ends the consumer, with that error")
    func refusedForGood() async throws {
        try await withMartlet(Self.configuration) { martlet in
            try martlet.fail(.fetch, with: .topicAuthorizationFailed, partition: Fixture.partition(0))
            let error = await #expect(throws: KafkaClientError.self) { _ = try await Self.read(martlet) { _ in } }
            #expect(error?.errorCode == .topicAuthorizationFailed)
        }
    }

    @Test("commits are repeated where that helps, and refused ones are told")
    func commits() async throws {
        try await withMartlet(Self.configuration) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<20, to: orders, $0) }
            let configuration = Fixture.configuration(.assignment([orders: .committed], groupID: "billing"))
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                var batches = consumer.batches.makeAsyncIterator()
                for _ in 0..<2 { _ = try await batches.next() }
                try martlet.fail(.offsetCommit, with: .coordinatorLoadInProgress, times: 2)
                martlet.loseAnswers(to: .offsetCommit)
                try await consumer.commit()
                #expect(try await consumer.committed([orders]) == [orders: 10])
                try martlet.fail(.offsetCommit, with: .groupAuthorizationFailed)
                let error = await #expect(throws: KafkaClientError.self) { try await consumer.commit([orders: 3]) }
                #expect(error?.errorCode == .groupAuthorizationFailed)
            }
        }
    }
}
