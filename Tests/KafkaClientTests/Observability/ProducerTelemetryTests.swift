// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics && Tracing

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct ProducerTelemetryTests {
    /// Takes every batch, and keeps what it was.
    private static func answer(_ request: ScriptedBroker.Request, _ batches: borrowing Mutex<[RecordBatch]>) throws
        -> FakeCluster.Reply
    {
        guard request.api == .produce else { return .answer(InitProducerIdResponse()) }
        var response = ProduceResponse()
        response.responses = try ProduceRequest.decode(request.body, version: request.version).topicData.map { data in
            var topic = ProduceResponse.TopicProduceResponse()
            topic.name = data.name
            topic.partitionResponses = try data.partitionData.map { partition in
                if case .buffer(let bytes) = partition.records {
                    let batch = try RecordBatch(parsing: bytes)
                    batches.withLock { $0.append(batch) }
                }
                var answer = ProduceResponse.PartitionProduceResponse()
                answer.index = partition.index
                answer.baseOffset = 40
                return answer
            }
            return topic
        }
        return .answer(response)
    }

    private final class Batches: Sendable {
        let all = Mutex<[RecordBatch]>([])
        var headers: [[String]] {
            get throws {
                var headers: [[String]] = []
                for batch in self.all.withLock({ $0 }) {
                    var records = try batch.records()
                    while let record = try records.next() { headers.append(record.headers.map(\.name)) }
                }
                return headers
            }
        }
    }

    @Test("a producer counts what it sends by batches, and its records carry their spans")
    func producer() async throws {
        let (metrics, tracer, batches) = (TestMetrics(), TestTracer(), Batches())
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], handler: { _, request in try Self.answer(request, batches.all) }
        ) { _, client in
            var configuration = client.configuration
            configuration.metricsFactory = metrics
            configuration.tracer = tracer
            try await KafkaProducer.withProducer(configuration) { producer in
                for _ in 0..<9 { try await producer.enqueue(ProducerRecord(topic: "orders", value: "x")) }
                _ = try await producer.send(ProducerRecord(topic: "orders", value: "y"))
            }
        }
        let topic = "messaging.destination.name=orders"
        #expect(metrics["messaging.client.sent.messages{\(topic)}"] == 10)
        let sent = metrics.history("kafka.producer.batch.records{\(topic)}")
        #expect(sent.reduce(0, +) == 10)
        #expect(sent.count == batches.all.withLock(\.count))
        #expect(
            metrics.history("messaging.client.operation.duration{messaging.operation.name=send,\(topic)}").count >= 1)
        #expect(metrics["kafka.producer.retried.messages{\(topic)}"] == nil)
        #expect(tracer.spans.map(\.operationName) == Array(repeating: "create orders", count: 9) + ["send orders"])
        #expect(tracer.spans.allSatisfy { !$0.isRecording })
        #expect(tracer.spans.last?["messaging.kafka.offset"] != nil)
        #expect(try batches.headers == Array(repeating: ["traceparent"], count: 10))
    }
}

#endif
