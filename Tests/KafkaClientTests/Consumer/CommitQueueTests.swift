// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct CommitQueueTests {
    private static func commit(_ step: CommitQueue<String>.Step) -> (waiters: [String], isDue: Bool)? {
        guard case .commit(let requests, let isDue) = step else { return nil }
        return (requests.compactMap(\.waiter), isDue)
    }

    @Test("commits are due on the interval, and requests at once")
    func interval() {
        var queue = CommitQueue<String>(intervalMs: 100, nowMs: 0)
        guard case .wait(untilMs: 100) = queue.step(nowMs: 0) else {
            Issue.record("it waits")
            return
        }
        _ = queue.add(nil, waiter: "a")
        let asked = Self.commit(queue.step(nowMs: 10))
        #expect(asked?.waiters == ["a"])
        #expect(asked?.isDue == false)
        queue.done()
        #expect(Self.commit(queue.step(nowMs: 100))?.isDue == true)
        queue.done()
        #expect(Self.commit(queue.step(nowMs: 199)) == nil)
        #expect(Self.commit(queue.step(nowMs: 200)) != nil)
    }

    @Test("one is under way at a time, and those that wait go together")
    func oneAtATime() {
        var queue = CommitQueue<String>()
        _ = queue.add(nil, waiter: "a")
        #expect(Self.commit(queue.step(nowMs: 0)) != nil)
        _ = queue.add(nil, waiter: "b")
        _ = queue.add(nil, waiter: "c")
        #expect(Self.commit(queue.step(nowMs: 0)) == nil)
        queue.done()
        #expect(Self.commit(queue.step(nowMs: 0))?.waiters == ["b", "c"])
    }

    @Test("a request can be taken back until it is carried out, and comes too late after the end")
    func takenBack() {
        var queue = CommitQueue<String>()
        let first = queue.add(nil, waiter: "a")
        let second = queue.add(nil, waiter: "b")
        #expect(first.flatMap { queue.remove($0) }?.waiter == "a")
        #expect(first.flatMap { queue.remove($0) } == nil)
        #expect(queue.end().map(\.id) == [second])
        #expect(queue.add(nil, waiter: "c") == nil)
    }
}
