// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import PrometheusText

/// What a broker had measured of requests at one moment, or between two.
struct BrokerSnapshot: Sendable, Equatable {
    /// The histograms of one API, in seconds.
    struct Times: Sendable, Equatable {
        var total: BucketCounts
        var local: BucketCounts?
        var wait: BucketCounts?
        var queue: BucketCounts?
        var disk: BucketCounts?

        /// The same of all of them, or of those that both have. Throws when one cannot be told.
        func combined(
            _ other: Times, _ body: (BucketCounts, BucketCounts) throws(BrokerSilence) -> BucketCounts
        ) throws(BrokerSilence) -> Times {
            func each(_ path: KeyPath<Times, BucketCounts?>) throws(BrokerSilence) -> BucketCounts? {
                guard let mine = self[keyPath: path], let others = other[keyPath: path] else {
                    return self[keyPath: path] ?? other[keyPath: path]
                }
                return try body(mine, others)
            }
            return Times(
                total: try body(self.total, other.total), local: try each(\.local), wait: try each(\.wait),
                queue: try each(\.queue), disk: try each(\.disk))
        }
    }

    /// The APIs that carry records, in the order of the report.
    static let apis = ["Produce", "Fetch"]
    private static let label = "request"
    private static let total = "martlet_request_total_seconds"
    private static let local = "martlet_request_local_seconds"
    private static let wait = "martlet_request_wait_seconds"
    private static let queue = "martlet_request_queue_seconds"
    private static let disk = "martlet_request_disk_seconds"
    private static let start = "process_start_time_seconds"
    /// How much the start of one process may seem to differ, in seconds: it is computed from ticks of a clock.
    private static let startError = 1.0

    /// By API; those that nobody has asked for are not there.
    var times: [String: Times] = [:]
    /// When the process began, in seconds since 1970; nil where it does not say.
    var startedAt: Double?
    private var hasTimes = false

    /// Reads a page. Throws when it is none, or not a broker's.
    init(page: [UInt8]) throws(BrokerSilence) {
        let families: Set = [Self.total, Self.local, Self.wait, Self.queue, Self.disk, Self.start]
        let stranger = "answers with something else than the metrics of a Martlet broker"
        do throws(MalformedMetrics) {
            let metrics = try ScrapedMetrics(page, families: families)
            self.hasTimes = metrics.families.contains(Self.total)
            func histograms(_ name: String) throws(MalformedMetrics) -> [String: BucketCounts] {
                try metrics.histograms(name, by: Self.label)
            }
            let totals = try histograms(Self.total)
            let (local, wait) = (try histograms(Self.local), try histograms(Self.wait))
            let (queue, disk) = (try histograms(Self.queue), try histograms(Self.disk))
            for api in Self.apis {
                guard let total = totals[api] else { continue }
                self.times[api] = Times(
                    total: total, local: local[api], wait: wait[api], queue: queue[api], disk: disk[api])
            }
            self.startedAt = metrics.value(Self.start)
        } catch {
            throw BrokerSilence("\(stranger): \(error)")
        }
        guard self.hasTimes else { throw BrokerSilence("\(stranger): there is no \(Self.total)") }
    }

    /// What came since an earlier look at the same broker. Throws when it was restarted meanwhile.
    func since(_ earlier: BrokerSnapshot) throws(BrokerSilence) -> BrokerSnapshot {
        let restarted = BrokerSilence("was restarted while it was measured")
        if let now = self.startedAt, let before = earlier.startedAt, !(abs(now - before) <= Self.startError) {
            throw restarted
        }
        // Counters of a process do not go away.
        guard earlier.times.keys.allSatisfy({ self.times[$0] != nil }) else { throw restarted }
        var difference = self
        for (api, before) in earlier.times {
            difference.times[api] = try self.times[api]?.combined(before) { now, before throws(BrokerSilence) in
                guard let since = now.since(before) else { throw restarted }
                return since
            }
        }
        return difference
    }

    /// What several brokers have together. Throws when their buckets differ.
    func adding(_ other: BrokerSnapshot) throws(BrokerSilence) -> BrokerSnapshot {
        var both = self
        for (api, theirs) in other.times {
            guard let mine = self.times[api] else {
                both.times[api] = theirs
                continue
            }
            both.times[api] = try mine.combined(theirs) { mine, theirs throws(BrokerSilence) in
                guard let sum = mine.adding(theirs) else {
                    throw BrokerSilence("counts in other buckets than the brokers before it")
                }
                return sum
            }
        }
        return both
    }
}
