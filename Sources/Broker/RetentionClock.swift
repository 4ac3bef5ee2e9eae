// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The time by which records and producers grow old: the wall clock, except that it does not jump ahead.
///
/// A clock that is set an hour ahead by mistake would have an hour's worth of records deleted too early, and setting it
/// back would not bring them back. So where the wall clock has got ahead of the monotonic one, time goes on as before
/// until the step has lasted for `trustedAfter`. A step back is taken at once, as it only keeps things longer, and the way
/// forward again to where the clock would be without it is no step ahead.
///
/// A value type without IO. A broker that starts with a wrong clock has nothing to compare it with, and believes it.
struct RetentionClock: Sendable {
    /// Nanoseconds that a step ahead has to last: longer than it takes an operator or NTP to notice a wrong clock, and
    /// short enough that a machine that began in 1970 does not keep everything for days.
    static let trustedAfter: Int64 = 3 * 60 * 60 * 1_000_000_000
    /// Milliseconds that are no step: NTP slews a clock, and a machine may have been suspended for a moment.
    static let toleratedMs: Int64 = 60_000

    /// What the clock says, and whether it has just begun not to believe the wall clock.
    struct Reading: Sendable, Equatable {
        /// Milliseconds since 1970.
        var nowMs: Int64
        /// By how much the wall clock has just jumped ahead; nil at all other times.
        var noticedStepMs: Int64?
    }

    /// Where the believed time is, measured from the monotonic clock.
    private var offsetMs: Int64?
    /// Since when the wall clock is elsewhere, in nanoseconds of the monotonic clock, and on which side.
    private var deviation: (since: Int64, isAhead: Bool)?

    /// Takes what both clocks say at one moment: milliseconds since 1970, and nanoseconds of the monotonic clock.
    mutating func read(wallMs: Int64, monotonicNs: Int64) -> Reading {
        let elapsedMs = monotonicNs / 1_000_000
        let offset = wallMs - elapsedMs
        let believed = self.offsetMs ?? offset
        guard abs(offset - believed) > Self.toleratedMs else { return self.believe(offset, wallMs) }
        let isAhead = offset > believed
        let known = self.deviation.flatMap { $0.isAhead == isAhead ? $0 : nil }
        let since = known?.since ?? monotonicNs
        guard monotonicNs - since < Self.trustedAfter else { return self.believe(offset, wallMs) }
        self.deviation = (since, isAhead)
        // A clock that is behind is not the time either, but where it returns to is no step.
        return Reading(
            nowMs: min(wallMs, believed + elapsedMs),
            noticedStepMs: isAhead && known == nil ? offset - believed : nil)
    }

    private mutating func believe(_ offset: Int64, _ wallMs: Int64) -> Reading {
        self.offsetMs = offset
        self.deviation = nil
        return Reading(nowMs: wallMs, noticedStepMs: nil)
    }
}
