// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import GroupCoordinator

@Suite struct WakeUpQueueTests {
    @Test func groupsComeInTheOrderOfTheirTimes() {
        var queue = WakeUpQueue()
        for (id, at) in [("c", 30), ("a", 10), ("d", 40), ("b", 20)] { queue.want(id, at: Int64(at)) }
        #expect(queue.first == 10)
        var order: [String] = []
        while let id = queue.popDue(at: 35) { order.append(id) }
        #expect(order == ["a", "b", "c"])
        #expect(queue.first == 40)
    }

    @Test func anEarlierWishOvertakesALaterOneAndIsTheOnlyOne() {
        var queue = WakeUpQueue()
        queue.want("a", at: 50)
        queue.want("a", at: 20)
        queue.want("a", at: 30)
        #expect(queue.popDue(at: 25) == "a")
        #expect(queue.popDue(at: 100) == nil)
    }

    @Test func neverIsNotQueued() {
        var queue = WakeUpQueue()
        queue.want("a", at: .max)
        #expect(queue.first == nil)
    }
}
