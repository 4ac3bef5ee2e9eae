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
        if let first { queue.remove(first) }
        #expect(queue.end().map(\.id) == [second])
        #expect(queue.add(nil, waiter: "c") == nil)
    }

    @Test("what was handed out and not carried out is handed out again, before what came later")
    func cutShort() {
        var queue = CommitQueue<String>()
        _ = queue.add(nil, waiter: "a")
        guard case .commit(let requests, _) = queue.step(nowMs: 0) else {
            Issue.record("it is not handed out")
            return
        }
        _ = queue.add(nil, waiter: "b")
        queue.done(requests)
        #expect(queue.end().compactMap(\.waiter) == ["a", "b"])
    }

    @Test("an interval of less than a millisecond is one of a millisecond")
    func shortInterval() {
        var queue = CommitQueue<String>(intervalMs: 0, nowMs: 5)
        #expect(Self.commit(queue.step(nowMs: 5)) == nil)
        #expect(Self.commit(queue.step(nowMs: 6))?.isDue == true)
        queue.done()
        #expect(Self.commit(queue.step(nowMs: 6)) == nil)
    }
}
