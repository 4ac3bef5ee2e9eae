// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// Reads all partitions of a topic from their beginning, without a group.
struct ConsumeRun {
    let target: Target
    let settings: Settings

    func readAll(records: Int) async throws {
        try await self.withConsumer { consumer in
            var (count, bytes) = (0, 0)
            let meter = Meter()
            for try await batch in consumer.batches {
                try batch.forEachRecord { record in
                    count += 1
                    bytes += record.value?.count ?? 0
                }
                if count >= records { break }
            }
            meter.report(records: count, bytes: bytes)
        }
    }

    /// Fetches, and is never asked for anything.
    func stall(seconds: Int) async throws {
        try await self.withConsumer { _ in
            let meter = Meter()
            try await Task.sleep(for: .seconds(seconds))
            meter.report(records: 0, bytes: 0)
        }
    }

    private func withConsumer(_ body: @Sendable (KafkaConsumer) async throws -> Void) async throws {
        let cluster = KafkaClusterConfiguration(bootstrap: try self.target.brokers)
        let topic = try await KafkaCluster.withCluster(cluster) { try await $0.topic(self.target.topic) }
        let partitions = topic.partitions.map { TopicPartition(topic: topic.name, partition: $0.index) }
        var configuration = KafkaConsumerConfiguration(
            subscription: .assignment(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .earliest) })))
        if let limit = self.settings.prefetchBytesMax {
            configuration.prefetchBytesMax = limit
            configuration.fetchBytesMax = min(configuration.fetchBytesMax, limit)
        }
        if let limit = self.settings.partitionBytesMax { configuration.partitionBytesMax = limit }
        try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { try await body($0) }
    }
}
