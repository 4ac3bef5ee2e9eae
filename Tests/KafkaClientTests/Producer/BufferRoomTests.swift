// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite struct BufferRoomTests {
    @Test("those who wait get memory in order of arrival, and nobody overtakes them")
    func order() {
        let room = BufferRoom(total: 100)
        #expect(room.reserve(90))
        #expect(!room.reserve(20))
        let first = room.wait(for: 50)
        let second = room.wait(for: 5)
        #expect(room.isExhausted)
        #expect(!first.isSettled && !second.isSettled)
        // Ten are free, and are kept for the first.
        #expect(!room.reserve(1))
        room.release(40)
        #expect(first.isSettled && !second.isSettled)
        room.release(5)
        #expect(second.isSettled)
        #expect(room.taken == 100 && !room.isExhausted)
        room.release(100)
        #expect(room.taken == 0)
        #expect(room.reserve(100))
    }

    @Test("memory that is free already is given to whoever begins to wait")
    func noLostWakeup() {
        let room = BufferRoom(total: 10)
        #expect(room.wait(for: 10).isSettled)
        #expect(room.taken == 10 && !room.isExhausted)
    }

    @Test("one that gives up takes nothing and holds nobody up")
    func givesUp() async throws {
        let room = BufferRoom(total: 10)
        #expect(room.reserve(8))
        let large = room.wait(for: 10)
        let small = room.wait(for: 2)
        let task = Task {
            do {
                try await large.value()
            } catch {
                room.gaveUp()
                throw error
            }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await small.value()
        #expect(room.taken == 10)
        room.release(10)
        #expect(room.taken == 0)
    }
}
