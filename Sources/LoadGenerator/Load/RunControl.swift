// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// What all workers of a phase look at: when it began, which part of it counts, and whether it is over.
final class RunControl: Sendable {
    /// Nanoseconds of the clock.
    let start: Int64
    /// From here on it counts.
    let countFrom: Int64
    /// When it ends by itself; nil when it ends with the last record.
    let plannedEnd: Int64?
    private let end: Atomic<Int64>

    init(start: Int64, countFrom: Int64, plannedEnd: Int64?) {
        self.start = start
        self.countFrom = countFrom
        self.plannedEnd = plannedEnd
        self.end = Atomic(plannedEnd ?? Int64.max)
    }

    /// No record is due from this time on.
    var endTime: Int64 { self.end.load(ordering: .relaxed) }

    /// Ends it earlier; later calls with later times change nothing.
    func end(at time: Int64) { self.end.min(time, ordering: .relaxed) }

    /// What is due or done at this time counts.
    func counts(_ time: Int64) -> Bool { time >= self.countFrom && time < self.endTime }
}
