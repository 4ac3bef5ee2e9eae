// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages
import KafkaTypes
import KafkaWire

// MARK: OffsetCommit

extension GroupShard {
    /// Bytes of a text in a key or value of `__consumer_offsets`: its length is an int16. Newer requests have room for
    /// more, and a record that cannot be written must not be promised.
    static let recordTextBytesMax = 32_767

    /// OffsetCommit 2 to 10: keeps offsets for a group, each partition on its own.
    ///
    /// A commit from a member is fenced by its generation or epoch. One without a generation is from a client that
    /// assigns its partitions itself, or from an administrator: it is taken while the group is empty, and when there is
    /// no such group it makes a simple one. Answered when the records are durable. Linear in the partitions of the
    /// request.
    ///
    /// Errors of single partitions: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID (version 10),
    /// OFFSET_METADATA_TOO_LARGE. Errors of the group, for each partition that exists: ILLEGAL_GENERATION, or
    /// GROUP_ID_NOT_FOUND from version 9, when there is no such group but a generation; INVALID_GROUP_ID for an id too
    /// long to be kept; UNSUPPORTED_VERSION before version 9 for members of the consumer protocol; what the group says.
    public mutating func commitOffsets(
        _ request: OffsetCommitRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            let response = shard.commit(request, call, &step)
            step.effects.answer(call.token, .commit(response))
        }
    }

    private mutating func commit(
        _ request: OffsetCommitRequest, _ call: GroupCall, _ step: inout Step
    ) -> OffsetCommitResponse {
        let refusal = self.refusalOfCommit(request, call)
        if refusal == nil { self.classicGroups[request.groupID]?.noteCommit(from: request, now: step.now) }
        let namesTopicsByID = OffsetAPIVersions.commitNamesTopicsByID(call.apiVersion)
        var key = OffsetCommitKey()
        key.group = request.groupID
        var value = OffsetCommitValue()
        value.commitTimestamp = step.now.wallMs
        value.expireTimestamp = Self.expireTimestamp(of: request, step)
        var response = OffsetCommitResponse()
        response.topics.reserveCapacity(request.topics.count)
        for topic in request.topics {
            let facts = namesTopicsByID ? step.topics.topic(id: topic.topicID) : step.topics.topic(named: topic.name)
            var topicAnswer = OffsetCommitResponse.OffsetCommitResponseTopic()
            topicAnswer.name = facts?.name ?? topic.name
            topicAnswer.topicID = topic.topicID
            topicAnswer.partitions.reserveCapacity(topic.partitions.count)
            key.topic = topicAnswer.name
            for partition in topic.partitions {
                var answer = OffsetCommitResponse.OffsetCommitResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                let error: ErrorCode
                if let facts {
                    let exists = (0..<facts.partitionCount).contains(partition.partitionIndex)
                    error = exists ? refusal ?? Self.refusal(of: partition, step) : .unknownTopicOrPartition
                } else {
                    error = namesTopicsByID ? .unknownTopicID : .unknownTopicOrPartition
                }
                answer.errorCode = error.rawValue
                topicAnswer.partitions.append(answer)
                if error != .none { continue }
                key.partition = partition.partitionIndex
                value.offset = partition.committedOffset
                // The record with a time of expiry has no room for it, and what is kept must be what is recorded.
                value.leaderEpoch = value.expireTimestamp == -1 ? partition.committedLeaderEpoch : -1
                value.metadata = partition.committedMetadata ?? ""
                self.writeOffset(key, value, &step)
            }
            response.topics.append(topicAnswer)
        }
        return response
    }

    /// Whether the group takes the commit; nil when it does.
    private func refusalOfCommit(_ request: OffsetCommitRequest, _ call: GroupCall) -> ErrorCode? {
        let id = request.groupID
        if id.utf8.count > Self.recordTextBytesMax { return .invalidGroupID }
        if let group = self.classicGroups[id] { return group.refusalOfCommit(request) }
        if let group = self.consumerGroups[id] {
            let isConsumer = group.members[request.memberID].map { $0.classicMemberMetadata == nil } ?? false
            if isConsumer, !OffsetAPIVersions.commitKnowsMemberEpochs(call.apiVersion) { return .unsupportedVersion }
            return group.refusalOfCommit(request)
        }
        if request.generationIDOrMemberEpoch < 0 { return nil }
        // A simple group has no members that could have a generation.
        if self.offsets.contains(group: id) { return .unknownMemberID }
        return OffsetAPIVersions.commitKnowsMissingGroups(call.apiVersion) ? .groupIDNotFound : .illegalGeneration
    }

    /// Kafka counts the text in UTF-16 units, although the config says bytes; there are never more of them than bytes.
    private static func refusal(of partition: OffsetCommitRequest.OffsetCommitRequestPartition, _ step: Step)
        -> ErrorCode
    {
        guard let metadata = partition.committedMetadata else { return .none }
        let limit = Int(step.settings.offsetMetadataMaxBytes)
        let bytes = metadata.utf8.count
        if bytes > recordTextBytesMax { return .offsetMetadataTooLarge }
        return bytes <= limit || metadata.utf16.count <= limit ? .none : .offsetMetadataTooLarge
    }

    /// When the offsets of a commit are too old by its own wish; -1 when the broker decides.
    private static func expireTimestamp(of request: OffsetCommitRequest, _ step: Step) -> Int64 {
        if request.retentionTimeMs == -1 { return -1 }
        let (sum, overflow) = step.now.wallMs.addingReportingOverflow(request.retentionTimeMs)
        return overflow ? .max : sum
    }
}

/// What the version of a request decides here.
enum OffsetAPIVersions {
    /// OffsetCommit: topics by id instead of by name.
    static func commitNamesTopicsByID(_ version: Int16) -> Bool { version >= 10 }
    /// OffsetCommit: members of the consumer protocol, whose generation is their epoch (KIP-848).
    static func commitKnowsMemberEpochs(_ version: Int16) -> Bool { version >= 9 }
    /// OffsetCommit: clients that were told of GROUP_ID_NOT_FOUND.
    static func commitKnowsMissingGroups(_ version: Int16) -> Bool { version >= 9 }
    /// OffsetFetch: topics by id instead of by name.
    static func fetchNamesTopicsByID(_ version: Int16) -> Bool { version >= 10 }
}

// MARK: OffsetFetch

extension GroupShard {
    /// One group of an OffsetFetch: what it has committed, for the partitions that are asked for or, with nil for the
    /// topics, for all of them, in order of topic name and partition. Changes nothing.
    ///
    /// A partition without a committed offset, and each of a group that does not exist, has the offset -1 and no error.
    /// An id that no topic has gets UNKNOWN_TOPIC_ID for its partitions; among all topics by id those that were deleted
    /// are left out. The group's error, without topics, is what the group says of the member (KIP-848): STALE_MEMBER_EPOCH,
    /// UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION. Topics of the answer have a name even where the version sends ids.
    ///
    /// The answer may tell of commits that are not durable yet: it is to be held back until they are. That is also what
    /// `RequireStable` asks for, as long as there are no transactions.
    public func fetchOffsets(
        _ request: OffsetFetchRequest.OffsetFetchRequestGroup, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> OffsetFetchResponse.OffsetFetchResponseGroup {
        var response = OffsetFetchResponse.OffsetFetchResponseGroup()
        response.groupID = request.groupID
        if let refusal = self.refusalOfFetch(request) {
            response.errorCode = refusal.rawValue
            return response
        }
        let byID = OffsetAPIVersions.fetchNamesTopicsByID(call.apiVersion)
        if let topics = request.topics {
            response.topics = topics.map { topic in
                self.fetch(topic, of: request.groupID, byID: byID, environment.topics)
            }
        } else {
            response.topics = self.fetchAll(of: request.groupID, byID: byID, environment.topics)
        }
        return response
    }

    private func refusalOfFetch(_ request: OffsetFetchRequest.OffsetFetchRequestGroup) -> ErrorCode? {
        let (id, epoch) = (request.memberID, request.memberEpoch)
        return self.classicGroups[request.groupID]?.refusalOfFetch(memberID: id, memberEpoch: epoch)
            ?? self.consumerGroups[request.groupID]?.refusalOfFetch(memberID: id, memberEpoch: epoch)
    }

    private func fetch(
        _ topic: OffsetFetchRequest.OffsetFetchRequestTopics,
        of group: String,
        byID: Bool,
        _ topics: any TopicsView
    ) -> OffsetFetchResponse.OffsetFetchResponseTopics {
        var answer = OffsetFetchResponse.OffsetFetchResponseTopics()
        let name = byID ? topics.topic(id: topic.topicID)?.name : topic.name
        answer.name = name ?? ""
        answer.topicID = topic.topicID
        let offsets = name.flatMap { self.offsets.offsets(of: group, topic: $0) }
        answer.partitions = topic.partitionIndexes.map { partition in
            var found = Self.answer(offsets?[partition], partition)
            if name == nil { found.errorCode = ErrorCode.unknownTopicID.rawValue }
            return found
        }
        return answer
    }

    private func fetchAll(
        of group: String, byID: Bool, _ topics: any TopicsView
    ) -> [OffsetFetchResponse.OffsetFetchResponseTopics] {
        var answers: [OffsetFetchResponse.OffsetFetchResponseTopics] = []
        for (name, offsets) in (self.offsets.groups[group] ?? [:]).sorted(by: { $0.key < $1.key }) {
            var answer = OffsetFetchResponse.OffsetFetchResponseTopics()
            answer.name = name
            if byID {
                guard let facts = topics.topic(named: name) else { continue }
                answer.topicID = facts.id
            }
            answer.partitions = offsets.entries.map { Self.answer($0, $0.partition) }
            answers.append(answer)
        }
        return answers
    }

    private static func answer(
        _ offset: CommittedOffset?, _ partition: Int32
    ) -> OffsetFetchResponse.OffsetFetchResponsePartitions {
        var answer = OffsetFetchResponse.OffsetFetchResponsePartitions()
        answer.partitionIndex = partition
        answer.committedOffset = offset?.offset ?? -1
        answer.committedLeaderEpoch = offset?.leaderEpoch ?? -1
        answer.metadata = offset?.metadata ?? ""
        return answer
    }
}
