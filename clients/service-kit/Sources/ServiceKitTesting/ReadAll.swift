// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import KafkaTypes
import ServiceKit

/// Everything that is in a topic now, partition by partition; empty for a topic that does not exist.
///
/// A consumer of its own, with partitions that it was told and no group: it leaves no trace.
public func readAll(_ topic: String, _ cluster: KafkaCluster) async throws -> [ConsumedRecord] {
    let description = try await cluster.describeTopics([topic]).first
    let partitions = (description?.partitions ?? []).map { TopicPartition(topic: topic, partition: $0.index) }
    var ends: [TopicPartition: Offset] = [:]
    for (partition, result) in try await cluster.listOffsets(
        Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
    {
        if let end = try result.get().offset, end > 0 { ends[partition] = end }
    }
    guard !ends.isEmpty else { return [] }
    let starts = ends.mapValues { _ in ConsumerStart.earliest }
    let consumer = try KafkaConsumer(
        sharing: cluster, configuration: KafkaConsumerConfiguration(subscription: .assignment(starts)))
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await consumer.run() }
        defer { consumer.close() }
        var read: [ConsumedRecord] = []
        for try await record in consumer.records {
            read.append(record)
            if let end = ends[record.partition], record.record.offset + 1 >= end.rawValue {
                ends[record.partition] = nil
            }
            if ends.isEmpty { break }
        }
        return read.sorted { ($0.partition, $0.record.offset) < ($1.partition, $1.record.offset) }
    }
}

extension ConsumedRecord {
    /// The event that the record carries; throws when it carries none.
    public func event() throws -> Event {
        try Event(json: Data(self.record.value?.readableBytesView ?? .init(.init())))
    }

    /// The text of the last header of this name.
    public func header(_ name: String) -> String? {
        var found: String?
        for header in self.record.headers where header.name == name { found = header.value.map { String(buffer: $0) } }
        return found
    }
}

extension ProducerRecord {
    /// The record of an event that goes to a topic past any outbox: as another service would have written it.
    public init(_ event: Event, to topic: String) {
        self.init(topic: topic, key: event.subject, value: String(decoding: event.json, as: UTF8.self))
    }
}
