// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct ConsumerTelemetryTests {
    @Test("a member of a group counts batches, their time, rebalances, and its lag until it gives partitions up")
    func member() async throws {
        let metrics = TestMetrics()
        let group = FakeGroup { state in
            state.target = [0, 1]
            state.end = 20
        }
        try await FakeGroup.run(group) { consumer in
            var cluster = consumer.cluster.configuration
            cluster.metricsFactory = metrics
            try await KafkaConsumer.withConsumer(cluster, configuration: consumer.configuration) { consumer in
                var left = 40
                for try await batch in consumer.batches {
                    left -= Int(batch.batch.header.recordCount)
                    if left == 0 { break }
                }
            }
        }
        let (topic, name) = ("messaging.destination.name=orders", "messaging.consumer.group.name=g")
        #expect(metrics["messaging.client.consumed.messages{\(topic),\(name)}"] == 40)
        // The last batch was never asked on from.
        let batches = metrics.history("messaging.process.duration{\(topic),\(name)}").count
        #expect(batches >= 1)
        #expect(metrics["kafka.consumer.rebalances{\(name)}"] == 1)
        for partition in [0, 1] {
            let lag = "kafka.consumer.lag{\(topic),messaging.destination.partition.id=\(partition),\(name)}"
            #expect(metrics[lag] == nil)
        }
    }
}

#endif
