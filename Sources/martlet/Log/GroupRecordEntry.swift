// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// Records of `__consumer_offsets`, with their keys and values in words instead of bytes.
extension DumpEntry {
    /// A record of the group coordinator. What is none, or is damaged, is shown as the bytes that it is, and says why.
    static func groupRecord(_ record: Record) -> DumpEntry {
        guard let key = record.key else { return self.undecoded(record, "it has no key") }
        do {
            guard let decoded = try CoordinatorRecord(key: key, value: record.value) else {
                return self.undecoded(record, "a kind of record that is not known")
            }
            let (kind, key, value) = decoded.dumpFields
            var fields = Self.place(of: record) + [DumpField("record", .word(kind)), DumpField("key", .object(key))]
            // Without a value the record says that what the key names is gone.
            fields.append(DumpField("value", value.map { .object($0) } ?? .null))
            return DumpEntry("group", fields, isNested: true)
        } catch {
            var entry = self.undecoded(record, "\(error)")
            entry.isDamage = true
            return entry
        }
    }

    private static func undecoded(_ record: Record, _ reason: String) -> DumpEntry {
        var entry = DumpEntry.record(record)
        entry.fields.append(DumpField("undecoded", .string(reason)))
        return entry
    }
}

extension CoordinatorRecord {
    /// The kind, the key, and the value, which a tombstone does not have.
    fileprivate var dumpFields: (kind: String, key: [DumpField], value: [DumpField]?) {
        switch self {
        case .offsetCommit(let key, let value):
            let fields = [
                DumpField("group", .string(key.group)), DumpField("topic", .string(key.topic)),
                DumpField("partition", .integer(Int64(key.partition))),
            ]
            return ("OffsetCommit", fields, value.map(Self.fields))
        case .classicGroup(let key, let value):
            return ("GroupMetadata", Self.group(key.group), value.map(Self.fields))
        case .consumerGroup(let key, let value):
            let fields = value.map { [DumpField("epoch", .integer(Int64($0.epoch)))] }
            return ("ConsumerGroupMetadata", Self.group(key.groupID), fields)
        case .consumerTopics(let key, let value):
            return ("ConsumerGroupPartitionMetadata", Self.group(key.groupID), value.map(Self.fields))
        case .consumerMember(let key, let value):
            return ("ConsumerGroupMemberMetadata", Self.member(key.groupID, key.memberID), value.map(Self.fields))
        case .consumerTarget(let key, let value):
            let fields = value.map { [DumpField("assignmentEpoch", .integer(Int64($0.assignmentEpoch)))] }
            return ("ConsumerGroupTargetAssignmentMetadata", Self.group(key.groupID), fields)
        case .consumerMemberTarget(let key, let value):
            let fields = value.map { value in
                [
                    DumpField(
                        "partitions", .list(value.topicPartitions.map { Self.partitions($0.topicID, $0.partitions) }))
                ]
            }
            return ("ConsumerGroupTargetAssignmentMember", Self.member(key.groupID, key.memberID), fields)
        case .consumerMemberCurrent(let key, let value):
            return (
                "ConsumerGroupCurrentMemberAssignment", Self.member(key.groupID, key.memberID), value.map(Self.fields)
            )
        }
    }

    private static func group(_ id: String) -> [DumpField] { [DumpField("group", .string(id))] }

    private static func member(_ group: String, _ member: String) -> [DumpField] {
        [DumpField("group", .string(group)), DumpField("member", .string(member))]
    }

    private static func partitions(_ topic: UUID128, _ partitions: [Int32]) -> DumpValue {
        .object([
            DumpField("topicId", .string("\(topic)")),
            DumpField("partitions", .list(partitions.map { .integer(Int64($0)) })),
        ])
    }

    private static func fields(_ value: OffsetCommitValue) -> [DumpField] {
        [
            DumpField("offset", .integer(value.offset)), DumpField("leaderEpoch", .integer(Int64(value.leaderEpoch))),
            DumpField("metadata", .string(value.metadata)), DumpField("commitTimestamp", .time(value.commitTimestamp)),
            DumpField("expireTimestamp", .time(value.expireTimestamp)),
        ]
    }

    private static func fields(_ value: GroupMetadataValue) -> [DumpField] {
        [
            DumpField("protocolType", .string(value.protocolType)),
            DumpField("generation", .integer(Int64(value.generation))),
            DumpField("protocol", .optional(value.protocol)),
            DumpField("leader", .optional(value.leader)),
            DumpField("currentStateTimestamp", .time(value.currentStateTimestamp)),
            DumpField(
                "members",
                .list(
                    value.members.map { member in
                        .object([
                            DumpField("member", .string(member.memberID)),
                            DumpField("instanceId", .optional(member.groupInstanceID)),
                            DumpField("clientId", .string(member.clientID)),
                            DumpField("clientHost", .string(member.clientHost)),
                            DumpField("rebalanceTimeoutMs", .integer(Int64(member.rebalanceTimeout))),
                            DumpField("sessionTimeoutMs", .integer(Int64(member.sessionTimeout))),
                            DumpField("subscriptionBytes", .integer(Int64(member.subscription.readableBytes))),
                            DumpField("assignmentBytes", .integer(Int64(member.assignment.readableBytes))),
                        ])
                    })),
        ]
    }

    private static func fields(_ value: ConsumerGroupPartitionMetadataValue) -> [DumpField] {
        let topics = value.topics.map { topic in
            DumpValue.object([
                DumpField("topicId", .string("\(topic.topicID)")), DumpField("topic", .string(topic.topicName)),
                DumpField("partitionCount", .integer(Int64(topic.numPartitions))),
            ])
        }
        return [DumpField("topics", .list(topics))]
    }

    private static func fields(_ value: ConsumerGroupMemberMetadataValue) -> [DumpField] {
        var fields = [
            DumpField("instanceId", .optional(value.instanceID)), DumpField("rack", .optional(value.rackID)),
            DumpField("clientId", .string(value.clientID)), DumpField("clientHost", .string(value.clientHost)),
            DumpField("topics", .list(value.subscribedTopicNames.map { .string($0) })),
            DumpField("regex", .optional(value.subscribedTopicRegex)),
            DumpField("rebalanceTimeoutMs", .integer(Int64(value.rebalanceTimeoutMs))),
            DumpField("assignor", .optional(value.serverAssignor)),
        ]
        if let classic = value.classicMemberMetadata {
            fields += [
                DumpField("classicProtocols", .list(classic.supportedProtocols.map { .string($0.name) })),
                DumpField("sessionTimeoutMs", .integer(Int64(classic.sessionTimeoutMs))),
            ]
        }
        if value.weight >= 0 { fields.append(DumpField("weight", .integer(Int64(value.weight)))) }
        return fields
    }

    private static func fields(_ value: ConsumerGroupCurrentMemberAssignmentValue) -> [DumpField] {
        [
            DumpField("memberEpoch", .integer(Int64(value.memberEpoch))),
            DumpField("previousMemberEpoch", .integer(Int64(value.previousMemberEpoch))),
            DumpField("state", .integer(Int64(value.state))),
            DumpField("assigned", .list(value.assignedPartitions.map { self.partitions($0.topicID, $0.partitions) })),
            DumpField(
                "pendingRevocation",
                .list(value.partitionsPendingRevocation.map { self.partitions($0.topicID, $0.partitions) })),
        ]
    }
}
