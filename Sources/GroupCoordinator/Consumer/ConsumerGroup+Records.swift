// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes

extension ConsumerGroup {
    /// Has a record appended and takes it in.
    mutating func write(_ record: CoordinatorRecord, _ step: inout Step) {
        step.effects.append(record)
        self.replay(record)
    }

    /// Takes in a record of this group. Records that do not fit what is known, such as tombstones of members that
    /// never were, change nothing: a compacted log has them.
    mutating func replay(_ record: CoordinatorRecord) {
        switch record {
        case .offsetCommit, .classicGroup: break
        // The tombstone of the epoch is that of the group, and the shard's to replay.
        case .consumerGroup(_, let value): self.epoch = value?.epoch ?? 0
        case .consumerTopics(_, let value): self.replayTopics(value)
        case .consumerMember(let key, let value): self.replayMember(key.memberID, value)
        case .consumerTarget(_, let value): self.replayTargetEpoch(value?.assignmentEpoch ?? 0)
        case .consumerMemberTarget(let key, let value):
            self.target[key.memberID] = value.map { PartitionSet($0.topicPartitions) }
        case .consumerMemberCurrent(let key, let value): self.replayCurrent(key.memberID, value)
        }
    }

    private mutating func replayTopics(_ value: ConsumerGroupPartitionMetadataValue?) {
        self.topics = [:]
        for topic in value?.topics ?? [] {
            self.topics[topic.topicID] = TopicFacts(
                id: topic.topicID, name: topic.topicName, partitionCount: topic.numPartitions
            )
        }
    }

    private mutating func replayTargetEpoch(_ epoch: Int32) {
        self.targetEpoch = epoch
        self.underWay = self.members.values.count { !$0.current.isReconciled(to: epoch) }
    }

    /// Puts a member where it belongs, new or changed.
    private mutating func keep(_ member: ConsumerMember) {
        let old = self.members.updateValue(member, forKey: member.id)
        if let old, !old.current.isReconciled(to: self.targetEpoch) { self.underWay -= 1 }
        if !member.current.isReconciled(to: self.targetEpoch) { self.underWay += 1 }
    }

    private mutating func replayMember(_ memberID: String, _ value: ConsumerGroupMemberMetadataValue?) {
        guard let value else { return self.forget(memberID) }
        var member = self.members[memberID] ?? ConsumerMember(id: memberID)
        let old = member.details
        let details = ConsumerMember.Details(value)
        // Enters before it leaves: an unchanged subscription must not be forgotten in between.
        let slot = self.subscriptions.enter(details.subscription)
        if let slot = member.subscriptionSlot { self.subscriptions.leave(slot) }
        self.vote(old.assignor, -1)
        self.vote(details.assignor, 1)
        if old.instanceID != details.instanceID { self.release(old.instanceID, from: memberID) }
        if let instanceID = details.instanceID { self.staticMembers[instanceID] = memberID }
        member.subscriptionSlot = slot
        member.details = details
        self.classicMembers.move(from: member.classicMemberMetadata, to: value.classicMemberMetadata)
        member.classicMemberMetadata = value.classicMemberMetadata?.detached
        self.keep(member)
    }

    private mutating func replayCurrent(_ memberID: String, _ value: ConsumerGroupCurrentMemberAssignmentValue?) {
        guard value != nil || self.members[memberID] != nil else { return }
        var member = self.members[memberID] ?? ConsumerMember(id: memberID)
        let old = member.current
        if let value {
            member.current = CurrentAssignment(value)
        } else {
            member.current = CurrentAssignment()
            member.current.epoch = CurrentAssignment.leftEpoch
            member.current.previousEpoch = CurrentAssignment.leftEpoch
        }
        self.owners.move(memberID, from: old, to: member.current)
        self.keep(member)
    }

    private mutating func forget(_ memberID: String) {
        guard let member = self.members.removeValue(forKey: memberID) else { return }
        if !member.current.isReconciled(to: self.targetEpoch) { self.underWay -= 1 }
        self.owners.move(memberID, from: member.current, to: CurrentAssignment())
        if let slot = member.subscriptionSlot { self.subscriptions.leave(slot) }
        self.vote(member.details.assignor, -1)
        self.classicMembers.move(from: member.classicMemberMetadata, to: nil)
        self.release(member.details.instanceID, from: memberID)
    }

    private mutating func vote(_ assignor: String?, _ change: Int) {
        guard let assignor else { return }
        let votes = (self.votes[assignor] ?? 0) + change
        self.votes[assignor] = votes > 0 ? votes : nil
    }

    private mutating func release(_ instanceID: String?, from memberID: String) {
        guard let instanceID, self.staticMembers[instanceID] == memberID else { return }
        self.staticMembers[instanceID] = nil
    }
}

// MARK: Making records

extension ConsumerGroup {
    func epochRecord(_ epoch: Int32) -> CoordinatorRecord {
        var value = ConsumerGroupMetadataValue()
        value.epoch = epoch
        return .consumerGroup(self.epochKey, value)
    }

    /// Topics by ascending id, without racks: there are none.
    func topicsRecord(_ topics: [TopicID: TopicFacts]) -> CoordinatorRecord {
        var value = ConsumerGroupPartitionMetadataValue()
        value.topics = topics.values.sorted { $0.id < $1.id }.map { facts in
            var topic = ConsumerGroupPartitionMetadataValue.TopicMetadata()
            topic.topicID = facts.id
            topic.topicName = facts.name
            topic.numPartitions = facts.partitionCount
            return topic
        }
        return .consumerTopics(self.topicsKey, value)
    }

    func memberRecord(
        _ memberID: String, _ details: ConsumerMember.Details,
        classic: ConsumerGroupMemberMetadataValue.ClassicMemberMetadata? = nil
    ) -> CoordinatorRecord {
        .consumerMember(self.memberKey(memberID), details.written(classic: classic))
    }

    func targetEpochRecord(_ epoch: Int32) -> CoordinatorRecord {
        var value = ConsumerGroupTargetAssignmentMetadataValue()
        value.assignmentEpoch = epoch
        return .consumerTarget(self.targetKey, value)
    }

    func targetRecord(_ memberID: String, _ partitions: PartitionSet) -> CoordinatorRecord {
        var value = ConsumerGroupTargetAssignmentMemberValue()
        value.topicPartitions = partitions.written()
        return .consumerMemberTarget(self.memberTargetKey(memberID), value)
    }

    func currentRecord(_ memberID: String, _ current: CurrentAssignment) -> CoordinatorRecord {
        .consumerMemberCurrent(self.memberCurrentKey(memberID), current.written)
    }

    /// What removes one member.
    func tombstones(of memberID: String) -> [CoordinatorRecord] {
        [
            .consumerMemberCurrent(self.memberCurrentKey(memberID), nil),
            .consumerMemberTarget(self.memberTargetKey(memberID), nil),
            .consumerMember(self.memberKey(memberID), nil),
        ]
    }

    /// What deletes the group, with all of its members.
    func tombstones() -> [CoordinatorRecord] {
        // A target without a member can only come from a damaged log, but goes as well.
        let memberIDs = Set(self.members.keys).union(self.target.keys).sorted()
        return memberIDs.flatMap { self.tombstones(of: $0) } + [
            .consumerTarget(self.targetKey, nil),
            .consumerTopics(self.topicsKey, nil),
            .consumerGroup(self.epochKey, nil),
        ]
    }

    private var epochKey: ConsumerGroupMetadataKey {
        var key = ConsumerGroupMetadataKey()
        key.groupID = self.id
        return key
    }

    private var topicsKey: ConsumerGroupPartitionMetadataKey {
        var key = ConsumerGroupPartitionMetadataKey()
        key.groupID = self.id
        return key
    }

    private var targetKey: ConsumerGroupTargetAssignmentMetadataKey {
        var key = ConsumerGroupTargetAssignmentMetadataKey()
        key.groupID = self.id
        return key
    }

    private func memberKey(_ memberID: String) -> ConsumerGroupMemberMetadataKey {
        var key = ConsumerGroupMemberMetadataKey()
        key.groupID = self.id
        key.memberID = memberID
        return key
    }

    private func memberTargetKey(_ memberID: String) -> ConsumerGroupTargetAssignmentMemberKey {
        var key = ConsumerGroupTargetAssignmentMemberKey()
        key.groupID = self.id
        key.memberID = memberID
        return key
    }

    private func memberCurrentKey(_ memberID: String) -> ConsumerGroupCurrentMemberAssignmentKey {
        var key = ConsumerGroupCurrentMemberAssignmentKey()
        key.groupID = self.id
        key.memberID = memberID
        return key
    }
}
