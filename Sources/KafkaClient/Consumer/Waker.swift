// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// What one task waits on for others to say that something has changed. A wake that comes before the wait is not lost,
/// and several count as one: whoever was woken looks at the state again.
final class Waker: Sendable {
    private enum State {
        case idle
        case woken
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = Mutex(State.idle)

    /// Ends the wait, or the next one.
    func wake() {
        let waiting = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard case .waiting(let continuation) = state else {
                state = .woken
                return nil
            }
            state = .idle
            return continuation
        }
        waiting?.resume()
    }

    /// Returns when it is woken, or its task is cancelled. One task waits at a time.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isWoken = self.state.withLock { state in
                    if case .woken = state {
                        state = .idle
                        return true
                    }
                    if Task.isCancelled { return true }
                    state = .waiting(continuation)
                    return false
                }
                if isWoken { continuation.resume() }
            }
        } onCancel: {
            self.wake()
        }
    }

    /// Returns as ``wait()`` does, or when the time is over.
    func wait(for duration: Duration, clock: any Clock<Duration>) async {
        guard duration > .zero else { return }
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.wait() }
            // It ends early when it is cancelled, which is no error.
            tasks.addTask { _ = try? await clock.sleep(for: duration) }
            await tasks.next()
            tasks.cancelAll()
        }
    }
}
