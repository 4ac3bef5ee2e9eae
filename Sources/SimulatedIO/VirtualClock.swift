// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// A wall clock and a monotonic clock that move only when a test moves them. May be used from any thread.
public final class VirtualClock: Sendable {
    private struct Times {
        var wallNanoseconds: Int64
        var monotonicNanoseconds: Int64
    }

    private let times: Mutex<Times>

    /// Where the wall clock stands unless a test says otherwise: 2026-01-01 00:00:00 UTC.
    public static let defaultWallMs: Int64 = 1_767_225_600_000

    /// Makes a clock.
    ///
    /// - Parameters:
    ///   - wallMs: The wall clock's milliseconds since 1970.
    ///   - monotonicNanoseconds: Where the monotonic clock stands.
    public init(wallMs: Int64 = VirtualClock.defaultWallMs, monotonicNanoseconds: Int64 = 0) {
        self.times = Mutex(
            Times(wallNanoseconds: wallMs * 1_000_000, monotonicNanoseconds: monotonicNanoseconds)
        )
    }

    /// The wall clock: whole milliseconds since 1970.
    public var wallMs: Int64 {
        self.times.withLock { $0.wallNanoseconds / 1_000_000 }
    }

    /// The monotonic clock: nanoseconds since an arbitrary moment. Never goes back.
    public var monotonicNanoseconds: Int64 {
        self.times.withLock { $0.monotonicNanoseconds }
    }

    /// Lets time pass on both clocks. A negative duration is a mistake in the test, and traps.
    public func advance(by duration: Duration) {
        precondition(duration >= .zero, "time does not pass backwards; setWall(ms:) moves the wall clock alone")
        let nanoseconds = Int64(duration / .nanoseconds(1))
        self.times.withLock {
            $0.wallNanoseconds += nanoseconds
            $0.monotonicNanoseconds += nanoseconds
        }
    }

    /// Sets the wall clock forward or back, as an operator or NTP does, without time passing.
    public func setWall(ms: Int64) {
        self.times.withLock { $0.wallNanoseconds = ms * 1_000_000 }
    }
}
