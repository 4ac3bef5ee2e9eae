// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Spreads work over time so that it takes no more than so many bytes per second: a token bucket that holds a tenth of
/// a second. A value type; time comes in as a parameter.
struct ByteBudget: Sendable {
    /// The part of a second that may be used up at once.
    private static let burstSeconds = 0.1
    /// Nobody waits longer than this many nanoseconds for one piece of work: a day.
    private static let waitMax: Int64 = 86_400 * 1_000_000_000

    private let bytesPerSecond: Double
    private var available: Double
    private var updated: Int64

    /// `now` is in nanoseconds of the monotonic clock. What is not a number above zero means no limit.
    init(bytesPerSecond: Double, now: Int64) {
        self.bytesPerSecond = bytesPerSecond > 0 ? bytesPerSecond : .infinity
        self.available = self.bytesPerSecond * Self.burstSeconds
        self.updated = now
    }

    /// Takes note of work that was done, and says for how many nanoseconds to wait before the next.
    mutating func spend(_ bytes: Int64, now: Int64) -> Int64 {
        guard self.bytesPerSecond.isFinite else { return 0 }
        let elapsed = Double(max(now - self.updated, 0)) / 1e9
        self.updated = max(now, self.updated)
        self.available = min(
            self.available + elapsed * self.bytesPerSecond, self.bytesPerSecond * Self.burstSeconds)
        self.available -= Double(bytes)
        guard self.available < 0 else { return 0 }
        let nanoseconds = -self.available / self.bytesPerSecond * 1e9
        return nanoseconds < Double(Self.waitMax) ? Int64(nanoseconds) : Self.waitMax
    }
}
