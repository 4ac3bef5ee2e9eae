// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Synchronization
import Tracing

/// The smallest tracer that is of use: it writes every finished span as a line of JSON, and carries traces on in
/// `traceparent` headers. A service that has a collector bootstraps that one's tracer instead; nothing else changes.
public struct LogTracer: Tracer {
    let service: String
    let write: @Sendable (String) -> Void

    /// A tracer for this service. `write` is given one line at a time, from any thread; standard error unless said.
    public init(
        service: String,
        write: @escaping @Sendable (String) -> Void = { FileHandle.standardError.write(Data("\($0)\n".utf8)) }
    ) {
        self.service = service
        self.write = write
    }

    /// Begins a span under the one of `context`, or a new trace.
    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> LogSpan {
        LogSpan(operationName, kind: kind, under: context(), startNs: instant().nanosecondsSinceEpoch, tracer: self)
    }

    /// Spans are written when they end.
    public func forceFlush() {}

    /// Takes the trace from a `traceparent` header, if there is a valid one.
    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let header = extractor.extract(key: Traceparent.header, from: carrier) else { return }
        context.traceparent = Traceparent(header)
    }

    /// Writes the trace into a `traceparent` header.
    public func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let traceparent = context.traceparent else { return }
        injector.inject("\(traceparent)", forKey: Traceparent.header, into: &carrier)
    }
}

/// A span of ``LogTracer``.
public final class LogSpan: Span {
    private struct State {
        var name: String
        var attributes: SpanAttributes = [:]
        var status: SpanStatus?
        var error: String?
        var isEnded = false
    }

    /// The context of what happens inside of the span.
    public let context: InstrumentationContext
    private let id: Traceparent
    private let parent: Traceparent?
    private let kind: SpanKind
    private let startNs: UInt64
    private let tracer: LogTracer
    private let state: Mutex<State>

    init(_ name: String, kind: SpanKind, under context: InstrumentationContext, startNs: UInt64, tracer: LogTracer) {
        var context = context
        self.parent = context.traceparent
        self.id = Traceparent(
            traceID: self.parent?.traceID ?? Self.randomHex(words: 2), spanID: Self.randomHex(words: 1))
        context.traceparent = self.id
        self.context = context
        self.kind = kind
        self.startNs = startNs
        self.tracer = tracer
        self.state = Mutex(State(name: name))
    }

    /// What the span is called.
    public var operationName: String {
        get { self.state.withLock(\.name) }
        set { self.state.withLock { $0.name = newValue } }
    }

    /// What is known about it.
    public var attributes: SpanAttributes {
        get { self.state.withLock(\.attributes) }
        set { self.state.withLock { $0.attributes = newValue } }
    }

    /// Always.
    public var isRecording: Bool { true }

    /// Sets how it went.
    public func setStatus(_ status: SpanStatus) { self.state.withLock { $0.status = status } }

    /// Events are not written.
    public func addEvent(_ event: SpanEvent) {}

    /// Links are not written.
    public func addLink(_ link: SpanLink) {}

    /// Notes what went wrong; the last error is written.
    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        self.state.withLock { $0.error = "\(error)" }
    }

    /// Writes the span, the first time.
    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let state = self.state.withLock { state -> State? in
            defer { state.isEnded = true }
            return state.isEnded ? nil : state
        }
        guard let state else { return }
        var attributes: [String: String] = [:]
        state.attributes.forEach { name, value in attributes[name] = Self.text(value) }
        let line = Line(
            service: self.tracer.service, name: state.name, kind: "\(self.kind)", trace: self.id.traceID,
            span: self.id.spanID, parent: self.parent?.spanID, startMs: self.startNs / 1_000_000,
            durationUs: (max(instant().nanosecondsSinceEpoch, self.startNs) - self.startNs) / 1000,
            error: state.error ?? state.status.flatMap { $0.code == .error ? $0.message ?? "error" : nil },
            attributes: attributes)
        guard let json = try? JSON.encoder.encode(line) else { return }
        self.tracer.write(String(decoding: json, as: UTF8.self))
    }

    private struct Line: Encodable {
        var service, name, kind, trace, span: String
        var parent: String?
        var startMs, durationUs: UInt64
        var error: String?
        var attributes: [String: String]
    }

    private static func text(_ value: SpanAttribute) -> String {
        switch value {
        case .string(let value): value
        case .int32(let value): "\(value)"
        case .int64(let value): "\(value)"
        case .double(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .stringConvertible(let value): "\(value)"
        default: "\(value)"
        }
    }

    private static func randomHex(words: Int) -> String {
        (0..<words).map { _ in
            let digits = String(UInt64.random(in: 1...UInt64.max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

private enum TraceparentKey: InstrumentationContextKey {
    typealias Value = Traceparent
}

extension InstrumentationContext {
    /// Where the trace stands.
    var traceparent: Traceparent? {
        get { self[TraceparentKey.self] }
        set { self[TraceparentKey.self] = newValue }
    }
}
