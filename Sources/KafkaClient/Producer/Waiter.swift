// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// A task that waits for something to be settled: by whoever has it, by a time limit, or by its own cancellation. The
/// first one counts.
final class Waiter<Value: Sendable>: Sendable {
    private enum State {
        case new
        case waiting(CheckedContinuation<Value, any Error>)
        case settled(Result<Value, any Error>)
    }

    private let state = Mutex(State.new)

    /// False when it was settled before; nothing happens then.
    @discardableResult
    func settle(_ result: Result<Value, any Error>) -> Bool {
        let (isFirst, continuation) = self.state.withLock {
            state -> (Bool, CheckedContinuation<Value, any Error>?) in
            switch state {
            case .settled:
                return (false, nil)
            case .new:
                state = .settled(result)
                return (true, nil)
            case .waiting(let continuation):
                state = .settled(result)
                return (true, continuation)
            }
        }
        continuation?.resume(with: result)
        return isFirst
    }

    /// It has a value, or will not get one any more.
    var isSettled: Bool {
        self.state.withLock { state in
            if case .settled = state { true } else { false }
        }
    }

    /// Waits; one task may, once. Throws `CancellationError` as soon as the task is cancelled.
    nonisolated(nonsending) func value() async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = self.state.withLock { state -> Result<Value, any Error>? in
                    if case .settled(let result) = state { return result }
                    state = .waiting(continuation)
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            self.settle(.failure(CancellationError()))
        }
    }

    /// Waits, but not longer than `limit`.
    nonisolated(nonsending) func value(
        within limit: Duration, clock: any Clock<Duration>, otherwise error: @escaping @Sendable () -> KafkaClientError
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // Cancelled when the value is there.
                guard (try? await clock.sleep(for: limit)) != nil else { return }
                self.settle(.failure(error()))
            }
            defer { group.cancelAll() }
            return try await self.value()
        }
    }
}
