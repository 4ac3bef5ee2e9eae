// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Collects what the recorders of a phase have every second, and tells what it comes to. Time comes in from outside.
struct RunStatistics: Sendable {
    /// One kind of work.
    struct Side: Sendable {
        var totals = RecordedInterval()
        /// What happened since the last point.
        var recent = RecordedInterval()

        mutating func add(_ interval: RecordedInterval) {
            self.recent.add(interval)
            self.totals.add(interval)
        }
    }

    private let start: Int64
    private let countFrom: Int64
    private let subscriptions: Int
    private(set) var produced: Side?
    private(set) var consumed: Side?
    private(set) var series: [BenchReport.Point] = []
    /// Records there were before the phase began.
    private let backlog: Int
    /// They are read over and over.
    private let loops: Bool
    private var lastAt: Int64

    /// - Parameters:
    ///   - backlog: how many records there are to read before the first is written.
    init(
        start: Int64, countFrom: Int64, produces: Bool, consumes: Bool, subscriptions: Int, backlog: Int,
        loops: Bool = false
    ) {
        self.start = start
        self.countFrom = countFrom
        self.subscriptions = subscriptions
        self.produced = produces ? Side() : nil
        self.consumed = consumes ? Side() : nil
        self.backlog = backlog
        self.loops = loops
        self.lastAt = start
    }

    /// What one recorder of producers had.
    mutating func addProduced(_ interval: RecordedInterval) { self.produced?.add(interval) }

    /// What one recorder of consumers had.
    mutating func addConsumed(_ interval: RecordedInterval) { self.consumed?.add(interval) }

    /// Records that were acknowledged and not read yet; nil where nobody reads, or all is read over and over.
    var unread: Int? {
        guard let consumed, !self.loops else { return nil }
        let written = self.backlog + (self.produced?.totals.records ?? 0)
        return max(0, written - consumed.totals.records / max(self.subscriptions, 1))
    }

    /// Ends a point of the series at this time of the clock, and returns it.
    mutating func endPoint(at now: Int64, clientCores: Double) -> BenchReport.Point {
        let seconds = max(Double(now - self.lastAt) / 1e9, 1e-9)
        let point = BenchReport.Point(
            at: Double(now - self.countFrom) / 1e9, seconds: seconds,
            produced: self.produced.map { Self.flow($0.recent, seconds) },
            consumed: self.consumed.map { Self.flow($0.recent, seconds) }, backlog: self.unread,
            clientCores: clientCores)
        self.series.append(point)
        self.lastAt = now
        self.produced?.recent.clear()
        self.consumed?.recent.clear()
        return point
    }

    private static func flow(_ interval: RecordedInterval, _ seconds: Double) -> BenchReport.Flow {
        var latencies = interval.counted
        latencies.add(interval.uncounted)
        let hasLatency = !latencies.isEmpty
        func ms(_ nanoseconds: Int64) -> Double? { hasLatency ? Double(nanoseconds) / 1e6 : nil }
        return BenchReport.Flow(
            recordsPerSecond: Double(interval.records) / seconds, bytesPerSecond: Double(interval.bytes) / seconds,
            failed: interval.failures, p50: ms(latencies.percentile(50)), p99: ms(latencies.percentile(99)),
            max: ms(latencies.max))
    }

    /// The row of the producers; nil without any.
    ///
    /// - Parameters:
    ///   - name: of the row.
    ///   - end: when it ceased to count; nil for the moment of the last that counted.
    func producePhase(_ name: String, end: Int64?) -> BenchReport.Phase? {
        self.produced.map { self.phase(name, $0.totals, end: end, hasLatency: true) }
    }

    /// The rows of the consumers: what they read, and how old it was if that was measured.
    func consumePhases(end: Int64?) -> [BenchReport.Phase] {
        guard let totals = self.consumed?.totals else { return [] }
        var rows = [self.phase("consume", totals, end: end, hasLatency: false)]
        if !totals.counted.isEmpty {
            var row = self.phase("end-to-end", totals, end: end, hasLatency: true)
            row.failed = 0
            rows.append(row)
        }
        return rows
    }

    private func phase(
        _ name: String, _ totals: RecordedInterval, end: Int64?, hasLatency: Bool
    ) -> BenchReport.Phase {
        let end = end ?? totals.lastAt
        let seconds = max(Double(end - self.countFrom) / 1e9, 0)
        func rate(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }
        return BenchReport.Phase(
            name: name, seconds: seconds, records: totals.countedRecords, bytes: totals.countedBytes,
            recordsPerSecond: rate(totals.countedRecords), bytesPerSecond: rate(totals.countedBytes),
            failed: totals.failures, latencyMs: hasLatency ? BenchReport.Latency(totals.counted) : nil,
            histogram: hasLatency && !totals.counted.isEmpty ? totals.counted.encoded : nil)
    }

    /// When what lay there before had been read but for what a second brings, in seconds from the start; nil if never.
    var backlogDrainedAfter: Double? {
        guard self.backlog > 0, self.consumed != nil else { return nil }
        let warmUp = Double(self.countFrom - self.start) / 1e9
        return self.series.first { point in
            Double(point.backlog ?? Int.max) <= (point.produced?.recordsPerSecond ?? 0)
        }.map { $0.at + warmUp }
    }
}
