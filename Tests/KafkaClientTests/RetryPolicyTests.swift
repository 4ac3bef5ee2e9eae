// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite struct RetryPolicyTests {
    @Test("waits double up to their limit, less the jitter, and end with the attempts")
    func delays() throws {
        var policy = RetryPolicy()
        policy.attemptsMax = 30
        policy.firstDelay = .milliseconds(50)
        policy.delayMax = .seconds(1)
        policy.jitter = 0.2
        var generator = SystemRandomNumberGenerator()
        for attempt in 1..<30 {
            let whole = min(Duration.milliseconds(50) * (1 << min(attempt - 1, 20)), .seconds(1))
            let delay = try #require(policy.delay(afterAttempt: attempt, using: &generator))
            #expect(delay <= whole)
            #expect(delay >= whole * 0.79)
        }
        #expect(policy.delay(afterAttempt: 30, using: &generator) == nil)
        #expect(policy.delay(afterAttempt: .max, using: &generator) == nil)
    }
}
