// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import Broker

@Suite("Lines of the log that rude clients bring about")
struct LogLimitTests {
    @Test("one in a while is let through, and says how many were not")
    func limit() {
        var limit = LogLimit()
        let start = NIODeadline.uptimeNanoseconds(1_000_000)
        #expect(limit.pass(now: start) == 0)
        for _ in 0..<5 { #expect(limit.pass(now: start) == nil) }
        let later = start + LogLimit.interval
        #expect(limit.pass(now: later - .nanoseconds(1)) == nil)
        #expect(limit.pass(now: later) == 6)
        #expect(limit.pass(now: later + LogLimit.interval) == 0)
    }
}
