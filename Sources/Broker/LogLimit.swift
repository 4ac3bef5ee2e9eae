// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

package import NIOCore
import Synchronization

/// Lets through one line of the log in a while, for what a rude client could bring about as often as it likes. Pure.
package struct LogLimit: Sendable {
    /// Time between two lines.
    package static let interval = TimeAmount.seconds(10)

    private var next: NIODeadline = .uptimeNanoseconds(0)
    private var heldBack = 0

    /// Lets the first line through.
    package init() {}

    /// Whether a line may be written now: how many were held back since the last one, or nil to hold this back, too.
    package mutating func pass(now: NIODeadline) -> Int? {
        guard now >= self.next else {
            self.heldBack += 1
            return nil
        }
        defer { self.heldBack = 0 }
        self.next = now + Self.interval
        return self.heldBack
    }
}

/// The same for several threads, by the clock of the event loops.
final class SharedLogLimit: Sendable {
    private let limit = Mutex(LogLimit())

    /// See `LogLimit.pass`.
    func pass() -> Int? { self.limit.withLock { $0.pass(now: .now()) } }
}
