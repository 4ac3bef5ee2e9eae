// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Tracing

import KafkaRecords
import KafkaTypes
import NIOCore
import Tracing

/// Makes the spans of a client, with OpenTelemetry's attributes for messaging, and carries trace contexts in the
/// headers of records.
///
/// There is none of it where no tracer was bootstrapped before the client was made: then nothing is asked per record.
struct ClientTracing: Sendable {
    /// A span of a batch is linked to the spans that made its records: to so many at most.
    static let linksMax = 128
    /// Longer keys are left out of spans, in bytes.
    static let keyBytesMax = 256

    private let tracer: any Tracer
    private let clientID: String?

    /// Nil when there is no tracer: neither this one nor one of the process.
    init?(_ configured: (any Tracer)?, clientID: String?) {
        let tracer = configured ?? InstrumentationSystem.tracer
        if tracer is NoOpTracer { return nil }
        self.tracer = tracer
        self.clientID = clientID
    }

    // MARK: Producer

    /// A record that is enqueued: the span ends at once, and the record carries it.
    func created(_ record: ProducerRecord) -> ProducerRecord {
        let span = self.start("create", of: record)
        defer { span.end() }
        return self.inject(span, into: record)
    }

    /// A record that is sent: the span ends with the acknowledgement, and tells where the record is.
    nonisolated(nonsending) func sending(
        _ record: ProducerRecord, _ body: nonisolated(nonsending) (ProducerRecord) async throws -> RecordMetadata
    ) async throws -> RecordMetadata {
        let span = self.start("send", of: record)
        defer { span.end() }
        do {
            let metadata = try await body(self.inject(span, into: record))
            span.updateAttributes { attributes in
                attributes.set(Self.partition, value: .string("\(metadata.partition.partition)"))
                attributes.set(Self.offset, value: metadata.offset.map { .int64($0.rawValue) })
            }
            return metadata
        } catch {
            Self.fail(span, error)
            throw error
        }
    }

    private func start(_ operation: String, of record: ProducerRecord) -> any Span {
        let span = self.tracer.startSpan("\(operation) \(record.topic)", ofKind: .producer)
        span.updateAttributes { attributes in
            self.describe(operation, type: operation, topic: record.topic, partition: record.partition, &attributes)
            Self.describe(key: record.key, isTombstone: record.value == nil, &attributes)
        }
        return span
    }

    private func inject(_ span: any Span, into record: ProducerRecord) -> ProducerRecord {
        var record = record
        self.tracer.inject(span.context, into: &record.headers, using: RecordHeaderInjector())
        return record
    }

    // MARK: Consumer

    /// What the span that made a record left in its headers; nil when it left nothing.
    func context(of record: Record) -> ServiceContext? {
        guard !record.headers.isEmpty else { return nil }
        var context = ServiceContext.topLevel
        self.tracer.extract(record.headers, into: &context, using: RecordHeaderExtractor())
        return context.isEmpty ? nil : context
    }

    /// The span of the application's work on a record.
    func processing<Result>(
        _ record: ConsumedRecord, group: String?, isChild: Bool, isolation: isolated (any Actor)?,
        _ body: (any Span) async throws -> Result
    ) async rethrows -> Result {
        let created = self.context(of: record.record)
        let current = ServiceContext.current ?? .topLevel
        let span = self.tracer.startSpan(
            "process \(record.partition.topic)", context: isChild ? created ?? current : current, ofKind: .consumer)
        if let created { span.addLink(SpanLink(context: created, attributes: [:])) }
        span.updateAttributes { attributes in
            self.describe(
                "process", type: "process", topic: record.partition.topic, partition: record.partition.partition,
                &attributes)
            Self.describe(key: record.record.key, isTombstone: record.record.value == nil, &attributes)
            attributes.set(Self.offset, value: .int64(record.record.offset))
            attributes.set(Self.group, value: group.map { .string($0) })
        }
        return try await Self.run(span, isolation: isolation, body)
    }

    /// The span of the application's work on a batch.
    func processing<Result>(
        _ batch: ConsumedBatch, group: String?, isolation: isolated (any Actor)?,
        _ body: (any Span) async throws -> Result
    ) async rethrows -> Result {
        let span = self.tracer.startSpan("process \(batch.partition.topic)", ofKind: .consumer)
        self.describe(batch, "process", type: "process", group: group, span)
        for context in self.contexts(of: batch) { span.addLink(SpanLink(context: context, attributes: [:])) }
        return try await Self.run(span, isolation: isolation, body)
    }

    /// A batch is handed to the application. The span has no links, which would take reading all records once more.
    func received(_ batch: ConsumedBatch, group: String?) {
        let span = self.tracer.startSpan("poll \(batch.partition.topic)", ofKind: .client)
        self.describe(batch, "poll", type: "receive", group: group, span)
        span.end()
    }

    private func describe(
        _ batch: ConsumedBatch, _ operation: String, type: String, group: String?, _ span: any Span
    ) {
        span.updateAttributes { attributes in
            self.describe(
                operation, type: type, topic: batch.partition.topic, partition: batch.partition.partition, &attributes)
            attributes.set(Self.offset, value: .int64(batch.start.rawValue))
            attributes.set(Self.messageCount, value: .int64(Int64(batch.batch.header.recordCount)))
            attributes.set(Self.serverAddress, value: batch.leader.map { .string($0.host) })
            attributes.set(Self.serverPort, value: batch.leader.map { .int64(Int64($0.port)) })
            attributes.set(Self.group, value: group.map { .string($0) })
        }
    }

    /// The contexts in a batch, each once if neighbours have the same; inflates a compressed batch. What cannot be read
    /// is left out here: whoever reads the records finds out.
    private func contexts(of batch: ConsumedBatch) -> [ServiceContext] {
        var contexts: [ServiceContext] = []
        var last: String?
        do throws(KafkaClientError) {
            var records = try batch.records()
            while contexts.count < Self.linksMax, let record = try records.next() {
                guard let context = self.context(of: record) else { continue }
                let parent = RecordHeaderExtractor().extract(key: "traceparent", from: record.headers)
                if parent != nil, parent == last { continue }
                last = parent
                contexts.append(context)
            }
        } catch {
            return contexts
        }
        return contexts
    }

    // MARK: Spans

    private static func run<Result>(
        _ span: any Span, isolation: isolated (any Actor)?, _ body: (any Span) async throws -> Result
    ) async rethrows -> Result {
        defer { span.end() }
        do {
            return try await ServiceContext.withValue(span.context, isolation: isolation) { try await body(span) }
        } catch {
            Self.fail(span, error)
            throw error
        }
    }

    private static func fail(_ span: any Span, _ error: any Error) {
        span.recordError(error)
        span.setStatus(SpanStatus(code: .error))
        span.updateAttributes { $0.set(Self.errorType, value: .string(ErrorKind.name(of: error))) }
    }

    // MARK: Attributes

    private static let system = "messaging.system"
    private static let operationName = "messaging.operation.name"
    private static let operationType = "messaging.operation.type"
    private static let destination = "messaging.destination.name"
    private static let partition = "messaging.destination.partition.id"
    private static let group = "messaging.consumer.group.name"
    private static let client = "messaging.client.id"
    private static let messageCount = "messaging.batch.message_count"
    private static let key = "messaging.kafka.message.key"
    private static let tombstone = "messaging.kafka.message.tombstone"
    private static let offset = "messaging.kafka.offset"
    private static let errorType = "error.type"
    private static let serverAddress = "server.address"
    private static let serverPort = "server.port"

    private func describe(
        _ operation: String, type: String, topic: String, partition: PartitionIndex?,
        _ attributes: inout SpanAttributes
    ) {
        attributes.set(Self.system, value: .string("kafka"))
        attributes.set(Self.operationName, value: .string(operation))
        attributes.set(Self.operationType, value: .string(type))
        attributes.set(Self.destination, value: .string(topic))
        attributes.set(Self.partition, value: partition.map { .string("\($0)") })
        attributes.set(Self.client, value: self.clientID.map { .string($0) })
    }

    private static func describe(key: ByteBuffer?, isTombstone: Bool, _ attributes: inout SpanAttributes) {
        if let key, key.readableBytes <= Self.keyBytesMax,
            let text = String(validating: key.readableBytesView, as: UTF8.self)
        {
            attributes.set(Self.key, value: .string(text))
        }
        if isTombstone { attributes.set(Self.tombstone, value: .bool(true)) }
    }
}

#endif
