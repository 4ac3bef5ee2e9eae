// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite struct ReconnectBackoffTests {
    private static let broker = BrokerAddress(host: "a", port: 1)

    @Test("waits double up to their limit, with jitter both ways")
    func delays() {
        var generator = SystemRandomNumberGenerator()
        var backoff = ReconnectBackoff(ReconnectPolicy())
        #expect(backoff.wait(for: Self.broker, now: .zero) == .zero)
        for failures in 1...100 {
            let now = Duration.seconds(failures * 10)
            backoff.failed(Self.broker, now: now, using: &generator)
            let whole = min(Duration.milliseconds(50) * (1 << min(failures - 1, 10)), .seconds(1))
            let wait = backoff.wait(for: Self.broker, now: now)
            #expect(wait >= whole * 0.79 && wait <= whole * 1.21)
        }
    }

    @Test("a wait passes with time, and ends with a connection")
    func ends() {
        var generator = SystemRandomNumberGenerator()
        var policy = ReconnectPolicy()
        policy.jitter = 0
        var backoff = ReconnectBackoff(policy)
        backoff.failed(Self.broker, now: .zero, using: &generator)
        #expect(backoff.wait(for: Self.broker, now: .milliseconds(20)) == .milliseconds(30))
        #expect(backoff.wait(for: Self.broker, now: .milliseconds(50)) == .zero)
        #expect(backoff.wait(for: BrokerAddress(host: "b", port: 1), now: .zero) == .zero)
        backoff.failed(Self.broker, now: .zero, using: &generator)
        backoff.succeeded(Self.broker)
        #expect(backoff.wait(for: Self.broker, now: .zero) == .zero)
        backoff.failed(Self.broker, now: .zero, using: &generator)
        #expect(backoff.wait(for: Self.broker, now: .zero) == .milliseconds(50))
    }
}
