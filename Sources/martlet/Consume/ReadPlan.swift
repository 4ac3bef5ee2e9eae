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

    /// What was asked for.
    struct Request: Sendable {
        var topic: String
        /// Empty for all.
        var partitions: [Int32] = []
        var from = StartPosition.beginning
        var until: StopPosition?
        /// Nothing is waited for, wherever `until` is.
        var isUntilEnd = false
        var isolation = ReadIsolation.readUncommitted
        /// Milliseconds since 1970.
        var now: Int64
    }

    static func make(_ request: Request, cluster: KafkaCluster) async throws -> ReadPlan {
        let topic = try await cluster.topic(request.topic)
        let partitions = try Self.partitions(of: topic, request.partitions)
        let isolation = request.isolation
        async let earliest = Self.offsets(.earliest, of: partitions, isolation, cluster)
        async let latest = Self.offsets(.latest, of: partitions, isolation, cluster)
        async let begins = Self.offsets(
            request.from.specification(now: request.now), of: partitions, isolation, cluster)
        async let ends = Self.offsets(
            request.until?.specification(now: request.now), of: partitions, isolation, cluster)
        let bounds = try await (earliest: earliest, latest: latest)
        let found = try await (begins: begins, ends: ends)
        var plan = ReadPlan()
        for partition in partitions {
            guard let earliest = bounds.earliest[partition], let latest = bounds.latest[partition] else { continue }
            let offset = request.from.offset(earliest: earliest, latest: latest, found: found.begins[partition])
            var end = request.until?.offset(latest: latest, found: found.ends[partition])
            if request.isUntilEnd { end = min(end ?? latest, latest) }
            try plan.add(
                partition, offset, earliest: earliest, latest: latest, upTo: end, isOnly: partitions.count == 1)
        }
        return plan
    }

    /// How many offsets there are to read; nil when some partition is read without end.
    var offsetCount: Int64? {
        var count: Int64 = 0
        for range in self.ranges {
            guard let end = range.end else { return nil }
            count = count.addingReportingOverflow(max(end - range.start, 0)).partialValue
        }
        return count
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
        _ specification: OffsetSpecification?, of partitions: [TopicPartition], _ isolation: ReadIsolation,
        _ cluster: KafkaCluster
    ) async throws -> [TopicPartition: Offset] {
        guard let specification else { return [:] }
        let asked = Dictionary(partitions.map { ($0, specification) }) { first, _ in first }
        return try await cluster.listOffsets(asked, isolation: isolation).compactMapValues { try $0.get().offset }
    }

    /// An offset that a partition does not have is an error if it is the only partition. With several it is to be
    /// expected, since they are not equally long, and each is read from what is nearest.
    mutating func add(
        _ partition: TopicPartition, _ offset: Offset, earliest: Offset, latest: Offset, upTo end: Offset?, isOnly: Bool
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
        self.ranges.append(ReadRange(partition, from: start, upTo: end))
    }
}
