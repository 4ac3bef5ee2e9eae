// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The broker's time.
final class MartletClock: Sendable {
    var brokerClock: BrokerClock {
        BrokerClock(
            wallMilliseconds: { Self.read(CLOCK_REALTIME) / 1_000_000 },
            monotonicNanoseconds: { Self.read(CLOCK_MONOTONIC) })
    }

    /// Nanoseconds of one of the system's clocks.
    static func read(_ clock: clockid_t) -> Int64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}
