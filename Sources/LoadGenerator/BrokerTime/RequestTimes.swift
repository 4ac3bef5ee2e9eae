// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import Synchronization

#if Metrics
import CoreMetrics
#endif

/// How long requests took as the client saw it, from the moment at which it had one to the answer: what stands beside
/// the broker's own times. The clients of the cluster tell it by their metrics.
final class RequestTimes: Sendable {
    /// Requests of one API.
    final class Times: Sendable {
        private struct State {
            var counts = false
            var histogram = LatencyHistogram()
        }

        private let state = Mutex(State())

        func record(_ nanoseconds: Int64) {
            self.state.withLock { if $0.counts { $0.histogram.record(nanoseconds) } }
        }

        func count(_ counts: Bool) {
            self.state.withLock { state in
                state.counts = counts
                if counts { state.histogram.clear() }
            }
        }

        var histogram: LatencyHistogram { self.state.withLock { $0.histogram } }
    }

    private let times = Dictionary(uniqueKeysWithValues: BrokerSnapshot.apis.map { ($0, Times()) })

    /// Requests count from now on.
    func begin() { for times in self.times.values { times.count(true) } }

    /// They do not count any more.
    func end() { for times in self.times.values { times.count(false) } }

    /// An answer came. APIs that are not looked at are let go.
    func record(_ api: String, _ nanoseconds: Int64) { self.times[api]?.record(nanoseconds) }

    /// Those of an API that were answered meanwhile; nil when none was, or the clients do not report here.
    func histogram(_ api: String) -> LatencyHistogram? {
        self.times[api].map(\.histogram).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Has clients of this configuration report here. Without the trait `Metrics` they report to nobody.
    func attach(to configuration: inout KafkaClusterConfiguration) {
        #if Metrics
        configuration.metricsFactory = RequestTimesFactory { self.times[$0] }
        #endif
    }
}

#if Metrics
/// Lets go everything that clients report but how long answers took.
private struct RequestTimesFactory: MetricsFactory {
    let times: @Sendable (String) -> RequestTimes.Times?

    private final class Handler: TimerHandler {
        private let times: RequestTimes.Times

        init(_ times: RequestTimes.Times) { self.times = times }

        func recordNanoseconds(_ duration: Int64) { self.times.record(duration) }
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let nobody = NOOPMetricsHandler.instance
        // What failed has no time of the broker to stand beside.
        guard label == KafkaMetricName.requestDuration, !dimensions.contains(where: { $0.0 == "error.type" }) else {
            return nobody
        }
        let api = dimensions.first { $0.0 == "kafka.api" }?.1
        return api.flatMap { self.times($0) }.map { Handler($0) } ?? nobody
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        NOOPMetricsHandler.instance
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { NOOPMetricsHandler.instance }

    func destroyTimer(_ handler: any TimerHandler) {}
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
}
#endif
