// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes

extension ConsumerGroup {
    /// The group as ConsumerGroupDescribe shows it: members by ascending id, topics by ascending id and only those
    /// that still exist.
    func described(_ environment: GroupEnvironment) -> ConsumerGroupDescribeResponse.DescribedGroup {
        var group = ConsumerGroupDescribeResponse.DescribedGroup()
        group.groupID = self.id
        group.groupState = self.state.rawValue
        group.groupEpoch = self.epoch
        group.assignmentEpoch = self.targetEpoch
        group.assignorName = self.assignor(environment.settings).name
        group.members = self.members.keys.sorted().compactMap { memberID in
            self.members[memberID].map { self.described($0, environment.topics) }
        }
        return group
    }

    private func described(
        _ member: ConsumerMember, _ topics: any TopicsView
    ) -> ConsumerGroupDescribeResponse.Member {
        var described = ConsumerGroupDescribeResponse.Member()
        described.memberID = member.id
        described.instanceID = member.details.instanceID
        described.rackID = member.details.rackID
        described.memberEpoch = member.current.epoch
        described.clientID = member.details.clientID
        described.clientHost = member.details.clientHost
        described.subscribedTopicNames = member.details.subscription.names
        described.subscribedTopicRegex = member.details.subscription.pattern
        described.assignment = Self.described(member.current.assigned, topics)
        described.targetAssignment = Self.described(self.target[member.id] ?? PartitionSet(), topics)
        described.memberType = member.classicMemberMetadata == nil ? MemberType.consumer : MemberType.classic
        return described
    }

    /// The protocol that a member uses (KIP-1099).
    private enum MemberType {
        static let classic: Int8 = 0
        static let consumer: Int8 = 1
    }

    private static func described(
        _ partitions: PartitionSet, _ topics: any TopicsView
    ) -> ConsumerGroupDescribeResponse.Assignment {
        var assignment = ConsumerGroupDescribeResponse.Assignment()
        assignment.topicPartitions = partitions.sorted.compactMap { entry in
            guard let topic = topics.topic(id: entry.topic) else { return nil }
            var described = ConsumerGroupDescribeResponse.TopicPartitions()
            described.topicID = topic.id
            described.topicName = topic.name
            described.partitions = entry.indexes
            return described
        }
        return assignment
    }
}
