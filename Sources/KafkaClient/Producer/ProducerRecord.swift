// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords
public import KafkaTypes
public import NIOCore

/// A record on its way to a topic.
///
/// Its bytes are copied once, into the batch that it travels in: the buffers may be changed or used again as soon as
/// `KafkaProducer/enqueue(_:)` has returned.
public struct ProducerRecord: Sendable {
    /// The topic it goes to.
    public var topic: String
    /// The partition it goes to; nil leaves that to the `Partitioner` of the producer.
    public var partition: PartitionIndex?
    /// What it is about. Null and empty are two different keys.
    public var key: ByteBuffer?
    /// Null is a tombstone in a compacted topic.
    public var value: ByteBuffer?
    /// In this order; names may occur more than once (KIP-82).
    public var headers: [RecordHeader]
    /// Milliseconds since 1970; nil for the time at which it is put into its batch.
    public var timestamp: Int64?

    /// A record of bytes.
    public init(
        topic: String, partition: PartitionIndex? = nil, key: ByteBuffer? = nil, value: ByteBuffer?,
        headers: [RecordHeader] = [], timestamp: Int64? = nil
    ) {
        self.topic = topic
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }

    /// A record of text, which travels as UTF-8. Copies the text into buffers of its own.
    public init(
        topic: String, partition: PartitionIndex? = nil, key: String? = nil, value: String,
        headers: [RecordHeader] = [], timestamp: Int64? = nil
    ) {
        self.init(
            topic: topic, partition: partition, key: key.map { ByteBuffer(string: $0) },
            value: ByteBuffer(string: value), headers: headers, timestamp: timestamp)
    }
}

/// Where a record has been written.
public struct RecordMetadata: Sendable, Hashable {
    /// The partition that has it.
    public var partition: TopicPartition
    /// Its offset. Nil with acks=0, where nobody says; and when it was written by an attempt whose answer got lost, so
    /// long ago that the broker does not know the offset any more.
    public var offset: Offset?
    /// Milliseconds since 1970: the producer's, or the broker's where the topic uses LogAppendTime.
    public var timestamp: Int64
}
