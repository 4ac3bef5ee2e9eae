// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// A number that grows, and tasks that wait for it to do so.
final class Announcement: Sendable {
    private struct State {
        var number = 0
        var nextID: UInt64 = 0
        var waiting: [UInt64: (seen: Int, continuation: CheckedContinuation<Void, any Error>)] = [:]
        /// Cancelled before they began to wait.
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())

    /// Sets the number, if it is larger than before, and wakes those who wait for that.
    func announce(_ number: Int) {
        let woken = self.state.withLock { state in
            state.number = max(state.number, number)
            let woken = state.waiting.filter { $0.value.seen < number }
            for id in woken.keys { state.waiting[id] = nil }
            return woken
        }
        for waiter in woken.values { waiter.continuation.resume() }
    }

    /// Returns when the number is larger than `seen`, which it may be already. Throws `CancellationError`.
    func wait(after seen: Int) async throws {
        let id = self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        defer { self.state.withLock { _ = $0.cancelled.remove(id) } }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let now: Result<Void, any Error>? = self.state.withLock { state in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    guard state.number <= seen else { return .success(()) }
                    state.waiting[id] = (seen, continuation)
                    return nil
                }
                if let now { continuation.resume(with: now) }
            }
        } onCancel: {
            let waiter = self.state.withLock { state in
                let waiter = state.waiting.removeValue(forKey: id)
                if waiter == nil { state.cancelled.insert(id) }
                return waiter
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }
}
