// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

/// Which offset of a partition is asked for.
public enum OffsetSpecification: Hashable, Sendable {
    /// The first that is still there: the log start offset.
    case earliest
    /// The one after the last: where the next record will be.
    case latest
    /// The first record whose timestamp is at least this, in milliseconds since 1970, not negative.
    case timestamp(Int64)
    /// The record with the largest timestamp (KIP-734); brokers before 3.0 do not know it.
    case maxTimestamp

    /// What stands in the request.
    var wireTimestamp: Int64 {
        switch self {
        case .earliest: -2
        case .latest: -1
        case .timestamp(let time): max(time, 0)
        case .maxTimestamp: -3
        }
    }
}

/// An offset that was found.
public struct ListedOffset: Sendable {
    /// Nil when no record fits: none is as late as the timestamp, or there are no records at all.
    public var offset: Offset?
    /// Of the record that was found by time, in milliseconds since 1970; nil for earliest and latest.
    public var timestamp: Int64?
    /// The epoch of the leader that wrote the record; `none` when not known.
    public var leaderEpoch: LeaderEpoch
}

extension KafkaCluster {
    /// Looks up offsets, each partition with its own specification. Partitions fail on their own. With read-committed,
    /// the latest offset is the last stable one.
    ///
    /// One request to each leader: ListOffsets 1, Kafka 0.10.1; for `maxTimestamp` 7, Kafka 3.0 (KIP-734).
    public func listOffsets(
        _ specifications: [TopicPartition: OffsetSpecification], isolation: ReadIsolation = .readUncommitted
    ) async throws -> PartitionResults<ListedOffset> {
        try await self.atLeaders(of: specifications.keys.sorted()) { connection, partitions in
            let ofLeader = partitions.compactMap { partition in specifications[partition].map { (partition, $0) } }
            return try await connection.listOffsets(
                Dictionary(ofLeader) { first, _ in first }, isolation: isolation)
        }
    }

    /// Deletes the records before an offset of each partition; `Offset(-1)` stands for all that there are. Answers with
    /// the new log start offsets. Partitions fail on their own, with `offsetOutOfRange` for an offset behind the end,
    /// and `policyViolation` where the topic is only compacted.
    ///
    /// One request to each leader: DeleteRecords 0, Kafka 0.11.
    public func deleteRecords(before offsets: [TopicPartition: Offset]) async throws -> PartitionResults<Offset> {
        try await self.atLeaders(of: offsets.keys.sorted()) { connection, partitions in
            var request = DeleteRecordsRequest()
            request.timeoutMs = Self.changeTimeoutMs
            request.topics = partitions.groupedByTopic { name, partitions in
                var topic = DeleteRecordsRequest.DeleteRecordsTopic()
                topic.name = name
                topic.partitions = partitions.compactMap { partition in
                    guard let offset = offsets[partition] else { return nil }
                    var entry = DeleteRecordsRequest.DeleteRecordsPartition()
                    entry.partitionIndex = partition.partition.rawValue
                    entry.offset = offset.rawValue
                    return entry
                }
                return topic
            }
            let response = try await connection.send(request)
            var results = PartitionResults<Offset>(missing: partitions, api: "DeleteRecords")
            for topic in response.topics {
                for entry in topic.partitions {
                    let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                    let errorCode = ErrorCode(rawValue: entry.errorCode)
                    results[partition] =
                        errorCode == .none
                        ? .success(Offset(entry.lowWatermark))
                        : .failure(KafkaClientError(errorCode, subject: "\(partition)"))
                }
            }
            return results
        }
    }
}

extension KafkaConnection {
    /// Asks this broker, which leads all of these partitions. Those with a leader epoch are refused when that is not
    /// the broker's (KIP-320).
    func listOffsets(
        _ specifications: [TopicPartition: OffsetSpecification], leaderEpochs: [TopicPartition: LeaderEpoch] = [:],
        isolation: ReadIsolation
    ) async throws -> PartitionResults<ListedOffset> {
        let asksForMaximum = specifications.values.contains(.maxTimestamp)
        let partitions = specifications.keys.sorted()
        var request = ListOffsetsRequest()
        request.replicaID = -1
        request.isolationLevel = isolation.rawValue
        request.timeoutMs = KafkaCluster.changeTimeoutMs
        request.topics = partitions.groupedByTopic { name, partitions in
            var topic = ListOffsetsRequest.ListOffsetsTopic()
            topic.name = name
            topic.partitions = partitions.map { partition in
                var entry = ListOffsetsRequest.ListOffsetsPartition()
                entry.partitionIndex = partition.partition.rawValue
                entry.currentLeaderEpoch = (leaderEpochs[partition] ?? .none).rawValue
                entry.timestamp = (specifications[partition] ?? .latest).wireTimestamp
                return entry
            }
            return topic
        }
        let response = try await self.send(request, versions: (asksForMaximum ? 7 : 0)...Int16.max)
        var results = PartitionResults<ListedOffset>(missing: partitions, api: "ListOffsets")
        for topic in response.topics {
            for entry in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                let errorCode = ErrorCode(rawValue: entry.errorCode)
                let found = ListedOffset(
                    offset: entry.offset < 0 ? nil : Offset(entry.offset),
                    timestamp: entry.timestamp < 0 ? nil : entry.timestamp,
                    leaderEpoch: LeaderEpoch(entry.leaderEpoch))
                results[partition] =
                    errorCode == .none
                    ? .success(found) : .failure(KafkaClientError(errorCode, subject: "\(partition)"))
            }
        }
        return results
    }
}

extension [TopicPartition] {
    /// One element per topic, in the order in which the topics appear.
    func groupedByTopic<Group>(_ make: (String, [TopicPartition]) -> Group) -> [Group] {
        var names: [String] = []
        var groups: [String: [TopicPartition]] = [:]
        for partition in self {
            if groups[partition.topic] == nil { names.append(partition.topic) }
            groups[partition.topic, default: []].append(partition)
        }
        return names.map { make($0, groups[$0] ?? []) }
    }
}

extension Dictionary {
    /// A failure for every partition, which the entries of an answer then replace.
    init<Success>(
        missing partitions: [TopicPartition], api: String
    ) where Key == TopicPartition, Value == Result<Success, KafkaClientError> {
        self.init(minimumCapacity: partitions.count)
        for partition in partitions {
            self[partition] = .failure(
                KafkaClientError(.malformedResponse, "the answer to \(api) lacks \(partition)"))
        }
    }
}
