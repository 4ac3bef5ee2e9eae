// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Tracing

import KafkaRecords
import KafkaTypes
import NIOCore
import Testing
import Tracing

@testable import KafkaClient

@Suite struct TracingTests {
    private static let orders0 = TopicPartition(topic: "orders", partition: 0)
    private let tracer = TestTracer()

    private func tracing() throws -> ClientTracing { try #require(ClientTracing(self.tracer, clientID: "test")) }

    /// A batch of records with these headers, as a consumer gets it.
    private static func batch(
        _ headers: [[RecordHeader]], leader: BrokerAddress? = BrokerAddress(host: "kafka-1", port: 9092)
    ) throws -> ConsumedBatch {
        var builder = RecordBatchBuilder()
        for header in headers {
            try builder.append(
                key: ByteBuffer(string: "k"), value: ByteBuffer(string: "v"), headers: header, timestamp: 1)
        }
        let batch = try builder.finish()
        return ConsumedBatch(
            Fetcher.Delivery(
                partition: Self.orders0, number: 0, batch: batch, start: 0, next: Int64(headers.count),
                highWatermark: 100, leader: leader))
    }

    private static func record(_ headers: [RecordHeader]) throws -> ConsumedRecord {
        var records = try Self.batch([headers]).records()
        let record = try #require(try records.next())
        return ConsumedRecord(partition: Self.orders0, record: record, leaderEpoch: .none, number: 0)
    }

    @Test("a record that is sent carries its span, which ends with where the record is")
    func send() async throws {
        let metadata = try await self.tracing().sending(ProducerRecord(topic: "orders", key: "7", value: "paid")) {
            record in
            #expect(record.headers.map(\.name) == ["traceparent"])
            #expect(record.headers[0].value == ByteBuffer(string: "00-trace1-span1-01"))
            #expect(self.tracer.spans[0].isRecording)
            return RecordMetadata(partition: Self.orders0, offset: 42, timestamp: 1)
        }
        #expect(metadata.offset == 42)
        let span = self.tracer.spans[0]
        #expect(span.operationName == "send orders")
        #expect(span.kind == .producer)
        #expect(!span.isRecording)
        #expect(span["messaging.system"] == "kafka")
        #expect(span["messaging.operation.name"] == "send")
        #expect(span["messaging.destination.name"] == "orders")
        #expect(span["messaging.destination.partition.id"] == "0")
        #expect(span["messaging.kafka.message.key"] == "7")
        #expect(span["messaging.kafka.offset"] == "42")
        #expect(span["messaging.client.id"] == "test")
    }

    @Test("a record that cannot be written is an error of its span")
    func failedSend() async throws {
        let tracing = try self.tracing()
        await #expect(throws: KafkaClientError.self) {
            try await tracing.sending(ProducerRecord(topic: "orders", value: "x")) { _ in
                throw KafkaClientError(.bufferFull, "no room")
            }
        }
        let span = self.tracer.spans[0]
        #expect(span.recorded.hasFailed && span.recorded.hasEnded)
        #expect(span["error.type"] == "bufferFull")
        #expect(span.recorded.errors == ["no room"])
    }

    @Test("a context that is there already is replaced, and other headers stay")
    func replacedHeaders() throws {
        let old = RecordHeader(name: "traceparent", value: ByteBuffer(string: "old"))
        let other = RecordHeader(name: "x", value: nil)
        let record = try self.tracing().created(
            ProducerRecord(topic: "orders", value: "v", headers: [old, other, old]))
        #expect(record.headers.map(\.name) == ["x", "traceparent"])
        #expect(self.tracer.spans[0].operationName == "create orders")
        #expect(self.tracer.spans[0].recorded.hasEnded)
    }

    @Test("processing a record goes on with the trace of who sent it")
    func processRecord() async throws {
        let tracing = try self.tracing()
        let headers = [
            RecordHeader(name: "traceparent", value: ByteBuffer(string: "00-far-away-01")),
            RecordHeader(name: "tracestate", value: ByteBuffer(string: "vendor=1")),
        ]
        let record = try Self.record(headers)
        let answer = await tracing.processing(record, group: "billing", isChild: true, isolation: nil) { span in
            #expect(ServiceContext.current.flatMap(TestTracer.Context.of) == TestTracer.Context.of(span.context))
            return 5
        }
        #expect(answer == 5)
        let span = self.tracer.spans[0]
        #expect(span.operationName == "process orders")
        #expect(span.kind == .consumer)
        #expect(span.parent == TestTracer.Context(trace: "far", span: "away", state: "vendor=1"))
        #expect(span.recorded.links.map(\.span) == ["away"])
        #expect(span["messaging.consumer.group.name"] == "billing")
        #expect(span["messaging.kafka.offset"] == "0")
        #expect(span.recorded.hasEnded)
        await tracing.processing(record, group: nil, isChild: false, isolation: nil) { _ in }
        #expect(self.tracer.spans[1].parent == nil)
        #expect(self.tracer.spans[1].recorded.links.map(\.span) == ["away"])
    }

    @Test("a failure of the application is one of the span, and is passed on")
    func failedProcessing() async throws {
        struct Poison: Error {}
        let tracing = try self.tracing()
        let record = try Self.record([])
        await #expect(throws: Poison.self) {
            try await tracing.processing(record, group: nil, isChild: true, isolation: nil) { _ in throw Poison() }
        }
        #expect(self.tracer.spans[0].recorded.hasFailed)
        #expect(self.tracer.spans[0].recorded.links.isEmpty)
    }

    @Test("a batch is linked to the spans of its records, to neighbours of the same span once, and to not too many")
    func processBatch() async throws {
        let tracing = try self.tracing()
        func header(_ span: Int) -> [RecordHeader] {
            [RecordHeader(name: "traceparent", value: ByteBuffer(string: "00-t-\(span)-01"))]
        }
        let batch = try Self.batch([header(1), header(1), [], header(2), header(1)])
        await tracing.processing(batch, group: "billing", isolation: nil) { _ in }
        let span = self.tracer.spans[0]
        #expect(span.recorded.links.map(\.span) == ["1", "2", "1"])
        #expect(span["messaging.batch.message_count"] == "5")
        #expect(span["server.address"] == "kafka-1")
        #expect(span["server.port"] == "9092")
        let large = try Self.batch((0..<500).map(header))
        await tracing.processing(large, group: nil, isolation: nil) { _ in }
        #expect(self.tracer.spans[1].recorded.links.count == ClientTracing.linksMax)
        tracing.received(batch, group: "billing")
        #expect(self.tracer.spans[2].operationName == "poll orders")
        #expect(self.tracer.spans[2]["messaging.operation.type"] == "receive")
        #expect(self.tracer.spans[2]["server.address"] == "kafka-1")
        tracing.received(try Self.batch([[]], leader: nil), group: "billing")
        #expect(self.tracer.spans[3]["server.address"] == nil)
        #expect(self.tracer.spans[3]["server.port"] == nil)
    }

    @Test("headers that are not UTF-8 are no context")
    func damagedHeaders() async throws {
        let record = try Self.record([RecordHeader(name: "traceparent", value: ByteBuffer(bytes: [0xff, 0xfe]))])
        #expect(try self.tracing().context(of: record.record) == nil)
        let null = try Self.record([RecordHeader(name: "traceparent", value: nil)])
        #expect(try self.tracing().context(of: null.record) == nil)
    }

    @Test("without a tracer there is no tracing")
    func noTracer() { #expect(ClientTracing(nil, clientID: nil) == nil) }
}

#endif
