// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

/// Who becomes the leader of a partition.
public enum LeaderElection: Int8, Hashable, Sendable {
    /// The first of the replicas, if it is in sync.
    case preferred = 0
    /// Any replica, even one that lacks records, if none is in sync: records may be lost (KIP-460).
    case unclean = 1
}

/// Where a partition is going (KIP-455).
public struct PartitionReassignment: Hashable, Sendable {
    /// All that have it at present, the preferred leader of the future first.
    public var replicas: [NodeID]
    /// Of these, those that are catching up.
    public var adding: [NodeID]
    /// Of these, those that will go.
    public var removing: [NodeID]
}

extension KafkaCluster {
    /// Has leaders elected for these partitions, or, for nil, for all that need it. A result is true where a leader was
    /// elected, and false where that was not needed; for nil partitions that need none may be left out. Partitions fail
    /// on their own, for example with `preferredLeaderNotAvailable`.
    ///
    /// One request to the controller: ElectLeaders 0, Kafka 2.2; for `unclean` 1, Kafka 2.4.
    public func electLeaders(
        _ election: LeaderElection = .preferred, of partitions: [TopicPartition]? = nil
    ) async throws -> PartitionResults<Bool> {
        var request = ElectLeadersRequest()
        request.electionType = election.rawValue
        request.timeoutMs = Self.changeTimeoutMs
        request.topicPartitions = partitions?.sorted().groupedByTopic { name, partitions in
            var topic = ElectLeadersRequest.TopicPartitions()
            topic.topic = name
            topic.partitions = partitions.map(\.partition.rawValue)
            return topic
        }
        let response = try await self.changeAtController(
            request, versions: (election == .preferred ? 0 : 1)...Int16.max
        ) { [$0.errorCode] + $0.replicaElectionResults.flatMap { $0.partitionResult.map(\.errorCode) } }
        try Self.check(response.errorCode, subject: "the election of leaders")
        var results = PartitionResults<Bool>(missing: partitions ?? [], api: "ElectLeaders")
        for topic in response.replicaElectionResults {
            for entry in topic.partitionResult {
                let partition = TopicPartition(topic: topic.topic, partition: PartitionIndex(entry.partitionID))
                results[partition] =
                    ErrorCode(rawValue: entry.errorCode) == .electionNotNeeded
                    ? .success(false)
                    : Self.outcome(true, entry.errorCode, subject: "\(partition)", message: entry.errorMessage)
                self.forget(topic: topic.topic)
            }
        }
        return results
    }

    /// Gives partitions to these brokers, the preferred leader first, or, for nil, stops a move that is under way.
    /// Partitions fail on their own, for example with `invalidReplicaAssignment`, or `noReassignmentInProgress` for
    /// nil. Returns when the moves have begun: ``listReassignments(of:)`` tells which are not done.
    ///
    /// One request to the controller: AlterPartitionReassignments 0, Kafka 2.4.
    public func alterReassignments(
        _ replicas: [TopicPartition: [NodeID]?]
    ) async throws -> PartitionResults<Void> {
        guard !replicas.isEmpty else { return [:] }
        var request = AlterPartitionReassignmentsRequest()
        request.timeoutMs = Self.changeTimeoutMs
        request.topics = replicas.keys.sorted().groupedByTopic { name, partitions in
            var topic = AlterPartitionReassignmentsRequest.ReassignableTopic()
            topic.name = name
            topic.partitions = partitions.map { partition in
                var entry = AlterPartitionReassignmentsRequest.ReassignablePartition()
                entry.partitionIndex = partition.partition.rawValue
                entry.replicas = (replicas[partition] ?? nil)?.map(\.rawValue)
                return entry
            }
            return topic
        }
        let response = try await self.changeAtController(request) { [$0.errorCode] }
        try Self.check(response.errorCode, subject: "the reassignment", message: response.errorMessage)
        var results = PartitionResults<Void>(missing: Array(replicas.keys), api: "AlterPartitionReassignments")
        for topic in response.responses {
            for entry in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                results[partition] = Self.outcome(
                    (), entry.errorCode, subject: "\(partition)", message: entry.errorMessage)
            }
        }
        return results
    }

    /// The moves that are not done, of these partitions or, for nil, of all. Partitions that do not move are left out.
    ///
    /// One request to the controller: ListPartitionReassignments 0, Kafka 2.4.
    public func listReassignments(
        of partitions: [TopicPartition]? = nil
    ) async throws -> [TopicPartition: PartitionReassignment] {
        var request = ListPartitionReassignmentsRequest()
        request.timeoutMs = Self.changeTimeoutMs
        request.topics = partitions?.sorted().groupedByTopic { name, partitions in
            var topic = ListPartitionReassignmentsRequest.ListPartitionReassignmentsTopics()
            topic.name = name
            topic.partitionIndexes = partitions.map(\.partition.rawValue)
            return topic
        }
        let response = try await self.changeAtController(request) { [$0.errorCode] }
        try Self.check(response.errorCode, subject: "the reassignments", message: response.errorMessage)
        var reassignments: [TopicPartition: PartitionReassignment] = [:]
        for topic in response.topics {
            for entry in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                reassignments[partition] = PartitionReassignment(
                    replicas: entry.replicas.map { NodeID($0) }, adding: entry.addingReplicas.map { NodeID($0) },
                    removing: entry.removingReplicas.map { NodeID($0) })
            }
        }
        return reassignments
    }
}
