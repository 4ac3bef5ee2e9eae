// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The times that a producer needs: one that never goes back, for waits and time-outs, and the one on the wall, for the
/// timestamps of records.
struct ProducerClock: Sendable {
    let clock: any Clock<Duration>
    /// Milliseconds since the producer was made.
    let nowMs: @Sendable () -> Int64
    /// Milliseconds since 1970; nil for the system's.
    var wallMs: (@Sendable () -> Int64)?

    init(_ clock: any Clock<Duration>) {
        self.clock = clock
        self.nowMs = Self.elapsedMs(clock)
    }

    private static func elapsedMs<C: Clock>(_ clock: C) -> @Sendable () -> Int64 where C.Duration == Duration {
        let start = clock.now
        return { start.duration(to: clock.now).milliseconds }
    }

    /// Milliseconds since 1970.
    var timestamp: Int64 {
        if let wallMs = self.wallMs { return wallMs() }
        var time = timespec()
        // Fails only for a clock that does not exist.
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
