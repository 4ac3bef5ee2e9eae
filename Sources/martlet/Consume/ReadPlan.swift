// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import KafkaWire

/// Which offsets of which partitions `martlet consume` reads.
struct ReadPlan {
    var ranges: [ReadRange] = []
    /// What differs from what was asked for.
    var warnings: [String] = []

    static func make(
        topic name: String, partitions wanted: [Int32], from start: StartPosition, isUntilEnd: Bool,
        cluster: KafkaCluster
    ) async throws -> ReadPlan {
        let topic = try await cluster.topic(name)
        let partitions = try Self.partitions(of: topic, wanted)
        async let earliest = Self.offsets(.earliest, of: partitions, cluster)
        async let latest = Self.offsets(.latest, of: partitions, cluster)
        var found: [TopicPartition: Offset] = [:]
        if let specification = start.specification {
            found = try await Self.offsets(specification, of: partitions, cluster)
        }
        let bounds = try await (earliest: earliest, latest: latest)
        var plan = ReadPlan()
        for partition in partitions {
            guard let earliest = bounds.earliest[partition], let latest = bounds.latest[partition] else { continue }
            let offset = start.offset(earliest: earliest, latest: latest, found: found[partition])
            try plan.add(
                partition, offset, earliest: earliest, latest: latest, isUntilEnd: isUntilEnd,
                isOnly: partitions.count == 1)
        }
        return plan
    }

    private static func partitions(of topic: TopicDescription, _ wanted: [Int32]) throws -> [TopicPartition] {
        let all = topic.partitions.map(\.index)
        for index in wanted where !all.contains(PartitionIndex(index)) {
            throw CommandFailure("the topic \(topic.name) has no partition \(index): it has \(all.count), from 0")
        }
        let chosen = wanted.isEmpty ? all : Set(wanted).sorted().map { PartitionIndex($0) }
        return chosen.map { TopicPartition(topic: topic.name, partition: $0) }
    }

    /// Partitions where nothing fits are missing.
    private static func offsets(
        _ specification: OffsetSpecification, of partitions: [TopicPartition], _ cluster: KafkaCluster
    ) async throws -> [TopicPartition: Offset] {
        let asked = Dictionary(partitions.map { ($0, specification) }) { first, _ in first }
        return try await cluster.listOffsets(asked).compactMapValues { try $0.get().offset }
    }

    /// An offset that a partition does not have is an error if it is the only partition. With several it is to be
    /// expected, since they are not equally long, and each is read from what is nearest.
    mutating func add(
        _ partition: TopicPartition, _ offset: Offset, earliest: Offset, latest: Offset, isUntilEnd: Bool, isOnly: Bool
    ) throws {
        var start = offset
        if offset < earliest || offset > latest {
            guard !isOnly else {
                let held =
                    earliest == latest
                    ? "it has no records; the next one will have offset \(latest)"
                    : "it has \(earliest) to \(latest + -1)"
                throw CommandFailure(
                    "\(partition) has no offset \(offset): \(held)",
                    hint: "--from beginning starts with the first record that is still there")
            }
            start = min(max(offset, earliest), latest)
            self.warnings.append("\(partition) has no offset \(offset): reading it from \(start)")
        }
        self.ranges.append(ReadRange(partition, from: start, upTo: isUntilEnd ? latest : nil))
    }
}
