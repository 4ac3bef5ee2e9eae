// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct KafkaClusterTests {
    private static let orders0 = TopicPartition(topic: "orders", partition: 0)

    private static func batch(producerID: Int64 = -1) throws -> RecordBatch {
        var options = RecordBatchBuilder.Options()
        options.producerID = producerID
        options.producerEpoch = producerID < 0 ? -1 : 0
        options.baseSequence = producerID < 0 ? -1 : 0
        var builder = RecordBatchBuilder(options)
        try builder.append(key: nil, value: ByteBuffer(string: "hello"), timestamp: 1)
        return try builder.finish()
    }

    private static func produced(_ errorCode: ErrorCode = .none, baseOffset: Int64 = 7) -> ProduceResponse {
        var partition = ProduceResponse.PartitionProduceResponse()
        partition.errorCode = errorCode.rawValue
        partition.baseOffset = baseOffset
        var topic = ProduceResponse.TopicProduceResponse()
        topic.name = "orders"
        topic.partitionResponses = [partition]
        var response = ProduceResponse()
        response.responses = [topic]
        return response
    }

    // MARK: Reaching the cluster

    @Test("a cluster that is not there is an error that names every address, at once")
    func unreachable() async throws {
        let configuration = KafkaClusterConfiguration(
            bootstrap: [BrokerAddress(host: "127.0.0.1", port: 1), BrokerAddress(host: "127.0.0.1", port: 2)])
        let error = await #expect(throws: KafkaClientError.self) {
            try await KafkaCluster.withCluster(configuration) { try await $0.describeCluster() }
        }
        #expect(error?.code == .clusterUnreachable)
        #expect(error?.message.contains("127.0.0.1:1") == true)
        #expect(error?.message.contains("127.0.0.1:2") == true)
        #expect(error?.isUnreachable == true)
    }

    @Test("the second bootstrap address does when the first is down")
    func secondBootstrap() async throws {
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { _, client in
            let dead = BrokerAddress(host: "127.0.0.1", port: 1)
            let both = KafkaClusterConfiguration(bootstrap: [dead] + client.configuration.bootstrap)
            let cluster = try await KafkaCluster.withCluster(both) { try await $0.describeCluster() }
            #expect(cluster.brokers.map(\.nodeID) == [0])
        }
    }

    @Test("a closed cluster answers nothing more")
    func closed() async throws {
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { _, client in
            _ = try await client.describeCluster()
            await client.close()
            await #expect(throws: KafkaClientError.self) { try await client.describeCluster() }
        }
    }

    // MARK: Leaders

    @Test("a batch follows the leader when it has moved")
    func leaderMoved() async throws {
        try await FakeCluster.run(
            brokers: 2, leaders: ["orders": [0]],
            handler: { node, _ in .answer(Self.produced(node == 1 ? .none : .notLeaderOrFollower)) }
        ) { fake, client in
            _ = try await client.topic("orders")
            fake.update { $0.leaders["orders"] = [1] }
            let produced = try await client.produce(Self.batch(), to: Self.orders0)
            #expect(produced.baseOffset == 7)
            #expect(fake.log == [.init(node: 0, api: .produce), .init(node: 1, api: .produce)])
        }
    }

    @Test("retries end, and the last error is thrown")
    func boundedRetries() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], handler: { _, _ in .answer(Self.produced(.notLeaderOrFollower)) }
        ) { fake, client in
            let error = await #expect(throws: KafkaClientError.self) {
                try await client.produce(Self.batch(), to: Self.orders0)
            }
            #expect(error?.errorCode == .notLeaderOrFollower)
            #expect(fake.log.count == client.configuration.retry.attemptsMax)
        }
    }

    @Test("a refusal is not repeated")
    func refusal() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], handler: { _, _ in .answer(Self.produced(.messageTooLarge)) }
        ) { fake, client in
            let error = await #expect(throws: KafkaClientError.self) {
                try await client.produce(Self.batch(), to: Self.orders0)
            }
            #expect(error?.errorCode == .messageTooLarge)
            #expect(error?.message.hasPrefix("orders-0: MESSAGE_TOO_LARGE") == true)
            #expect(fake.log.count == 1)
        }
    }

    @Test("a topic that does not exist, and a partition that does not, are told apart")
    func missing() async throws {
        try await FakeCluster.run(brokers: 1, leaders: ["orders": [0]], handler: { _, _ in .close }) { _, client in
            let topic = await #expect(throws: KafkaClientError.self) {
                try await client.produce(Self.batch(), to: TopicPartition(topic: "nope", partition: 0))
            }
            #expect(topic?.message == "the topic nope does not exist")
            let partition = await #expect(throws: KafkaClientError.self) {
                try await client.produce(Self.batch(), to: TopicPartition(topic: "orders", partition: 9))
            }
            #expect(partition?.message == "the topic orders has no partition 9: it has 1")
        }
    }

    @Test("a batch whose answer got lost is sent again only if it has a producer id")
    func lostAnswer() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], handler: { _, _ in .close }
        ) { fake, client in
            let plain = await #expect(throws: KafkaClientError.self) {
                try await client.produce(Self.batch(), to: Self.orders0)
            }
            #expect(plain?.code == .connectionClosed)
            #expect(fake.log.count == 1)
            await #expect(throws: KafkaClientError.self) {
                try await client.produce(Self.batch(producerID: 5), to: Self.orders0)
            }
            #expect(fake.log.count == 1 + client.configuration.retry.attemptsMax)
        }
    }

    @Test("a duplicate counts as written")
    func duplicate() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]],
            handler: { _, _ in .answer(Self.produced(.duplicateSequenceNumber, baseOffset: -1)) }
        ) { _, client in
            let batch = try Self.batch(producerID: 5)
            let produced = try await client.produce(batch, to: Self.orders0)
            #expect(produced.baseOffset == nil)
        }
    }

    @Test("offsets are asked of every leader, and only the partition that moved is asked again")
    func listOffsets() async throws {
        let refusals = Mutex(1)
        try await FakeCluster.run(
            brokers: 2, leaders: ["orders": [0, 1, 1]],
            handler: { node, request in
                let asked = try ListOffsetsRequest.decode(request.body, version: request.version)
                var topic = ListOffsetsResponse.ListOffsetsTopicResponse()
                topic.name = "orders"
                topic.partitions = asked.topics[0].partitions.map { partition in
                    var entry = ListOffsetsResponse.ListOffsetsPartitionResponse()
                    entry.partitionIndex = partition.partitionIndex
                    entry.offset = Int64(partition.partitionIndex) * 10
                    let isRefused =
                        partition.partitionIndex == 2
                        && refusals.withLock { count in
                            defer { count -= 1 }
                            return count > 0
                        }
                    if isRefused { entry.errorCode = ErrorCode.notLeaderOrFollower.rawValue }
                    return entry
                }
                var response = ListOffsetsResponse()
                response.topics = [topic]
                return .answer(response)
            }
        ) { fake, client in
            let partitions = (0..<3).map { TopicPartition(topic: "orders", partition: PartitionIndex($0)) }
            let offsets = try await client.listOffsets(
                Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
            #expect(try partitions.map { try offsets[$0]?.get().offset } == [0, 10, 20])
            #expect(fake.log.filter { $0.node == 0 }.count == 1)
            #expect(fake.log.filter { $0.node == 1 }.count == 2)
        }
    }

    // MARK: Changes

    @Test("a topic is made by the controller, wherever that has gone")
    func notController() async throws {
        try await FakeCluster.run(
            brokers: 2,
            handler: { node, request in
                var topic = CreateTopicsResponse.CreatableTopicResult()
                topic.name = "orders"
                topic.errorCode = node == 1 ? 0 : ErrorCode.notController.rawValue
                topic.numPartitions = 3
                var response = CreateTopicsResponse()
                response.topics = [topic]
                return .answer(response)
            }
        ) { fake, client in
            _ = try await client.describeCluster()
            fake.update { $0.controller = 1 }
            let results = try await client.createTopics([NewTopic("orders", partitionCount: 3, replicationFactor: 1)])
            #expect(try results.first?.result.get().partitionCount == 3)
            #expect(fake.log.map(\.node) == [0, 1])
        }
    }

    @Test("a change whose answer got lost is an error, and not made again")
    func lostChange() async throws {
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { fake, client in
            let error = await #expect(throws: KafkaClientError.self) { try await client.createTopics([NewTopic("t")]) }
            #expect(error?.code == .connectionClosed)
            #expect(fake.log.map(\.api) == [.createTopics])
        }
    }

    @Test("topics fail on their own, with the words of the broker")
    func itemErrors() async throws {
        try await FakeCluster.run(
            brokers: 1,
            handler: { _, request in
                let asked = try CreateTopicsRequest.decode(request.body, version: request.version)
                var response = CreateTopicsResponse()
                response.topics = asked.topics.map { topic in
                    var result = CreateTopicsResponse.CreatableTopicResult()
                    result.name = topic.name
                    if topic.name == "b d" {
                        result.errorCode = ErrorCode.invalidTopicException.rawValue
                        result.errorMessage = "a space is not allowed"
                    }
                    return result
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.createTopics([NewTopic("good"), NewTopic("b d")])
            #expect(throws: Never.self) { try results[0].result.get() }
            let error = #expect(throws: KafkaClientError.self) { try results[1].result.get() }
            #expect(error?.message.hasSuffix(": a space is not allowed") == true)
        }
    }
}
