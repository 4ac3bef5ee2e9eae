// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite(.timeLimit(.minutes(10))) struct WakerTests {
    @Test("a wake between the look and the wait is not lost, and several count as one")
    func early() async {
        let waker = Waker()
        let seen = waker.wakes
        waker.wake()
        waker.wake()
        await waker.wait(after: seen)
        // Nothing is left of them: only the time ends this wait.
        await waker.wait(after: waker.wakes, for: .milliseconds(1), clock: ContinuousClock())
    }

    @Test("all who wait are woken, and who is cancelled ends alone", arguments: [false, true])
    func woken(cancelsOne: Bool) async {
        let waker = Waker()
        let seen = waker.wakes
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<10 { tasks.addTask { await waker.wait(after: seen) } }
            await withTaskGroup(of: Void.self) { one in
                one.addTask { await waker.wait(after: seen) }
                if cancelsOne { one.cancelAll() } else { waker.wake() }
            }
            #expect(waker.wakes == (cancelsOne ? seen : seen + 1))
            waker.wake()
        }
    }

    @Test("two looked before the wake and wait after it: both go on")
    func bothLooked() async {
        let waker = Waker()
        let (one, other) = (waker.wakes, waker.wakes)
        waker.wake()
        await waker.wait(after: one)
        await waker.wait(after: other)
    }

    @Test("a task that is cancelled already does not wait")
    func cancelledBefore() async {
        let waker = Waker()
        await withTaskGroup(of: Void.self) { tasks in
            tasks.cancelAll()
            for _ in 0..<10 { tasks.addTask { await waker.wait(after: waker.wakes) } }
        }
    }

    @Test("a long wait ends as soon as it is woken")
    func wokenBeforeTime() async {
        let waker = Waker()
        let seen = waker.wakes
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await waker.wait(after: seen, for: .seconds(3600), clock: ContinuousClock()) }
            waker.wake()
        }
    }
}
