// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Which brokers could not be reached, and when each may be tried again; without IO, time or randomness of its own.
struct ReconnectBackoff: Sendable {
    /// More addresses than this are not remembered, in case a cluster hands out ever new ones: then all are forgotten.
    static let addressesMax = 10_000

    private struct Entry: Sendable {
        var failures: Int
        var readyAt: Duration
    }

    private let policy: ReconnectPolicy
    private var entries: [BrokerAddress: Entry] = [:]

    init(_ policy: ReconnectPolicy) { self.policy = policy }

    /// A connection could not be made, at the time `now`.
    mutating func failed(_ address: BrokerAddress, now: Duration, using generator: inout some RandomNumberGenerator) {
        let failures = (self.entries[address]?.failures ?? 0) + 1
        // 2^20 of anything is longer than any limit, and does not overflow.
        let delay = min(self.policy.firstDelay * (1 << min(failures - 1, 20)), self.policy.delayMax)
        let jitter = min(max(self.policy.jitter, 0), 1)
        let factor = 1 + Double.random(in: -jitter...jitter, using: &generator)
        if self.entries.count >= Self.addressesMax { self.entries = [:] }
        self.entries[address] = Entry(failures: failures, readyAt: now + delay * factor)
    }

    /// A connection was made, and the broker took the login.
    mutating func succeeded(_ address: BrokerAddress) { self.entries[address] = nil }

    /// How long to wait before the next attempt; zero when it may be made now.
    func wait(for address: BrokerAddress, now: Duration) -> Duration {
        guard let entry = self.entries[address] else { return .zero }
        return max(entry.readyAt - now, .zero)
    }
}
