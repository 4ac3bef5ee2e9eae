// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How often a request is sent again, and how long to wait before: twice as long each time, with jitter, so that many
/// clients do not come back at the same moment.
public struct RetryPolicy: Sendable {
    /// The first attempt counts. At least 1.
    public var attemptsMax = 8
    /// The wait before the second attempt.
    public var firstDelay: Duration = .milliseconds(50)
    /// No wait is longer.
    public var delayMax: Duration = .seconds(1)
    /// The part of a wait that is left to chance: 0 to 1.
    public var jitter = 0.2

    /// The defaults: about four seconds in all.
    public init() {}

    /// The wait after `attempt` failed attempts (1 after the first), nil when there should be no more.
    public func delay(afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration? {
        guard attempt < self.attemptsMax else { return nil }
        // 2^20 of anything is longer than any limit, and does not overflow.
        let doublings = min(max(attempt - 1, 0), 20)
        let delay = min(self.firstDelay * (1 << doublings), self.delayMax)
        return delay * (1 - self.jitter * Double.random(in: 0...1, using: &generator))
    }
}
