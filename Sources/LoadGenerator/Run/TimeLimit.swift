// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What is not worth waiting for without end.
enum TimeLimit {
    /// Runs `body`, and cancels it when it takes longer than `seconds`; nil then. Throws what `body` throws.
    static func run<Result: Sendable>(
        _ seconds: Double, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result? {
        try await withThrowingTaskGroup(of: Result?.self) { race in
            race.addTask(operation: body)
            race.addTask {
                // Cancelled: the other one was first.
                try? await Task.sleep(for: .seconds(seconds))
                return nil
            }
            defer { race.cancelAll() }
            return try await race.next() ?? nil
        }
    }
}
