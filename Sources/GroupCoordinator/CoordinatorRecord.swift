// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages
public import KafkaWire
public import NIOCore

/// One record of `__consumer_offsets`, in Kafka's formats: what a group is and where it has got to.
///
/// A record without a value is a tombstone: what its key names is gone. Everything that a shard knows it knows from
/// records, so replaying them in order rebuilds it (`GroupShard.replay`).
public enum CoordinatorRecord: Sendable {
    /// Keys 0 and 1: the committed offset of one partition.
    case offsetCommit(OffsetCommitKey, OffsetCommitValue?)
    /// Key 2: a classic group, with all of its members.
    case classicGroup(GroupMetadataKey, GroupMetadataValue?)
    /// Key 3: a consumer group's epoch.
    case consumerGroup(ConsumerGroupMetadataKey, ConsumerGroupMetadataValue?)
    /// Key 4: the topics that a consumer group's assignment was made for.
    case consumerTopics(ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue?)
    /// Key 5: a member of a consumer group.
    case consumerMember(ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue?)
    /// Key 6: the epoch of a consumer group's target assignment.
    case consumerTarget(ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue?)
    /// Key 7: a member's part of it.
    case consumerMemberTarget(ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue?)
    /// Key 8: what a member has now.
    case consumerMemberCurrent(ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue?)

    /// The versions of keys that there are; a key's version tells the kind of the record.
    private enum KeyVersion: Int16 {
        case offsetCommitOld = 0
        case offsetCommit = 1
        case classicGroup = 2
        case consumerGroup = 3
        case consumerTopics = 4
        case consumerMember = 5
        case consumerTarget = 6
        case consumerMemberTarget = 7
        case consumerMemberCurrent = 8
    }

    /// Versions of values that are written: what Kafka writes where nothing asks for more.
    private enum ValueVersion {
        static let offsetCommit: Int16 = 3
        /// The only version with a time of expiry.
        static let offsetCommitWithExpiry: Int16 = 1
        static let classicGroup: Int16 = 3
        static let consumer: Int16 = 0
    }

    /// Reads a record's key and value, each with its version in front.
    ///
    /// - Returns: nil for a kind of record that is not known here, such as those of share groups.
    /// - Throws: `WireError` for bytes that are not what their version says.
    public init?(key: ByteBuffer, value: ByteBuffer?) throws(WireError) {
        var keyReader = WireReader(key)
        guard let kind = KeyVersion(rawValue: try keyReader.readInt16()) else { return nil }
        switch kind {
        case .offsetCommitOld, .offsetCommit:
            self = .offsetCommit(try Self.rest(keyReader, kind), try Self.value(value))
        case .classicGroup: self = .classicGroup(try Self.rest(keyReader, kind), try Self.value(value))
        case .consumerGroup: self = .consumerGroup(try Self.rest(keyReader, kind), try Self.value(value))
        case .consumerTopics: self = .consumerTopics(try Self.rest(keyReader, kind), try Self.value(value))
        case .consumerMember: self = .consumerMember(try Self.rest(keyReader, kind), try Self.value(value))
        case .consumerTarget: self = .consumerTarget(try Self.rest(keyReader, kind), try Self.value(value))
        case .consumerMemberTarget:
            self = .consumerMemberTarget(try Self.rest(keyReader, kind), try Self.value(value))
        case .consumerMemberCurrent:
            self = .consumerMemberCurrent(try Self.rest(keyReader, kind), try Self.value(value))
        }
    }

    private static func rest<Key: KafkaMessage>(_ reader: WireReader, _ kind: KeyVersion) throws(WireError) -> Key {
        var reader = reader
        let key = try Key(from: &reader, version: kind.rawValue)
        try reader.finish()
        return key
    }

    private static func value<Value: KafkaMessage>(_ bytes: ByteBuffer?) throws(WireError) -> Value? {
        guard let bytes else { return nil }
        var reader = WireReader(bytes)
        let version = try reader.readInt16()
        let value = try Value(from: &reader, version: version)
        try reader.finish()
        return value
    }

    /// The bytes of the key and of the value, each with its version in front; no value for a tombstone.
    public func encoded() throws(WireError) -> (key: ByteBuffer, value: ByteBuffer?) {
        switch self {
        case .offsetCommit(let key, let value):
            try Self.encode(
                key,
                .offsetCommit,
                value,
                (value?.expireTimestamp ?? -1) == -1 ? ValueVersion.offsetCommit : ValueVersion.offsetCommitWithExpiry
            )
        case .classicGroup(let key, let value):
            try Self.encode(key, .classicGroup, value, ValueVersion.classicGroup)
        case .consumerGroup(let key, let value):
            try Self.encode(key, .consumerGroup, value, ValueVersion.consumer)
        case .consumerTopics(let key, let value):
            try Self.encode(key, .consumerTopics, value, ValueVersion.consumer)
        case .consumerMember(let key, let value):
            try Self.encode(key, .consumerMember, value, ValueVersion.consumer)
        case .consumerTarget(let key, let value):
            try Self.encode(key, .consumerTarget, value, ValueVersion.consumer)
        case .consumerMemberTarget(let key, let value):
            try Self.encode(key, .consumerMemberTarget, value, ValueVersion.consumer)
        case .consumerMemberCurrent(let key, let value):
            try Self.encode(key, .consumerMemberCurrent, value, ValueVersion.consumer)
        }
    }

    private static func encode(
        _ key: some KafkaMessage,
        _ kind: KeyVersion,
        _ value: (some KafkaMessage)?,
        _ valueVersion: Int16
    ) throws(WireError) -> (key: ByteBuffer, value: ByteBuffer?) {
        (
            try Self.bytes(of: key, version: kind.rawValue),
            try value.map { value throws(WireError) in try Self.bytes(of: value, version: valueVersion) }
        )
    }

    private static func bytes(of message: some KafkaMessage, version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(version)
        try message.encode(into: &writer, version: version)
        return writer.buffer
    }

    /// The group that the record is about.
    public var groupID: String {
        switch self {
        case .offsetCommit(let key, _): key.group
        case .classicGroup(let key, _): key.group
        case .consumerGroup(let key, _): key.groupID
        case .consumerTopics(let key, _): key.groupID
        case .consumerMember(let key, _): key.groupID
        case .consumerTarget(let key, _): key.groupID
        case .consumerMemberTarget(let key, _): key.groupID
        case .consumerMemberCurrent(let key, _): key.groupID
        }
    }
}
