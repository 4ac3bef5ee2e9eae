// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Does a piece of work once for all tasks that want it at the same time, without a task of its own.
///
/// The first task that asks does the work; those that come while it is at it wait, and get what came of it. When the
/// working task is cancelled, one of those that wait begins anew in its place, so nobody suffers from the cancellation
/// of another. Waiting ends with the work or the cancellation of the task that waits.
final class SharedWork<Value: Sendable>: Sendable {
    private enum Turn {
        case done(Result<Value, any Error>)
        case takeOver
    }

    private struct State {
        var isRunning = false
        var nextID: UInt64 = 0
        /// In the order of their coming.
        var waiting: [(id: UInt64, continuation: CheckedContinuation<Turn, any Error>)] = []
        /// Cancelled before they began to wait.
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())

    /// How many tasks wait for another one's work.
    var waitingCount: Int { self.state.withLock(\.waiting.count) }

    /// Runs `work`, or waits for the run of another task. Throws what it threw, or `CancellationError`.
    func run(_ work: () async throws -> Value) async throws -> Value {
        guard !self.begins() else { return try await self.lead(work) }
        switch try await self.wait() {
        case .done(let result): return try result.get()
        case .takeOver: return try await self.lead(work)
        }
    }

    private func begins() -> Bool {
        self.state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
    }

    private func lead(_ work: () async throws -> Value) async throws -> Value {
        do {
            // Who takes over may have been cancelled meanwhile.
            if !CancellationShield.isUp { try Task.checkCancellation() }
            let value = try await work()
            self.finish(.success(value))
            return value
        } catch {
            if error is CancellationError || Task.isCancelled && !CancellationShield.isUp {
                self.handOver()
            } else {
                self.finish(.failure(error))
            }
            throw error
        }
    }

    private func finish(_ result: Result<Value, any Error>) {
        let waiting = self.state.withLock { state in
            state.isRunning = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiting { waiter.continuation.resume(returning: .done(result)) }
    }

    private func handOver() {
        let next = self.state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isRunning = false
                return CheckedContinuation<Turn, any Error>?.none
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: .takeOver)
    }

    /// Waits for the task that is at work. It may have finished by now: then it is this task's turn.
    private func wait() async throws -> Turn {
        let id = self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        defer { self.state.withLock { _ = $0.cancelled.remove(id) } }
        let isShielded = CancellationShield.isUp
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let now: Result<Turn, any Error>? = self.state.withLock { state in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    guard state.isRunning else {
                        state.isRunning = true
                        return .success(.takeOver)
                    }
                    state.waiting.append((id, continuation))
                    return nil
                }
                if let now { continuation.resume(with: now) }
            }
        } onCancel: {
            if !isShielded { self.cancel(id) }
        }
    }

    private func cancel(_ id: UInt64) {
        let continuation = self.state.withLock { state -> CheckedContinuation<Turn, any Error>? in
            guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
                // Not waiting yet, or not any more.
                state.cancelled.insert(id)
                return nil
            }
            return state.waiting.remove(at: index).continuation
        }
        continuation?.resume(throwing: CancellationError())
    }
}
