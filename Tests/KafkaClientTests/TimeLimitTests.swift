// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import Testing

@Suite struct TimeLimitTests {
    private struct Late: Error {}
    private struct Failed: Error {}

    /// Ends when it is cancelled, and not before.
    @Sendable private static func waitForCancellation() async throws {
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    @Test("what is in time counts, and what takes longer is cancelled and is late")
    func limit() async throws {
        #expect(try await TimeLimit.run(.seconds(3600), onTimeout: { Late() }, { 7 }) == 7)
        await #expect(throws: Failed.self) {
            try await TimeLimit.run(.seconds(3600), onTimeout: { Late() }, { throw Failed() })
        }
        await #expect(throws: Late.self) {
            try await TimeLimit.run(.zero, onTimeout: { Late() }, Self.waitForCancellation)
        }
    }

    @Test("who is cancelled has not waited too long")
    func cancelled() async {
        let task = Task { try await TimeLimit.run(.seconds(3600), onTimeout: { Late() }, Self.waitForCancellation) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
