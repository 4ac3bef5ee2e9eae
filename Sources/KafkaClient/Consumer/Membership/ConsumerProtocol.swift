// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// What members of a classic group send each other through the coordinator, which only carries the bytes: the protocol
/// type `consumer`. A version comes first, then the fields. Newer versions only add to the end, so a version that is not
/// known is read as the newest one that is.
enum ConsumerProtocol {
    /// The protocol type of consumers.
    static let type = "consumer"

    /// What a member tells the leader, in the newest version.
    ///
    /// - Throws: for strings of more bytes than the protocol has room for.
    static func subscription(
        topics: [String], owned: [TopicPartition], generation: Int32, rackID: String?, userData: ByteBuffer?
    ) throws(WireError) -> ByteBuffer {
        var subscription = ConsumerProtocolSubscription()
        subscription.topics = topics
        subscription.userData = userData
        subscription.ownedPartitions = owned.groupedByTopic { name, partitions in
            var topic = ConsumerProtocolSubscription.TopicPartition()
            topic.topic = name
            topic.partitions = partitions.map(\.partition.rawValue)
            return topic
        }
        subscription.generationID = generation
        subscription.rackID = rackID
        return try Self.encode(subscription, version: ConsumerProtocolSubscription.validVersions.upperBound)
    }

    /// A member of a group as its leader is told of it, and the version in which it wants to be answered.
    ///
    /// - Throws: for bytes that are no subscription.
    static func member(
        _ member: JoinGroupResponse.JoinGroupResponseMember
    ) throws(WireError) -> (version: Int16, ClassicGroupMember) {
        let (version, subscription) = try Self.decode(ConsumerProtocolSubscription.self, member.metadata)
        var understood = ClassicGroupMember(memberID: member.memberID, topics: Set(subscription.topics))
        understood.instanceID = member.groupInstanceID
        understood.rackID = subscription.rackID
        understood.userData = subscription.userData
        understood.generation = subscription.generationID < 0 ? nil : subscription.generationID
        var owned: Set<TopicPartition> = []
        for topic in subscription.ownedPartitions {
            for index in topic.partitions where index >= 0 {
                owned.insert(TopicPartition(topic: topic.topic, partition: PartitionIndex(index)))
            }
        }
        understood.owned = owned.sorted()
        return (version, understood)
    }

    /// What the leader gives to a member that speaks that version.
    ///
    /// - Throws: for more partitions than a message has room for.
    static func assignment(_ partitions: [TopicPartition], version: Int16) throws(WireError) -> ByteBuffer {
        var assignment = ConsumerProtocolAssignment()
        assignment.assignedPartitions = partitions.sorted().groupedByTopic { name, partitions in
            var topic = ConsumerProtocolAssignment.TopicPartition()
            topic.topic = name
            topic.partitions = partitions.map(\.partition.rawValue)
            return topic
        }
        return try Self.encode(assignment, version: version)
    }

    /// What the leader has given to this member. No bytes at all are an assignment of nothing: coordinators give it to
    /// members that the leader has left out.
    ///
    /// - Throws: for bytes that are no assignment.
    static func partitions(_ assignment: ByteBuffer) throws(WireError) -> Set<TopicPartition> {
        guard assignment.readableBytes > 0 else { return [] }
        var partitions: Set<TopicPartition> = []
        for topic in try Self.decode(ConsumerProtocolAssignment.self, assignment).message.assignedPartitions {
            for index in topic.partitions {
                guard index >= 0 else { throw WireError.negativeLength(Int(index)) }
                partitions.insert(TopicPartition(topic: topic.topic, partition: PartitionIndex(index)))
            }
        }
        return partitions
    }

    private static func decode<Message: KafkaMessage>(
        _: Message.Type, _ bytes: ByteBuffer
    ) throws(WireError) -> (version: Int16, message: Message) {
        var reader = WireReader(bytes)
        let version = min(try reader.readInt16(), Message.validVersions.upperBound)
        return (version, try Message(from: &reader, version: version))
    }

    private static func encode(_ message: some KafkaMessage, version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(version)
        try message.encode(into: &writer, version: version)
        return writer.buffer
    }
}
