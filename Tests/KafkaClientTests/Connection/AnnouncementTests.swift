// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite struct AnnouncementTests {
    @Test("who waits is woken by a larger number, and does not wait for one that came already")
    func wakes() async throws {
        let announcement = Announcement()
        announcement.announce(3)
        try await announcement.wait(after: 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 { group.addTask { try await announcement.wait(after: 3) } }
            group.addTask { try await announcement.wait(after: 4) }
            await Task.yield()
            announcement.announce(4)
            announcement.announce(2)
            announcement.announce(5)
            try await group.waitForAll()
        }
    }

    @Test("waiting ends with the task")
    func cancelled() async {
        let announcement = Announcement()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    do {
                        try await announcement.wait(after: 0)
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
            }
            group.cancelAll()
            for await wasCancelled in group { #expect(wasCancelled) }
        }
    }
}
