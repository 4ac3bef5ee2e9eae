// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

/// What one partition's part of an operation came to.
public typealias PartitionResults<Value> = [TopicPartition: Result<Value, KafkaClientError>]

extension KafkaCluster {
    /// Carries out an operation on partitions, each at its leader, all leaders at once.
    ///
    /// `operation` gets the partitions that one leader has. Partitions whose result is retriable, a leader that moved for
    /// example, are tried again after their topic was looked up anew; the others are not repeated.
    func atLeaders<Value: Sendable>(
        of partitions: [TopicPartition],
        _ operation: @escaping @Sendable (KafkaConnection, [TopicPartition]) async throws -> PartitionResults<Value>
    ) async throws -> PartitionResults<Value> {
        try await self.inRounds(partitions) { partitions in
            try await self.groupedByLeader(partitions)
        } prepareRetry: { partition, _ in
            self.forget(topic: partition.topic)
            return true
        } operation: { address, partitions in
            try await operation(try await self.advertisedConnection(to: address), partitions)
        }
    }

    /// Looks up the leaders, asking the cluster where the cache does not know.
    func groupedByLeader(
        _ partitions: [TopicPartition]
    ) async throws -> (groups: [BrokerAddress: [TopicPartition]], failed: [TopicPartition: KafkaClientError]) {
        let unknown = Set(partitions.filter { self.cachedLeader(of: $0) == nil }.map(\.topic))
        let topics = unknown.isEmpty ? [:] : try await self.currentTopics(unknown)
        var groups: [BrokerAddress: [TopicPartition]] = [:]
        var leaderless: [TopicPartition: KafkaClientError] = [:]
        for partition in partitions {
            if let leader = self.cachedLeader(of: partition) {
                groups[leader.address, default: []].append(partition)
            } else {
                leaderless[partition] = Self.reasonForNoLeader(of: partition, topic: topics[partition.topic])
            }
        }
        return (groups, leaderless)
    }

    static func reasonForNoLeader(of partition: TopicPartition, topic: TopicDescription?) -> KafkaClientError {
        guard let topic, topic.errorCode != .unknownTopicOrPartition else {
            return KafkaClientError(.invalidRequest, "the topic \(partition.topic) does not exist")
        }
        guard topic.errorCode == .none else { return KafkaClientError(topic.errorCode, subject: partition.topic) }
        guard topic.partition(partition.partition) != nil else {
            return KafkaClientError(
                .invalidRequest,
                "the topic \(topic.name) has no partition \(partition.partition): it has \(topic.partitions.count)")
        }
        return KafkaClientError(
            .noLeader, "\(partition) has no leader at present: the brokers with its replicas are down")
    }

    /// A connection to the leader of one partition. Throws `noLeader`, `invalidRequest` when there is no such partition.
    func leaderConnection(of partition: TopicPartition) async throws -> KafkaConnection {
        let (groups, leaderless) = try await self.groupedByLeader([partition])
        if let error = leaderless[partition] { throw error }
        guard let address = groups.keys.first else { throw KafkaClientError(.noLeader, "\(partition) has no leader") }
        return try await self.advertisedConnection(to: address)
    }
}
