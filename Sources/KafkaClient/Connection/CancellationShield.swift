// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Lets a task that was cancelled say goodbye: requests that are sent behind the shield get their answers all the same.
///
/// Without it, a consumer whose task is cancelled could neither commit nor leave its group. Only what is short stands
/// behind it, since nothing but its time-out ends it; waits between attempts are still cut short.
enum CancellationShield {
    @TaskLocal static var isUp = false

    static func withShield<Value>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async rethrows -> Value {
        try await self.$isUp.withValue(true, operation: body)
    }
}
