// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A limit of time for work that can be cancelled, for the programs of this package that ask clusters.
package enum TimeLimit {
    /// Runs `body` for no longer than `limit`. Throws what `onTimeout` makes when it took longer, and does not wait for
    /// more than the cancellation then; what `body` throws; and `CancellationError`.
    package static func run<Result: Sendable>(
        _ limit: Duration, onTimeout: @escaping @Sendable () -> any Error,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { tasks in
            tasks.addTask { try await body() }
            tasks.addTask {
                try await Task.sleep(for: limit)
                throw onTimeout()
            }
            defer { tasks.cancelAll() }
            guard let first = try await tasks.next() else { throw onTimeout() }
            return first
        }
    }
}
