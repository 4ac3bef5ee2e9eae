// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Decides which sealed segment is read next in search of damage, and how fast. A value without IO; times are
/// nanoseconds of the monotonic clock.
///
/// Invariants:
/// - each segment comes up once in `Limits.interval`, the one that has waited longest first.
/// - over any time no more bytes are read than `bytesPerSecond` allows, but for one piece.
struct ScrubSchedule {
    struct Limits: Sendable, Equatable {
        /// Zero or less: nothing is read.
        var bytesPerSecond: Int64
        /// Nanoseconds; zero or less: nothing is read.
        var interval: Int64

        var isOff: Bool { self.bytesPerSecond <= 0 || self.interval <= 0 }
    }

    enum Next: Hashable {
        case scrub(ScrubTarget)
        /// Nothing is due for so many nanoseconds, if no segment is added; nil: ever.
        case wait(Int64?)
    }

    private var due: [ScrubTarget: Int64] = [:]
    /// When the bytes that were read are paid for.
    private var paidUntil = Int64.min

    /// How many segments it knows.
    var count: Int { self.due.count }

    /// Takes over which segments there are. One that is new comes up at some moment of the next interval: when they were
    /// read last is not remembered over a restart, and neither shall a start be busy with all of them, nor shall those
    /// that came last never have their turn in a broker that is started often.
    mutating func update(
        _ targets: some Sequence<ScrubTarget>, limits: Limits, now: Int64,
        using generator: inout some RandomNumberGenerator
    ) {
        var due: [ScrubTarget: Int64] = [:]
        for target in targets {
            due[target] = self.due[target] ?? now + Int64.random(in: 0..<max(limits.interval, 1), using: &generator)
        }
        self.due = due
    }

    /// What to do now. Linear in the number of segments.
    func next(now: Int64) -> Next {
        guard let first = self.due.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) else { return .wait(nil) }
        return first.value <= now ? .scrub(first.key) : .wait(first.value - now)
    }

    /// A segment was read, or could not be: it comes up again after the interval.
    mutating func finished(_ target: ScrubTarget, limits: Limits, now: Int64) {
        guard self.due[target] != nil else { return }
        self.due[target] = now + max(limits.interval, 1)
    }

    /// Nanoseconds to wait after so many bytes were read, before more are.
    mutating func pause(after byteCount: Int64, limits: Limits, now: Int64) -> Int64 {
        let rate = Double(max(limits.bytesPerSecond, 1))
        // A batch has 2 GiB at most, so that this is some tens of years.
        let cost = Int64(min(Double(byteCount) / rate * 1e9, 1e18))
        self.paidUntil = max(self.paidUntil, now) + cost
        return self.paidUntil - now
    }
}

/// A sealed segment of a partition.
struct ScrubTarget: Hashable, Comparable, Sendable {
    var partition: TopicPartition
    var baseOffset: Int64

    static func < (left: Self, right: Self) -> Bool {
        left.partition == right.partition ? left.baseOffset < right.baseOffset : left.partition < right.partition
    }
}
