// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What to do with an event that could not be handled. Decides, and does nothing.
///
/// - The service itself is in trouble (its database is busy): no event is to blame, and the next one would fare no
///   better. Try again here, without end, with growing pauses.
/// - The event failed: let those behind it pass and try it again later, by way of the retry topic, with growing delays;
///   after the last of them it goes to the dead letters.
/// - The event is hopeless (it cannot be read, or the handler rejects it): to the dead letters at once.
public struct RetryPlan: Sendable {
    /// Why an event was not handled.
    public enum Failure: Sendable {
        /// The service cannot handle anything at present.
        case trouble
        /// This event failed, and may succeed later.
        case failed
        /// This event will never succeed.
        case hopeless
    }

    /// What to do about it.
    public enum Verdict: Sendable, Equatable {
        /// Try again here, after this time.
        case again(after: Duration)
        /// Send it to the retry topic, due after this time.
        case later(after: Duration)
        /// Send it to the dead letters.
        case deadLetter
    }

    /// How long an event waits in the retry topic after its first failure, its second and so on. Their number is that of
    /// the retries.
    public var delays: [Duration]
    /// The first pause while the service is in trouble. It doubles from time to time.
    public var pause: Duration
    /// The longest pause while the service is in trouble.
    public var pauseMax: Duration

    /// A plan; the defaults give an event four attempts in a bit more than a minute.
    public init(
        delays: [Duration] = [.seconds(1), .seconds(10), .seconds(60)], pause: Duration = .milliseconds(100),
        pauseMax: Duration = .seconds(10)
    ) {
        self.delays = delays
        self.pause = pause
        self.pauseMax = pauseMax
    }

    /// What to do after `attempts` failed attempts, from 1. Pauses are drawn from the upper half of what they may be, so
    /// that replicas do not try in step.
    public func verdict(
        on failure: Failure, attempts: Int, using generator: inout some RandomNumberGenerator
    ) -> Verdict {
        switch failure {
        case .trouble:
            let doublings = min(max(attempts - 1, 0), 20)
            let longest = min(self.pause * (1 << doublings), self.pauseMax)
            return .again(after: longest * Double.random(in: 0.5...1, using: &generator))
        case .failed:
            guard attempts <= self.delays.count else { return .deadLetter }
            return .later(after: self.delays[max(attempts, 1) - 1])
        case .hopeless:
            return .deadLetter
        }
    }
}
