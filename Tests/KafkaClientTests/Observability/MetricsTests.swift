// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics

import KafkaMessages
import KafkaTypes
import KafkaWire
import Metrics
import Testing

@testable import KafkaClient

@Suite struct MetricsTests {
    private static let orders0 = TopicPartition(topic: "orders", partition: 0)

    @Test("connections and requests are counted, with their time, bytes and errors")
    func requests() async throws {
        let metrics = TestMetrics()
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { _, client in
            var configuration = client.configuration
            configuration.metricsFactory = metrics
            configuration.retry.attemptsMax = 1
            let broker = "server.address=\(configuration.bootstrap[0])"
            try await KafkaCluster.withCluster(configuration) { cluster in
                _ = try await cluster.describeCluster()
                #expect(metrics["kafka.client.connections{\(broker)}"] == 1)
                #expect(metrics["kafka.client.connections.made{\(broker)}"] == 1)
                #expect(metrics.history("kafka.client.request.duration{kafka.api=Metadata}").count == 1)
                #expect(metrics["kafka.client.sent.bytes{kafka.api=Metadata}"] ?? 0 > 10)
                #expect(metrics["kafka.client.received.bytes{kafka.api=Metadata}"] ?? 0 > 10)
                _ = try? await cluster.initProducerID()
                let failed = "kafka.client.request.duration{kafka.api=InitProducerId,error.type=connectionClosed}"
                #expect(metrics.history(failed).count == 1)
            }
            #expect(metrics["kafka.client.connections{\(broker)}"] == 0)
        }
    }

    @Test("connections that cannot be made are counted by their reason")
    func failures() async throws {
        let metrics = TestMetrics()
        var configuration = KafkaClusterConfiguration(bootstrap: [BrokerAddress(host: "127.0.0.1", port: 1)])
        configuration.metricsFactory = metrics
        _ = try? await KafkaCluster.withCluster(configuration) { try await $0.describeCluster() }
        let failed = "kafka.client.connections.failed{server.address=127.0.0.1:1,error.type=connectionFailed}"
        #expect(metrics[failed] == 1)
    }

    @Test("batches of the producer count records, under OpenTelemetry's names")
    func producer() {
        let metrics = TestMetrics()
        let recorder = MetricsRecorder(factory: metrics)
        recorder.batchSent(to: Self.orders0, recordCount: 10, bytes: 1000)
        recorder.batchRetried(Self.orders0, recordCount: 10)
        recorder.batchEnded(Self.orders0, recordCount: 10, after: .milliseconds(7), error: nil)
        recorder.batchEnded(Self.orders0, recordCount: 5, after: .milliseconds(9), error: nil)
        let error = KafkaClientError(.messageTooLarge, subject: "orders-0")
        recorder.batchEnded(Self.orders0, recordCount: 3, after: .milliseconds(1), error: error)
        recorder.bufferUsed(bytes: 77)
        recorder.bufferWaited(.milliseconds(2))
        let topic = "messaging.destination.name=orders"
        #expect(metrics["messaging.client.sent.messages{\(topic)}"] == 15)
        #expect(metrics["messaging.client.sent.messages{\(topic),error.type=MESSAGE_TOO_LARGE}"] == 3)
        #expect(
            metrics.history("messaging.client.operation.duration{messaging.operation.name=send,\(topic)}")
                == [7_000_000, 9_000_000])
        #expect(metrics["kafka.producer.batch.bytes{\(topic)}"] == 1000)
        #expect(metrics["kafka.producer.batch.records{\(topic)}"] == 10)
        #expect(metrics["kafka.producer.retried.messages{\(topic)}"] == 10)
        #expect(metrics["kafka.producer.buffer.used"] == 77)
        #expect(metrics["kafka.producer.buffer.wait"] == 2_000_000)
    }

    @Test("a consumer counts records by topic and group, and the lag of each partition while it reads it")
    func consumer() {
        let metrics = TestMetrics()
        let recorder = MetricsRecorder(factory: metrics)
        let address = BrokerAddress(host: "a", port: 1)
        recorder.fetched(from: address, bytes: 500, after: .milliseconds(3))
        recorder.batchConsumed(from: Self.orders0, group: "billing", recordCount: 4)
        recorder.batchConsumed(from: Self.orders0, group: nil, recordCount: 2)
        recorder.batchProcessed(from: Self.orders0, group: "billing", after: .milliseconds(5), error: nil)
        recorder.lagged(Self.orders0, group: "billing", offsets: 12)
        recorder.committed(group: "billing", partitionCount: 1, after: .milliseconds(1), error: CancellationError())
        recorder.rebalanced(group: "billing", after: .seconds(1))
        let (topic, group) = ("messaging.destination.name=orders", "messaging.consumer.group.name=billing")
        #expect(metrics["kafka.consumer.fetch.bytes{server.address=a:1}"] == 500)
        #expect(metrics["messaging.client.consumed.messages{\(topic),\(group)}"] == 4)
        #expect(metrics["messaging.client.consumed.messages{\(topic)}"] == 2)
        #expect(metrics["messaging.process.duration{\(topic),\(group)}"] == 5_000_000)
        #expect(metrics["kafka.consumer.commits{\(group),error.type=cancelled}"] == 1)
        #expect(metrics["kafka.consumer.rebalances{\(group)}"] == 1)
        let lag = "kafka.consumer.lag{\(topic),messaging.destination.partition.id=0,\(group)}"
        #expect(metrics[lag] == 12)
        recorder.lagEnded(Self.orders0, group: "billing")
        #expect(metrics[lag] == nil)
    }
}

#endif
