// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// What tasks wait on for others to say that something has changed. Any number of them may wait.
///
/// Whoever waits takes ``wakes`` before it looks at the state, and waits for a later wake when it has found nothing to
/// do. So no wake is lost that comes in between, whoever else it ends the wait of, and several count as one.
final class Waker: Sendable {
    private struct State {
        var wakes = 0
        var lastID: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    /// How often it was woken so far.
    var wakes: Int { self.state.withLock(\.wakes) }

    /// How many tasks wait.
    var waitingCount: Int { self.state.withLock(\.waiting.count) }

    /// Ends the waits of all who wait now, or are about to.
    func wake() {
        let waiting = self.state.withLock { state in
            state.wakes += 1
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// Returns when there were more than `seen` wakes, or the task is cancelled.
    func wait(after seen: Int) async {
        let id = self.state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = self.state.withLock { state in
                    // Whoever was cancelled before this line knows it here; after it, it is found among those who wait.
                    guard state.wakes == seen, !Task.isCancelled else { return false }
                    state.waiting[id] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }

    /// Returns as ``wait(after:)`` does, or when the time is over.
    func wait(after seen: Int, for duration: Duration, clock: any Clock<Duration>) async {
        guard duration > .zero else { return }
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.wait(after: seen) }
            // It ends early when it is cancelled, which is no error.
            tasks.addTask { _ = try? await clock.sleep(for: duration) }
            await tasks.next()
            tasks.cancelAll()
        }
    }
}
