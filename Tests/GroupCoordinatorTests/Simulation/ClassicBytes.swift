// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// What members and the leader of a classic group put into the bytes that the coordinator only hands on, in the
/// formats of the consumer protocol: a version, then a message.
enum ClassicBytes {
    static func subscription(
        topics: [Int], owned: [SimulatedPartition], generation: Int32, version: Int16
    ) -> ByteBuffer {
        var message = ConsumerProtocolSubscription()
        message.topics = topics.map { SimulatedTopics.names[$0] }
        message.ownedPartitions = Self.byTopic(owned).map { topic, indexes in
            var entry = ConsumerProtocolSubscription.TopicPartition()
            entry.topic = topic
            entry.partitions = indexes
            return entry
        }
        message.generationID = generation
        return Self.bytes(message, version: version)
    }

    static func assignment(_ partitions: [SimulatedPartition]) -> ByteBuffer {
        var message = ConsumerProtocolAssignment()
        message.assignedPartitions = Self.byTopic(partitions).map { topic, indexes in
            var entry = ConsumerProtocolAssignment.TopicPartition()
            entry.topic = topic
            entry.partitions = indexes
            return entry
        }
        return Self.bytes(message, version: 1)
    }

    /// Nil for bytes that are no subscription.
    static func subscription(_ bytes: ByteBuffer) -> ConsumerProtocolSubscription? {
        Self.message(bytes)
    }

    /// Topics and indexes; none for no bytes, nil for bytes that are no assignment.
    static func assignment(_ bytes: ByteBuffer) -> [(topic: String, index: Int32)]? {
        if bytes.readableBytes == 0 { return [] }
        guard let message: ConsumerProtocolAssignment = Self.message(bytes) else { return nil }
        return message.assignedPartitions.flatMap { entry in entry.partitions.map { (entry.topic, $0) } }
    }

    private static func byTopic(_ partitions: [SimulatedPartition]) -> [(String, [Int32])] {
        var topics: [(slot: Int, indexes: [Int32])] = []
        for partition in partitions.sorted() {
            if topics.last?.slot == partition.slot {
                topics[topics.count - 1].indexes.append(partition.index)
            } else {
                topics.append((partition.slot, [partition.index]))
            }
        }
        return topics.map { (SimulatedTopics.names[$0.slot], $0.indexes) }
    }

    private static func bytes(_ message: some KafkaMessage, version: Int16) -> ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(version)
        do { try message.encode(into: &writer, version: version) } catch { preconditionFailure("\(error)") }
        return writer.buffer
    }

    private static func message<Message: KafkaMessage>(_ bytes: ByteBuffer) -> Message? {
        var reader = WireReader(bytes)
        guard let version = try? reader.readInt16() else { return nil }
        return try? Message(from: &reader, version: version)
    }
}
