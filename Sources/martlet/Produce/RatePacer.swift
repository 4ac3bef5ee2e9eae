// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// When records may go so that there are no more than so many per second. Time comes in, counted from any fixed moment.
struct RatePacer: Sendable {
    /// A wait that is shorter costs more than it is worth: the records of so long go at once.
    static let slack = Duration.milliseconds(2)
    /// Who falls behind further, because the input paused or the brokers were slow, does not catch up.
    static let lateMax = Duration.seconds(1)

    private let perSecond: Double
    private var start: Duration
    private var count: Int64 = 0

    /// More than zero records per second.
    init(perSecond: Double, now: Duration) {
        self.perSecond = perSecond
        self.start = now
    }

    /// Counts a record, and says how long it has to wait.
    mutating func wait(now: Duration) -> Duration {
        let due = self.start + .seconds(Double(self.count) / self.perSecond)
        self.count += 1
        guard now - due <= Self.lateMax else {
            self.start = now
            self.count = 1
            return .zero
        }
        return due - now > Self.slack ? due - now : .zero
    }
}
