// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import MartletTestKit
import Synchronization
import Testing

/// Leader epochs between the consumer and a broker (KIP-320).
@Suite struct LeaderEpochTests {
    private typealias Fixture = ConsumerFixture

    /// Notes where a consumer had to go on elsewhere.
    private final class Moves: Sendable {
        private let state = Mutex<[String]>([])

        var all: [String] { self.state.withLock(\.self) }

        func note(_ event: KafkaConsumerEvent) {
            switch event {
            case .truncated(let partition, let from, let to):
                self.state.withLock { $0.append("truncated \(partition) \(from) \(to)") }
            case .reset(let partition, let from, let to):
                self.state.withLock { $0.append("reset \(partition) \(from ?? -1) \(to)") }
            default: break
            }
        }
    }

    @Test("new leaders are asked whether they have what was read, and nothing is lost or repeated when they do")
    func moves() async throws {
        let topics = [MartletTopic("orders", partitions: 2)]
        try await withMartlet(MartletConfiguration(topics: topics, nodes: 2)) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let partitions = [Fixture.partition(0), Fixture.partition(1)]
            try await KafkaCluster.withCluster(cluster) { client async throws in
                for partition in partitions { try await Fixture.produce(0..<100, to: partition, client) }
            }
            let moves = Moves()
            var configuration = Fixture.configuration(
                .assignment([partitions[0]: .earliest, partitions[1]: .earliest]))
            configuration.partitionBytesMax = 300
            configuration.onEvent = moves.note
            let nodes = martlet.nodes.map(\.id)
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                var numbers: [TopicPartition: [Int]] = [:]
                for round in 0..<8 {
                    for record in try await Fixture.records(25, of: consumer) {
                        numbers[record.partition, default: []].append(record.number)
                    }
                    for partition in partitions {
                        try await martlet.moveLeader(of: partition, to: nodes[round % nodes.count])
                    }
                }
                for partition in partitions { #expect(numbers[partition] == Array(0..<100)) }
            }
            #expect(martlet.requestCount(of: .offsetForLeaderEpoch) > 0)
            #expect(moves.all.isEmpty)
        }
    }

    @Test("what was committed of records that are gone is gone on from where the log and what was read part")
    func truncated() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<10, to: orders, client)
                try await martlet.moveLeader(of: orders, to: martlet.nodes[0].id)
                try await Fixture.produce(10..<30, to: orders, client)
                try await Self.commit(20, leaderEpoch: 0, client)
            }
            let moves = Moves()
            var configuration = Fixture.configuration(.assignment([orders: .committed], groupID: "billing"))
            configuration.onEvent = moves.note
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                #expect(try await Fixture.records(3, of: consumer).numbers == [10, 11, 12])
            }
            #expect(moves.all == ["truncated orders-0 20 10"])
            configuration.offsetReset = .fail
            let strict = configuration
            try await KafkaCluster.withCluster(cluster) { try await Self.commit(20, leaderEpoch: 0, $0) }
            let error = await #expect(throws: KafkaClientError.self) {
                try await KafkaConsumer.withConsumer(cluster, configuration: strict) { consumer async throws in
                    for try await _ in consumer.records {}
                }
            }
            #expect(error?.message.contains("position 20, of leader epoch 0") == true)
            #expect(error?.message.contains("part at offset 10") == true)
        }
    }

    /// Commits an offset of `orders-0` as if the record before it had been read from this leader.
    private static func commit(_ offset: Int64, leaderEpoch: Int32, _ client: KafkaCluster) async throws {
        // The group is there then, and its coordinator.
        let made = try await client.alterGroupOffsets(of: "billing", to: [Fixture.partition(0): 0])
        try #require(made.values.allSatisfy { (try? $0.get()) != nil })
        var partition = OffsetCommitRequest.OffsetCommitRequestPartition()
        partition.committedOffset = offset
        partition.committedLeaderEpoch = leaderEpoch
        partition.committedMetadata = ""
        var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
        topic.name = "orders"
        topic.partitions = [partition]
        var request = OffsetCommitRequest()
        request.groupID = "billing"
        request.generationIDOrMemberEpoch = -1
        request.topics = [topic]
        let response = try await client.anyConnection().send(request, versions: 6...9)
        try #require(response.topics.first?.partitions.first?.errorCode == 0)
    }

    @Test("leaders that have written nothing are nothing that a position can be lost with")
    func idleLeaders() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            let node = martlet.nodes[0].id
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<10, to: orders, client)
                try await martlet.moveLeader(of: orders, to: node)
                let moves = Moves()
                var configuration = Fixture.configuration(.assignment([orders: .latest]))
                configuration.onEvent = moves.note
                try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                    async let next = Fixture.records(1, of: consumer)
                    while consumer.position(of: orders) != 10 { await Task.yield() }
                    for _ in 0..<3 { try await martlet.moveLeader(of: orders, to: node) }
                    try await martlet.waitForRequests(1, of: .offsetForLeaderEpoch)
                    try await Fixture.produce(10..<11, to: orders, client)
                    #expect(try await next.numbers == [10])
                }
                #expect(moves.all.isEmpty)
            }
        }
    }
}
