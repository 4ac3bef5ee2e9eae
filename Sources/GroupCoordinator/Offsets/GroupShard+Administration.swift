// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages
import KafkaWire

// MARK: OffsetDelete, DeleteGroups

extension GroupShard {
    /// OffsetDelete 0 (KIP-496): forgets offsets of partitions that nobody in the group reads.
    ///
    /// Errors of the group: INVALID_GROUP_ID for the empty id, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP when it has members
    /// that are no consumers. Errors of single partitions: UNKNOWN_TOPIC_OR_PARTITION, and GROUP_SUBSCRIBED_TO_TOPIC
    /// when a member reads the topic or may do so. A partition without a committed offset is no error. Answered when the
    /// tombstones are durable.
    public mutating func deleteOffsets(
        _ request: OffsetDeleteRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            var response = OffsetDeleteResponse()
            if let refusal = shard.refusalOfOffsetDeletion(request.groupID) {
                response.errorCode = refusal.rawValue
            } else {
                response.topics = request.topics.map { shard.delete($0, of: request.groupID, &step) }
            }
            step.effects.answer(call.token, .deleteOffsets(response))
        }
    }

    private func refusalOfOffsetDeletion(_ id: String) -> ErrorCode? {
        if id.isEmpty { return .invalidGroupID }
        return switch self.standing(of: id) {
        case nil: .groupIDNotFound
        case .foreign: .nonEmptyGroup
        case .simple, .empty, .consuming, .rebalancing: nil
        }
    }

    private mutating func delete(
        _ topic: OffsetDeleteRequest.OffsetDeleteRequestTopic, of group: String, _ step: inout Step
    ) -> OffsetDeleteResponse.OffsetDeleteResponseTopic {
        var answer = OffsetDeleteResponse.OffsetDeleteResponseTopic()
        answer.name = topic.name
        let partitionCount = step.topics.topic(named: topic.name)?.partitionCount ?? 0
        let isSubscribed = self.group(group, subscribesTo: topic.name)
        for partition in topic.partitions {
            let index = partition.partitionIndex
            var result = OffsetDeleteResponse.OffsetDeleteResponsePartition()
            result.partitionIndex = index
            if !(0..<partitionCount).contains(index) {
                result.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
            } else if isSubscribed {
                result.errorCode = ErrorCode.groupSubscribedToTopic.rawValue
            } else if self.offsets.offsets(of: group, topic: topic.name)?[index] != nil {
                var key = OffsetCommitKey()
                key.group = group
                key.topic = topic.name
                key.partition = index
                self.writeOffset(key, nil, &step)
            }
            answer.partitions.append(result)
        }
        return answer
    }

    /// One group of a DeleteGroups: the group goes, and all of its offsets.
    ///
    /// Errors: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. Answered when the tombstones are durable. Linear in its offsets.
    public mutating func deleteGroup(
        _ groupID: String, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(groupID, environment) { shard, step in
            var result = DeleteGroupsResponse.DeletableGroupResult()
            result.groupID = groupID
            switch shard.standing(of: groupID) {
            case nil: result.errorCode = ErrorCode.groupIDNotFound.rawValue
            case .consuming, .rebalancing, .foreign: result.errorCode = ErrorCode.nonEmptyGroup.rawValue
            case .simple, .empty:
                for key in shard.offsets.keys(of: groupID) { shard.writeOffset(key, nil, &step) }
                shard.deleteEmptyGroup(groupID, &step)
            }
            step.effects.answer(call.token, .deleteGroup(result))
        }
    }

    /// Topics were deleted: forgets what any group has committed for them, members or not.
    ///
    /// At once, not bit by bit: a topic of the same name may be made the next moment, and its offsets must stay. The
    /// records are independent of each other, one for each group and partition. Groups stay, even when these were their
    /// last offsets. Linear in the number of groups, and in the offsets that go.
    public mutating func forgetTopics(_ names: [String], _ environment: GroupEnvironment) -> GroupEffects {
        var step = Step(environment)
        self.forgetTopics(Set(names), &step)
        return step.effects
    }

    /// Forgets what has been committed for topics that are not there any more: for a shard that has just been loaded, as
    /// topics may have been deleted while nobody could tell it. Linear in the groups and the topics of each.
    mutating func forgetDeletedTopics(_ step: inout Step) {
        let names = Set(self.offsets.groups.values.lazy.flatMap(\.keys))
        let topics = step.topics
        self.forgetTopics(names.filter { topics.topic(named: $0) == nil }, &step)
    }

    private mutating func forgetTopics(_ names: Set<String>, _ step: inout Step) {
        if names.isEmpty { return }
        let groups = self.offsets.groups.filter { _, topics in names.contains { topics[$0] != nil } }.keys.sorted()
        for group in groups {
            let keys = self.offsets.keys(of: group, topics: names.contains)
            for key in keys { self.writeOffset(key, nil, &step) }
        }
    }
}

// MARK: ListGroups

extension GroupShard {
    /// All groups of the shard with state and type, by id. Filters of ListGroups are the broker's business. Linear in
    /// the number of groups, times its logarithm.
    public func listGroups() -> [ListGroupsResponse.ListedGroup] {
        var listed: [ListGroupsResponse.ListedGroup] = []
        for (id, group) in self.classicGroups {
            listed.append(
                Self.listed(id, protocolType: group.protocolType ?? "", state: group.state.rawValue, type: .classic))
        }
        for (id, group) in self.consumerGroups {
            let type = ConsumerProtocol.type
            listed.append(Self.listed(id, protocolType: type, state: group.state.rawValue, type: .consumer))
        }
        for id in self.offsets.groups.keys where self.classicGroups[id] == nil && self.consumerGroups[id] == nil {
            let state = ClassicGroup.State.empty.rawValue
            listed.append(Self.listed(id, protocolType: "", state: state, type: .classic))
        }
        return listed.sorted { $0.groupID < $1.groupID }
    }

    /// What Kafka calls the kinds of groups.
    private enum GroupType: String {
        case classic
        case consumer
    }

    private static func listed(
        _ id: String, protocolType: String, state: String, type: GroupType
    ) -> ListGroupsResponse.ListedGroup {
        var group = ListGroupsResponse.ListedGroup()
        group.groupID = id
        group.protocolType = protocolType
        group.groupState = state
        group.groupType = type.rawValue
        return group
    }
}
