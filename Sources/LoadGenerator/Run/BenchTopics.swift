// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// The topics of a run: made before it, deleted after it.
struct BenchTopics: Sendable {
    let names: [String]
    let partitionsPerTopic: Int
    /// Belongs to the run; otherwise it was there before.
    let isOwn: Bool

    var partitions: [TopicPartition] {
        self.names.flatMap { name in
            (0..<Int32(clamping: self.partitionsPerTopic)).map {
                TopicPartition(topic: name, partition: PartitionIndex($0))
            }
        }
    }

    /// Makes topics, `prefix-suffix-0` and so on. Throws `KafkaClientError` for the first that cannot be made, without
    /// leaving others behind.
    static func create(
        _ workload: Workload, prefix: String, suffix: String, on cluster: KafkaCluster
    ) async throws -> BenchTopics {
        let names = (0..<workload.topicCount).map { "\(prefix)-\(suffix)-\($0)" }
        let topics = BenchTopics(names: names, partitionsPerTopic: workload.partitionsPerTopic, isOwn: true)
        let new = names.map { name in
            var topic = NewTopic(
                name, partitionCount: Int32(clamping: workload.partitionsPerTopic),
                replicationFactor: workload.replicationFactor)
            topic.configs = workload.topicConfigs
            return topic
        }
        let results = try await cluster.createTopics(new)
        do {
            for result in results { _ = try result.result.get() }
            try await topics.waitForLeaders(on: cluster)
        } catch {
            // The first failure is what the caller wants to know.
            try? await topics.delete(on: cluster)
            throw error
        }
        return topics
    }

    /// The brokers of a cluster learn of new topics one after the other.
    private func waitForLeaders(on cluster: KafkaCluster) async throws {
        for attempt in 1... {
            let described = try await cluster.describeTopics(self.names)
            let isReady = described.allSatisfy { topic in
                topic.partitions.count == self.partitionsPerTopic && topic.partitions.allSatisfy { $0.leader != nil }
            }
            if isReady { return }
            guard attempt < Self.attemptsMax else {
                throw KafkaClientError(
                    .noLeader, "the topics \(self.names[0])… were made, but not all of their partitions have a leader")
            }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    private static let attemptsMax = 100
    private static let pollInterval = Duration.milliseconds(100)

    /// Deletes the topics. Throws `KafkaClientError` for the first that cannot be deleted; the others are.
    func delete(on cluster: KafkaCluster) async throws {
        for result in try await cluster.deleteTopics(self.names) {
            if case .failure(let error) = result.result, error.errorCode != .unknownTopicOrPartition { throw error }
        }
    }

    /// How many records the partitions have; nil when a leader does not say.
    func recordCount(on cluster: KafkaCluster) async -> Int? {
        let partitions = self.partitions
        func offsets(_ specification: OffsetSpecification) async -> [TopicPartition: Int64]? {
            let asked = Dictionary(partitions.map { ($0, specification) }) { first, _ in first }
            guard let results = try? await cluster.listOffsets(asked) else { return nil }
            let offsets = results.compactMapValues { try? $0.get().offset?.rawValue }
            return offsets.count == partitions.count ? offsets : nil
        }
        guard let first = await offsets(.earliest), let last = await offsets(.latest) else { return nil }
        return last.values.reduce(0) { $0 + Int($1) } - first.values.reduce(0) { $0 + Int($1) }
    }

    /// Where each partition ends. Throws when a leader does not say.
    func ends(on cluster: KafkaCluster) async throws -> [TopicPartition: Int64] {
        let asked = Dictionary(self.partitions.map { ($0, OffsetSpecification.latest) }) { first, _ in first }
        return try await cluster.listOffsets(asked).compactMapValues { try $0.get().offset?.rawValue }
    }
}
