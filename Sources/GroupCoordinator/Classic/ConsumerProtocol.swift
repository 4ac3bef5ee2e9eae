// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// What members of the protocol type `consumer` send each other through the coordinator: a version, then the fields.
enum ConsumerProtocol {
    /// The protocol type of consumers.
    static let type = "consumer"

    /// The assignors that clients come with. To their members partitions are all that an assignment says: whatever
    /// bytes go with it, as librdkafka's sticky ones have some, nobody needs them.
    static let plainAssignors: Set<String> = ["range", "roundrobin", "sticky", "cooperative-sticky"]

    /// The topics of a subscription of any version, which all begin alike. Nil for other bytes.
    static func topics(of subscription: ByteBuffer) -> Set<String>? {
        var reader = WireReader(subscription)
        guard let version = try? reader.readInt16(), version >= 0,
            let topics = try? reader.readStrings(compact: false, field: "Topics")
        else { return nil }
        return Set(topics)
    }

    /// A subscription, of a version that is not known as far as it is; nil for other bytes.
    static func subscription(_ bytes: ByteBuffer) -> ConsumerProtocolSubscription? { Self.read(bytes) }

    /// An assignment, likewise. No bytes at all are an assignment of nothing: leaders give it to members that they
    /// know nothing for.
    static func assignment(_ bytes: ByteBuffer) -> ConsumerProtocolAssignment? {
        bytes.readableBytes == 0 ? ConsumerProtocolAssignment() : Self.read(bytes)
    }

    /// Newer versions only add to the end.
    private static func read<Message: KafkaMessage>(_ bytes: ByteBuffer) -> Message? {
        var reader = WireReader(bytes)
        guard let version = try? reader.readInt16(), version >= Message.validVersions.lowerBound else { return nil }
        return try? Message(from: &reader, version: min(version, Message.validVersions.upperBound))
    }

    /// An assignment as a member understands it that sent that subscription. Topics by name; those that are gone are
    /// left out.
    ///
    /// - Throws: when there are more partitions than a list of the protocol can have.
    static func assignment(
        of partitions: PartitionSet, answering subscription: ByteBuffer, _ topics: any TopicsView
    ) throws(WireError) -> ByteBuffer {
        var assignment = ConsumerProtocolAssignment()
        assignment.assignedPartitions = partitions.sorted.compactMap { entry in
            topics.topic(id: entry.topic).map { facts in
                var partitions = ConsumerProtocolAssignment.TopicPartition()
                partitions.topic = facts.name
                partitions.partitions = entry.indexes
                return partitions
            }
        }
        assignment.assignedPartitions.sort { $0.topic < $1.topic }
        let versions = ConsumerProtocolAssignment.validVersions
        var reader = WireReader(subscription)
        let version = min(max((try? reader.readInt16()) ?? 0, versions.lowerBound), versions.upperBound)
        var writer = WireWriter()
        writer.writeInt16(version)
        try assignment.encode(into: &writer, version: version)
        return writer.buffer
    }
}
