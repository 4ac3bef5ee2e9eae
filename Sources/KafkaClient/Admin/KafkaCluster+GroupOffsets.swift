// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

extension KafkaCluster {
    /// Versions of OffsetFetch and OffsetCommit in which topics have names; later ones have their ids.
    static let namedTopicVersions: ClosedRange<Int16> = 2...9

    /// What these groups have committed, in the order of the names. Groups fail on their own, and so do their
    /// partitions. A group that does not exist has committed nothing.
    ///
    /// With `includesLag` the ends of the partitions are asked for as well: of the coordinator, if it is Martlet's, and
    /// of the leaders where it does not say. A partition whose leader does not answer has no end and no lag.
    ///
    /// A request to find the coordinators that are not known, and one to each of these, or one for each group before Kafka
    /// 3.0: OffsetFetch 2, Kafka 0.10.2.
    public func groupOffsets(
        of groupIDs: [String], includesLag: Bool = false
    ) async throws -> [ItemResult<PartitionResults<GroupOffset>>] {
        var results = try await self.atCoordinators(of: groupIDs) { connection, _, groupIDs in
            try await Self.fetchOffsets(of: groupIDs, connection, includesLag: includesLag)
        }
        if includesLag { try await self.fillEnds(of: &results) }
        return groupIDs.map { groupID in
            ItemResult(name: groupID, result: results[groupID] ?? .failure(Self.missing(groupID, api: "OffsetFetch")))
        }
    }

    private static func fetchOffsets(
        of groupIDs: [String], _ connection: KafkaConnection, includesLag: Bool
    ) async throws -> GroupResults<PartitionResults<GroupOffset>> {
        var results: GroupResults<PartitionResults<GroupOffset>> = [:]
        guard try connection.version(of: OffsetFetchRequest.self) >= 8 else {
            // One group at a time; KIP-709 brought more.
            for groupID in groupIDs {
                var request = OffsetFetchRequest()
                request.groupID = groupID
                request.topics = nil
                let response = try await connection.send(request, versions: 2...7)
                results[groupID] = Self.offsets(of: groupID, response)
            }
            return results
        }
        var request = OffsetFetchRequest()
        request.groups = groupIDs.map { groupID in
            var group = OffsetFetchRequest.OffsetFetchRequestGroup()
            group.groupID = groupID
            group.topics = nil
            group.includeLag = includesLag
            return group
        }
        for group in try await connection.send(request, versions: 8...9).groups {
            results[group.groupID] = Self.offsets(group)
        }
        return results
    }

    private static func offsets(
        of groupID: String, _ response: OffsetFetchResponse
    ) -> Result<PartitionResults<GroupOffset>, KafkaClientError> {
        var group = OffsetFetchResponse.OffsetFetchResponseGroup()
        group.groupID = groupID
        group.errorCode = response.errorCode
        group.topics = response.topics.map { topic in
            var copy = OffsetFetchResponse.OffsetFetchResponseTopics()
            copy.name = topic.name
            copy.partitions = topic.partitions.map { partition in
                var copy = OffsetFetchResponse.OffsetFetchResponsePartitions()
                copy.partitionIndex = partition.partitionIndex
                copy.committedOffset = partition.committedOffset
                copy.committedLeaderEpoch = partition.committedLeaderEpoch
                copy.metadata = partition.metadata
                copy.errorCode = partition.errorCode
                return copy
            }
            return copy
        }
        return Self.offsets(group)
    }

    private static func offsets(
        _ group: OffsetFetchResponse.OffsetFetchResponseGroup
    ) -> Result<PartitionResults<GroupOffset>, KafkaClientError> {
        let errorCode = ErrorCode(rawValue: group.errorCode)
        guard errorCode == .none else { return .failure(Self.groupError(errorCode, group.groupID)) }
        var offsets: PartitionResults<GroupOffset> = [:]
        for topic in group.topics {
            for entry in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                let errorCode = ErrorCode(rawValue: entry.errorCode)
                guard errorCode == .none else {
                    offsets[partition] = .failure(
                        KafkaClientError(errorCode, subject: "\(partition) of group \(group.groupID)"))
                    continue
                }
                guard entry.committedOffset >= 0 else { continue }
                offsets[partition] = .success(GroupOffset(entry))
            }
        }
        return .success(offsets)
    }

    /// Asks the leaders for the ends that the coordinator has not told. A lag of zero is asked for, too: what was
    /// committed may lie beyond the end of a topic that was made anew.
    private func fillEnds(of results: inout GroupResults<PartitionResults<GroupOffset>>) async throws {
        var asked: [TopicPartition: OffsetSpecification] = [:]
        for case .success(let offsets) in results.values {
            for case (let partition, .success(let offset)) in offsets where offset.lag ?? 0 == 0 {
                asked[partition] = .latest
            }
        }
        guard !asked.isEmpty else { return }
        let ends = try await self.listOffsets(asked).compactMapValues { try? $0.get().offset }
        results = results.mapValues { result in
            result.map { offsets in
                var offsets = offsets
                for case (let partition, .success(var offset)) in offsets {
                    guard let end = ends[partition] else { continue }
                    offset.endOffset = end
                    offset.lag = max(end - offset.offset, 0)
                    if offset.lag == 0 { offset.timeLag = .zero }
                    offsets[partition] = .success(offset)
                }
                return offsets
            }
        }
    }

    /// Commits offsets in the name of a group that has no members, and makes the group if there is none. Partitions
    /// fail on their own, with `unknownMemberID` when the group has members.
    ///
    /// A request to find the coordinator, if it is not known, and one to it: OffsetCommit 2, Kafka 0.9.
    public func alterGroupOffsets(
        of groupID: String, to offsets: [TopicPartition: Offset]
    ) async throws -> PartitionResults<Void> {
        let partitions = offsets.keys.sorted()
        var request = OffsetCommitRequest()
        request.groupID = groupID
        request.topics = partitions.groupedByTopic { name, partitions in
            var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
            topic.name = name
            topic.partitions = partitions.compactMap { partition in
                guard let offset = offsets[partition] else { return nil }
                var entry = OffsetCommitRequest.OffsetCommitRequestPartition()
                entry.partitionIndex = partition.partition.rawValue
                entry.committedOffset = offset.rawValue
                entry.committedMetadata = ""
                return entry
            }
            return topic
        }
        return try await self.atCoordinator(of: groupID) { [request] connection in
            let response = try await connection.send(request, versions: Self.namedTopicVersions)
            var results = PartitionResults<Void>(missing: partitions, api: "OffsetCommit")
            for topic in response.topics {
                for entry in topic.partitions {
                    let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                    results[partition] = try Self.partitionResult(entry.errorCode, partition, groupID)
                }
            }
            return results
        }
    }

    /// Deletes what a group has committed for these partitions. Partitions fail on their own, with
    /// `groupSubscribedToTopic` while members of the group are subscribed to the topic.
    ///
    /// A request to find the coordinator, if it is not known, and one to it: OffsetDelete 0, Kafka 2.4 (KIP-496).
    public func deleteGroupOffsets(
        of groupID: String, partitions: [TopicPartition]
    ) async throws -> PartitionResults<Void> {
        var request = OffsetDeleteRequest()
        request.groupID = groupID
        request.topics = partitions.sorted().groupedByTopic { name, partitions in
            var topic = OffsetDeleteRequest.OffsetDeleteRequestTopic()
            topic.name = name
            topic.partitions = partitions.map { partition in
                var entry = OffsetDeleteRequest.OffsetDeleteRequestPartition()
                entry.partitionIndex = partition.partition.rawValue
                return entry
            }
            return topic
        }
        return try await self.atCoordinator(of: groupID) { [request] connection in
            let response = try await connection.send(request)
            let errorCode = ErrorCode(rawValue: response.errorCode)
            guard errorCode == .none else { throw Self.groupError(errorCode, groupID) }
            var results = PartitionResults<Void>(missing: partitions, api: "OffsetDelete")
            for topic in response.topics {
                for entry in topic.partitions {
                    let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                    results[partition] = try Self.partitionResult(entry.errorCode, partition, groupID)
                }
            }
            return results
        }
    }

    /// The outcome for one partition. Throws what concerns the whole group and goes away, so that it is tried again.
    static func partitionResult(
        _ errorCode: Int16, _ partition: TopicPartition, _ groupID: String, isMember: Bool = false
    ) throws(KafkaClientError) -> Result<Void, KafkaClientError> {
        let errorCode = ErrorCode(rawValue: errorCode)
        switch errorCode {
        case .none:
            return .success(())
        case .notCoordinator, .coordinatorLoadInProgress, .coordinatorNotAvailable:
            throw Self.groupError(errorCode, groupID)
        case .unknownMemberID where !isMember:
            var error = KafkaClientError(errorCode, subject: "\(partition)")
            error.message = "\(partition): offsets of group \(groupID) cannot be set while it has members"
            return .failure(error)
        case .groupSubscribedToTopic:
            var error = KafkaClientError(errorCode, subject: "\(partition)")
            error.message = "\(partition): members of group \(groupID) are subscribed to \(partition.topic)"
            return .failure(error)
        default:
            return .failure(KafkaClientError(errorCode, subject: "\(partition) of group \(groupID)"))
        }
    }
}

extension GroupOffset {
    fileprivate init(_ entry: OffsetFetchResponse.OffsetFetchResponsePartitions) {
        self.offset = Offset(entry.committedOffset)
        self.leaderEpoch = LeaderEpoch(entry.committedLeaderEpoch)
        self.metadata = entry.metadata ?? ""
        if entry.offsetLag >= 0 {
            self.lag = entry.offsetLag
            let (end, isTooLarge) = entry.committedOffset.addingReportingOverflow(entry.offsetLag)
            self.endOffset = isTooLarge ? nil : Offset(end)
        }
        if entry.timeLagMs >= 0 { self.timeLag = .milliseconds(entry.timeLagMs) }
    }
}
