// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import KafkaWire

/// Where `martlet produce` writes, and how.
struct ProduceTarget: Sendable {
    var topic: String
    /// At least 1.
    var partitionCount: Int32
    /// Where records go that name no partition, whatever their key.
    var partition: Int32?
    var codec: CompressionCodec
    var acks: RequiredAcks
    /// Makes batches that are sent twice be written once; nil where the broker or the acks do not allow it.
    var identity: ProducerIdentity?
    /// A batch is sent when it has so many bytes, uncompressed.
    var batchBytes: Int
    /// Milliseconds that a batch waits when the input pauses.
    var linger: Int32

    static func find(
        topic name: String, partition: Int32?, delivery: DeliveryOptions, cluster: KafkaCluster
    ) async throws -> ProduceTarget {
        let topic = try await cluster.topic(name, createsTopic: delivery.allowAutoCreate)
        let count = Int32(clamping: topic.partitions.count)
        guard count > 0 else { throw CommandFailure("the topic \(name) has no partitions") }
        if let partition, partition >= count {
            throw CommandFailure("the topic \(name) has no partition \(partition): it has \(count), from 0")
        }
        async let identity = Self.identity(delivery.acks, cluster)
        async let messageBytesMax = Self.messageBytesMax(of: name, cluster)
        return try await ProduceTarget(
            topic: name, partitionCount: count, partition: partition, codec: delivery.codec, acks: delivery.acks,
            identity: identity, batchBytes: min(delivery.batchBytes, messageBytesMax), linger: delivery.linger)
    }

    private static func identity(_ acks: RequiredAcks, _ cluster: KafkaCluster) async throws -> ProducerIdentity? {
        guard acks == .all else { return nil }
        do {
            return try await cluster.initProducerID()
        } catch let error as KafkaClientError where !error.isUnreachable {
            // An old broker, or no permission: records are written all the same.
            return nil
        }
    }

    /// What the topic accepts, so that a batch of small records is not refused for being large.
    private static func messageBytesMax(of topic: String, _ cluster: KafkaCluster) async throws -> Int {
        do {
            let configs = try await cluster.describeConfigs(of: .topic(topic), keys: ["max.message.bytes"])
            return configs.first.flatMap(\.value).flatMap { Int($0) } ?? .max
        } catch let error as KafkaClientError where !error.isUnreachable {
            return .max
        }
    }
}
