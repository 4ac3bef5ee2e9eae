// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

extension KafkaConsumer {
    /// What the group has committed for these partitions, whoever committed it; those for which it has committed
    /// nothing are missing. Throws `invalidRequest` without a group, other `KafkaClientError`, and `CancellationError`.
    public func committed(_ partitions: [TopicPartition]) async throws -> [TopicPartition: Offset] {
        guard self.configuration.subscription.groupID != nil else {
            throw KafkaClientError(.invalidRequest, "offsets are committed in the name of a group, and there is none")
        }
        return try await self.committedPositions(of: partitions).mapValues(\.next)
    }

    /// What the group has committed for these partitions; those without are missing.
    func committedPositions(
        of partitions: [TopicPartition]
    ) async throws -> [TopicPartition: OffsetTracker.Position] {
        guard let groupID = self.configuration.subscription.groupID else { return [:] }
        let member = try self.commitIdentity()
        return try await self.cluster.atCoordinator(of: groupID) { connection in
            let version = try connection.version(of: OffsetFetchRequest.self, in: member.offsetVersions)
            let request = Self.fetchRequest(partitions, groupID: groupID, member, version: version)
            let response = try await connection.send(request, versions: version...version)
            return try Self.positions(response, groupID: groupID)
        }
    }

    /// Groups in the plural came with version 8 (KIP-709), and what a transaction has not decided yet is waited for
    /// from version 7 on (KIP-447).
    private static func fetchRequest(
        _ partitions: [TopicPartition], groupID: String, _ member: CommitIdentity, version: Int16
    ) -> OffsetFetchRequest {
        var request = OffsetFetchRequest()
        request.requireStable = version >= 7
        guard version >= 8 else {
            request.groupID = groupID
            request.topics = partitions.sorted().groupedByTopic { name, partitions in
                var topic = OffsetFetchRequest.OffsetFetchRequestTopic()
                topic.name = name
                topic.partitionIndexes = partitions.map(\.partition.rawValue)
                return topic
            }
            return request
        }
        var group = OffsetFetchRequest.OffsetFetchRequestGroup()
        group.groupID = groupID
        if version >= 9, member.isMember {
            group.memberID = member.memberID
            group.memberEpoch = member.epoch
        }
        group.topics = partitions.sorted().groupedByTopic { name, partitions in
            var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
            topic.name = name
            topic.partitionIndexes = partitions.map(\.partition.rawValue)
            return topic
        }
        request.groups = [group]
        return request
    }

    private static func positions(
        _ response: OffsetFetchResponse, groupID: String
    ) throws -> [TopicPartition: OffsetTracker.Position] {
        var positions: [TopicPartition: OffsetTracker.Position] = [:]
        func note(_ topic: String, _ index: Int32, _ code: Int16, _ offset: Int64, _ epoch: Int32) throws {
            let partition = TopicPartition(topic: topic, partition: PartitionIndex(index))
            let errorCode = ErrorCode(rawValue: code)
            guard errorCode == .none else {
                throw KafkaClientError(errorCode, subject: "\(partition) of group \(groupID)")
            }
            guard offset >= 0 else { return }
            positions[partition] = OffsetTracker.Position(next: Offset(offset), leaderEpoch: LeaderEpoch(epoch))
        }
        let group = response.groups.first { $0.groupID == groupID }
        let errorCode = ErrorCode(rawValue: group?.errorCode ?? response.errorCode)
        guard errorCode == .none else { throw KafkaCluster.groupError(errorCode, groupID) }
        for topic in group?.topics ?? [] {
            for entry in topic.partitions {
                try note(
                    topic.name, entry.partitionIndex, entry.errorCode, entry.committedOffset,
                    entry.committedLeaderEpoch)
            }
        }
        for topic in response.topics {
            for entry in topic.partitions {
                try note(
                    topic.name, entry.partitionIndex, entry.errorCode, entry.committedOffset,
                    entry.committedLeaderEpoch)
            }
        }
        return positions
    }
}
