// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// What happened since somebody looked last.
struct RecordedInterval: Sendable {
    /// Everything, warm-up included.
    var records = 0
    var bytes = 0
    var failures = 0
    /// Of those, what came to its end while it counts.
    var countedRecords = 0
    var countedBytes = 0
    /// When something that counts happened last, in nanoseconds of the clock.
    var lastAt: Int64 = 0
    /// Of records that were due while it counts.
    var counted = LatencyHistogram()
    /// Of those that were due before, or after.
    var uncounted = LatencyHistogram()

    mutating func clear() {
        (self.records, self.bytes, self.failures, self.countedRecords, self.countedBytes) = (0, 0, 0, 0, 0)
        self.lastAt = 0
        self.counted.clear()
        self.uncounted.clear()
    }

    mutating func add(_ other: RecordedInterval) {
        self.records += other.records
        self.bytes += other.bytes
        self.failures += other.failures
        self.countedRecords += other.countedRecords
        self.countedBytes += other.countedBytes
        self.lastAt = max(self.lastAt, other.lastAt)
        self.counted.add(other.counted)
        self.uncounted.add(other.uncounted)
    }
}

/// Records that were all due at the same time.
struct DueRun: Sendable {
    var due: Int64
    var count: Int
}

/// Where workers note what they did, and from where it is fetched every second. Several workers share one.
final class Recorder: Sendable {
    private let control: RunControl
    private let interval = Mutex(RecordedInterval())

    init(_ control: RunControl) { self.control = control }

    /// Records that came to a good end now, with a latency for each run of them; none where that is not measured.
    func succeeded(_ runs: [DueRun], records: Int, bytes: Int, at now: Int64) {
        let counts = self.control.counts(now)
        self.interval.withLock { interval in
            interval.records += records
            interval.bytes += bytes
            if counts {
                interval.countedRecords += records
                interval.countedBytes += bytes
                interval.lastAt = max(interval.lastAt, now)
            }
            for run in runs {
                if self.control.counts(run.due) {
                    interval.counted.record(now &- run.due, count: run.count)
                } else {
                    interval.uncounted.record(now &- run.due, count: run.count)
                }
            }
        }
    }

    /// Records that nobody will see.
    func failed(_ records: Int) { self.interval.withLock { $0.failures += records } }

    /// Takes what there is, and leaves an interval in its place that was cleared.
    func take(leaving empty: RecordedInterval) -> RecordedInterval {
        self.interval.withLock { interval in
            let taken = interval
            interval = empty
            return taken
        }
    }
}
