// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite struct WakerTests {
    @Test("a wake before the wait is not lost, and several count as one")
    func early() async {
        let waker = Waker()
        waker.wake()
        waker.wake()
        await waker.wait()
        // Nothing is left of them: only the time ends this wait.
        await waker.wait(for: .milliseconds(1), clock: ContinuousClock())
    }

    @Test("who waits is woken, also when its task is cancelled")
    func woken() async {
        let waker = Waker()
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await waker.wait() }
            waker.wake()
            await tasks.next()
            tasks.addTask { await waker.wait() }
            tasks.cancelAll()
        }
    }

    @Test("a long wait ends as soon as it is woken")
    func wokenBeforeTime() async {
        let waker = Waker()
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await waker.wait(for: .seconds(3600), clock: ContinuousClock()) }
            waker.wake()
        }
    }
}
