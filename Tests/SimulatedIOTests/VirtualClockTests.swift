// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import SimulatedIO
import Testing

@Suite struct VirtualClockTests {
    @Test("time stands still until a test moves it, then both clocks move")
    func advance() {
        let clock = VirtualClock(wallMs: 1_000, monotonicNanoseconds: 5)
        #expect(clock.wallMs == 1_000)
        clock.advance(by: .milliseconds(250))
        clock.advance(by: .microseconds(700))
        clock.advance(by: .microseconds(700))
        #expect(clock.wallMs == 1_251)
        #expect(clock.monotonicNanoseconds == 251_400_005)
    }

    @Test("setting the wall clock back leaves the monotonic clock alone")
    func setWall() {
        let clock = VirtualClock(wallMs: 1_000)
        clock.advance(by: .seconds(1))
        clock.setWall(ms: 3)
        #expect(clock.wallMs == 3)
        #expect(clock.monotonicNanoseconds == 1_000_000_000)
    }
}
