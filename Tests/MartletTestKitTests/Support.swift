// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import MartletTestKit
import NIOCore
import NIOPosix

/// Partition 0 of topic `t`.
let t0 = TopicPartition(topic: "t", partition: 0)
/// Partition 1 of topic `t`.
let t1 = TopicPartition(topic: "t", partition: 1)

extension Martlet {
    /// Runs `body` with a client of this broker.
    func withCluster<Result: Sendable>(
        clientID: String = "test", _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let addresses = self.bootstrap.split(separator: ",").compactMap { BrokerAddress($0) }
        var configuration = KafkaClusterConfiguration(bootstrap: addresses)
        configuration.connection.clientID = clientID
        return try await KafkaCluster.withCluster(configuration, body)
    }

    /// Runs `body` with a connection that repeats nothing, to one of the nodes.
    func withConnection<Result: Sendable>(
        clientID: String = "test", to node: Int32 = 1, _ body: (KafkaConnection) async throws -> Result
    ) async throws -> Result {
        let node = self.nodes.first { $0.id == node }
        let connection = try await KafkaConnection.connect(
            to: BrokerAddress(host: "127.0.0.1", port: node?.port ?? 0),
            configuration: KafkaConnectionConfiguration(clientID: clientID),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Writes one record; returns its offset.
    @discardableResult
    func produce(_ value: String, to partition: TopicPartition = t0) async throws -> Offset? {
        try await self.withCluster { try await $0.produce(value, to: partition) }
    }

    /// The offset that the next record of a partition gets.
    func endOffset(of partition: TopicPartition = t0) async throws -> Int64 {
        try await self.withConnection(clientID: "observer", to: self.leader(of: partition)) { connection in
            var asked = ListOffsetsRequest.ListOffsetsPartition()
            (asked.partitionIndex, asked.timestamp) = (partition.partition.rawValue, -1)
            var topic = ListOffsetsRequest.ListOffsetsTopic()
            (topic.name, topic.partitions) = (partition.topic, [asked])
            var request = ListOffsetsRequest()
            request.topics = [topic]
            return try await connection.send(request).topics.first?.partitions.first?.offset ?? -1
        }
    }
}

extension KafkaCluster {
    /// Writes one record; returns its offset.
    @discardableResult
    func produce(_ value: String, to partition: TopicPartition = t0) async throws -> Offset? {
        try await self.produce(try batch(value), to: partition).baseOffset
    }
}

extension KafkaConnection {
    /// Writes a record to some partitions, once; returns the answer for each, by index.
    func produce(
        _ value: String, to partitions: [TopicPartition] = [t0], acks: Int16 = -1
    ) async throws -> [Int32: ProduceResponse.PartitionProduceResponse] {
        let bytes = try batch(value).bytes
        var request = ProduceRequest()
        (request.acks, request.timeoutMs) = (acks, 10_000)
        for partition in partitions {
            var data = ProduceRequest.PartitionProduceData()
            (data.index, data.records) = (partition.partition.rawValue, .buffer(bytes))
            var topic = ProduceRequest.TopicProduceData()
            (topic.name, topic.partitionData) = (partition.topic, [data])
            request.topicData.append(topic)
        }
        let answers = try await self.send(request, versions: 3...12).responses.flatMap(\.partitionResponses)
        return Dictionary(answers.map { ($0.index, $0) }) { first, _ in first }
    }

    /// Fetches a partition once.
    func fetch(
        _ partition: TopicPartition = t0, from offset: Int64 = 0, maxWaitMs: Int32 = 0, session: Int32 = 0,
        epoch: Int32 = -1, currentLeaderEpoch: Int32 = -1
    ) async throws -> FetchResponse {
        var asked = FetchRequest.FetchPartition()
        (asked.partition, asked.fetchOffset) = (partition.partition.rawValue, offset)
        (asked.partitionMaxBytes, asked.currentLeaderEpoch) = (1 << 20, currentLeaderEpoch)
        var topic = FetchRequest.FetchTopic()
        (topic.topic, topic.partitions) = (partition.topic, [asked])
        var request = FetchRequest()
        (request.maxWaitMs, request.minBytes, request.topics) = (maxWaitMs, 1, [topic])
        (request.sessionID, request.sessionEpoch) = (session, epoch)
        return try await self.send(request, versions: 4...12)
    }

    /// Asks for the coordinators of groups; before the first such question of all there are none.
    func coordinators(of groups: [String]) async throws -> [FindCoordinatorResponse.Coordinator] {
        var request = FindCoordinatorRequest()
        request.coordinatorKeys = groups
        return try await self.send(request, versions: 4...6).coordinators
    }

    /// Joins a group of the consumer protocol, or sends a heartbeat to it.
    func heartbeat(group: String, member: String, epoch: Int32) async throws -> ConsumerGroupHeartbeatResponse {
        var request = ConsumerGroupHeartbeatRequest()
        (request.groupID, request.memberID, request.memberEpoch) = (group, member, epoch)
        if epoch == 0 {
            _ = try await self.coordinators(of: [group])
            (request.subscribedTopicNames, request.topicPartitions) = (["t"], [])
            request.rebalanceTimeoutMs = 60_000
        }
        return try await self.send(request)
    }
}

extension FetchResponse {
    /// What it says of its only partition.
    var only: PartitionData? { self.responses.first?.partitions.first }
}

/// A batch with one record.
func batch(_ value: String, timestamp: Int64 = 1_000) throws -> RecordBatch {
    var builder = RecordBatchBuilder()
    try builder.append(key: nil, value: ByteBuffer(string: value), timestamp: timestamp)
    return try builder.finish()
}

/// Whether somebody accepts connections on a port of 127.0.0.1.
func isListening(_ port: Int) async -> Bool {
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    guard let channel = try? await bootstrap.connect(host: "127.0.0.1", port: port).get() else { return false }
    try? await channel.close()
    return true
}
