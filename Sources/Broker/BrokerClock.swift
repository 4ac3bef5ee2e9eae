// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The clocks of the broker, given from outside so that tests can turn them.
public struct BrokerClock: Sendable {
    /// Milliseconds since 1970. Only ever data: it is written into records and compared with their timestamps.
    public let wallMilliseconds: @Sendable () -> Int64
    /// Nanoseconds since some moment in the past; never goes back. All time-outs use it.
    public let monotonicNanoseconds: @Sendable () -> Int64

    /// Takes functions that may be called from any thread.
    public init(
        wallMilliseconds: @escaping @Sendable () -> Int64,
        monotonicNanoseconds: @escaping @Sendable () -> Int64
    ) {
        self.wallMilliseconds = wallMilliseconds
        self.monotonicNanoseconds = monotonicNanoseconds
    }
}
