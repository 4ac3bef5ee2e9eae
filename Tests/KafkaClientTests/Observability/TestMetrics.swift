// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics

import Metrics
import Synchronization

/// Keeps what instruments are told, by `name{dimension=value,…}` without `messaging.system`.
final class TestMetrics: MetricsFactory {
    private let values = Mutex<[String: [Double]]>([:])

    /// What a counter or a meter stands at, or the last value of a timer (in nanoseconds) or recorder; nil if never used.
    subscript(_ instrument: String) -> Double? { self.values.withLock { $0[instrument]?.last } }

    /// All values that an instrument had.
    func history(_ instrument: String) -> [Double] { self.values.withLock { $0[instrument] ?? [] } }

    /// The instruments that were used, in the order of their names.
    var names: [String] { self.values.withLock { $0.keys.sorted() } }

    fileprivate func change(_ instrument: String, _ body: (Double) -> Double) {
        self.values.withLock { $0[instrument, default: []].append(body($0[instrument]?.last ?? 0)) }
    }

    fileprivate func remove(_ instrument: String) { self.values.withLock { $0[instrument] = nil } }

    private func handler(_ label: String, _ dimensions: [(String, String)]) -> Handler {
        let shown = dimensions.filter { $0.0 != "messaging.system" }.map { "\($0.0)=\($0.1)" }.joined(separator: ",")
        return Handler(instrument: shown.isEmpty ? label : "\(label){\(shown)}", metrics: self)
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.handler(label, dimensions)
    }

    func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { self.handler(label, dimensions) }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.handler(label, dimensions)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        self.handler(label, dimensions)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        self.handler(label, dimensions)
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    func destroyMeter(_ handler: any MeterHandler) {
        if let handler = handler as? Handler { self.remove(handler.instrument) }
    }

    private final class Handler: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler,
        TimerHandler
    {
        let instrument: String
        private let metrics: TestMetrics

        init(instrument: String, metrics: TestMetrics) {
            self.instrument = instrument
            self.metrics = metrics
        }

        func increment(by amount: Int64) { self.metrics.change(self.instrument) { $0 + Double(amount) } }
        func increment(by amount: Double) { self.metrics.change(self.instrument) { $0 + amount } }
        func decrement(by amount: Double) { self.metrics.change(self.instrument) { $0 - amount } }
        func set(_ value: Int64) { self.metrics.change(self.instrument) { _ in Double(value) } }
        func set(_ value: Double) { self.metrics.change(self.instrument) { _ in value } }
        func record(_ value: Int64) { self.metrics.change(self.instrument) { _ in Double(value) } }
        func record(_ value: Double) { self.metrics.change(self.instrument) { _ in value } }
        func recordNanoseconds(_ duration: Int64) { self.metrics.change(self.instrument) { _ in Double(duration) } }
        func reset() { self.metrics.remove(self.instrument) }
    }
}

#endif
