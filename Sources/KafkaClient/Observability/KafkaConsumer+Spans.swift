// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Tracing

public import Tracing

extension KafkaConsumer {
    /// Does the application's work on a record in a span of its own, `process <topic>`, which carries OpenTelemetry's
    /// attributes and a link to the span that made the record. What is traced in `body` lies below it.
    ///
    /// With `isChild` the span is a child of the one that made the record, so that both belong to one trace; without, it is
    /// a child of the current span. A record without a trace context makes no difference. Where no tracer was bootstrapped
    /// when the consumer was made, it costs one look at an optional. Throws what `body` throws.
    public func withSpan<Result>(
        processing record: ConsumedRecord, isChild: Bool = true, isolation: isolated (any Actor)? = #isolation,
        _ body: (any Span) async throws -> Result
    ) async rethrows -> Result {
        guard let tracing = self.cluster.telemetry.tracing else {
            return try await body(NoOpTracer().startSpan("process"))
        }
        return try await tracing.processing(
            record, group: self.configuration.subscription.groupID, isChild: isChild, isolation: isolation, body)
    }

    /// Does the application's work on a batch in a span of its own: a child of the current span, linked to the spans that
    /// made the records, up to 128 of them. Reads the headers of the records, and so inflates a compressed batch once more;
    /// where no tracer was bootstrapped it costs one look at an optional. Throws what `body` throws.
    public func withSpan<Result>(
        processing batch: ConsumedBatch, isolation: isolated (any Actor)? = #isolation,
        _ body: (any Span) async throws -> Result
    ) async rethrows -> Result {
        guard let tracing = self.cluster.telemetry.tracing else {
            return try await body(NoOpTracer().startSpan("process"))
        }
        return try await tracing.processing(
            batch, group: self.configuration.subscription.groupID, isolation: isolation, body)
    }
}

#endif
