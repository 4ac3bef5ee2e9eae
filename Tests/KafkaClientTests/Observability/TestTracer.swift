// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Tracing

import Synchronization
import Tracing

/// Keeps its spans, and carries W3C trace contexts: just enough of a tracer to see what is asked of one.
final class TestTracer: Tracer {
    typealias Span = Recorded

    struct Context: Sendable, Equatable {
        var trace: String
        var span: String
        var state: String?

        private enum Key: ServiceContextKey { typealias Value = Context }

        static func of(_ context: ServiceContext) -> Context? { context[Key.self] }
        static func set(_ value: Context, in context: inout ServiceContext) { context[Key.self] = value }
    }

    final class Recorded: Tracing.Span {
        struct State: Sendable {
            var name: String
            var attributes: SpanAttributes = [:]
            var links: [Context] = []
            var errors: [String] = []
            var hasFailed = false
            var hasEnded = false
        }

        let context: ServiceContext
        let kind: SpanKind
        let parent: Context?
        private let state: Mutex<State>

        init(name: String, kind: SpanKind, context: ServiceContext, parent: Context?) {
            self.context = context
            self.kind = kind
            self.parent = parent
            self.state = Mutex(State(name: name))
        }

        var recorded: State { self.state.withLock(\.self) }
        var own: Context? { Context.of(self.context) }

        /// An attribute as text.
        subscript(_ name: String) -> String? {
            switch self.attributes.get(name) {
            case .string(let value): value
            case .int64(let value): "\(value)"
            case .bool(let value): "\(value)"
            default: nil
            }
        }

        var operationName: String {
            get { self.state.withLock(\.name) }
            set { self.state.withLock { $0.name = newValue } }
        }
        var attributes: SpanAttributes {
            get { self.state.withLock(\.attributes) }
            set { self.state.withLock { $0.attributes = newValue } }
        }
        var isRecording: Bool { !self.recorded.hasEnded }

        func setStatus(_ status: SpanStatus) { self.state.withLock { $0.hasFailed = status.code == .error } }
        func addEvent(_ event: SpanEvent) {}
        func addLink(_ link: SpanLink) {
            self.state.withLock { $0.links += [Context.of(link.context)].compactMap(\.self) }
        }
        func recordError<Instant: TracerInstant>(
            _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
        ) {
            self.state.withLock { $0.errors.append("\(error)") }
        }
        func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
            self.state.withLock { $0.hasEnded = true }
        }
    }

    private let all = Mutex<[Recorded]>([])

    /// In the order of their beginning.
    var spans: [Recorded] { self.all.withLock(\.self) }

    func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> Recorded {
        self.all.withLock { spans in
            var context = context()
            let parent = Context.of(context)
            let number = "\(spans.count + 1)"
            Context.set(
                Context(trace: parent?.trace ?? "trace\(number)", span: "span\(number)", state: parent?.state),
                in: &context)
            let span = Recorded(name: operationName, kind: kind, context: context, parent: parent)
            spans.append(span)
            return span
        }
    }

    func activeSpan(identifiedBy context: ServiceContext) -> Recorded? { nil }
    func forceFlush() {}

    func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let own = Context.of(context) else { return }
        injector.inject("00-\(own.trace)-\(own.span)-01", forKey: "traceparent", into: &carrier)
        if let state = own.state { injector.inject(state, forKey: "tracestate", into: &carrier) }
    }

    func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: "traceparent", from: carrier) else { return }
        let parts = parent.split(separator: "-").map(String.init)
        guard parts.count == 4 else { return }
        let state = extractor.extract(key: "tracestate", from: carrier)
        Context.set(Context(trace: parts[1], span: parts[2], state: state), in: &context)
    }
}

#endif
