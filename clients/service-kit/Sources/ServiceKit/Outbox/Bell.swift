// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Wakes one task. However often it rings before the task listens, the task hears it once.
struct Bell: Sendable {
    /// The rings, for one listener.
    let rings: AsyncStream<Void>
    private let rope: AsyncStream<Void>.Continuation

    init() {
        (self.rings, self.rope) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Wakes the listener, now or when it listens next.
    func ring() { self.rope.yield() }
}
