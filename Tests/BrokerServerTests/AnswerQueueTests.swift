// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import Testing

@testable import BrokerServer

@Suite("Answers leave in the order of their requests")
struct AnswerQueueTests {
    private static let timing = RequestTiming(began: 0, handled: 0)

    private func reasons(_ queue: inout AnswerQueue) -> [String] {
        var reasons: [String] = []
        while let due = queue.takeDue() {
            if case .close(let reason) = due.answer { reasons.append(reason) }
        }
        return reasons
    }

    @Test("an answer waits for those before it")
    func order() {
        var queue = AnswerQueue()
        let first = queue.reserve(byteCount: 10, Self.timing, nil)
        let second = queue.reserve(byteCount: 20, Self.timing, nil)
        let third = queue.reserve(byteCount: 30, Self.timing, nil)
        #expect(queue.byteCount == 60)
        queue.fill(second, with: .close(reason: "second"))
        #expect(self.reasons(&queue) == [])
        queue.fill(first, with: .close(reason: "first"))
        #expect(self.reasons(&queue) == ["first", "second"])
        #expect(queue.byteCount == 30)
        queue.fill(third, with: .close(reason: "third"))
        #expect(self.reasons(&queue) == ["third"])
        #expect(queue.isEmpty)
    }

    @Test("an answer to a request that was given up is ignored")
    func givenUp() {
        var queue = AnswerQueue()
        let old = queue.reserve(byteCount: 10, Self.timing, nil)
        #expect(queue.removeAll().reduce(0, +) == 10)
        let new = queue.reserve(byteCount: 5, Self.timing, nil)
        queue.fill(old, with: .close(reason: "old"))
        #expect(self.reasons(&queue) == [])
        queue.fill(new, with: .close(reason: "new"))
        #expect(self.reasons(&queue) == ["new"])
    }
}
