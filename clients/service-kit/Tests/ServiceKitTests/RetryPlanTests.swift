// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ServiceKit
import Testing

@Suite struct RetryPlanTests {
    @Test("an event that fails is tried again with growing delays, and given up after the last")
    func anEventThatFailsIsTriedAgainWithGrowing() {
        var generator = SystemRandomNumberGenerator()
        let plan = RetryPlan(delays: [.seconds(1), .seconds(10)])
        #expect(plan.verdict(on: .failed, attempts: 1, using: &generator) == .later(after: .seconds(1)))
        #expect(plan.verdict(on: .failed, attempts: 2, using: &generator) == .later(after: .seconds(10)))
        #expect(plan.verdict(on: .failed, attempts: 3, using: &generator) == .deadLetter)
        #expect(plan.verdict(on: .failed, attempts: .max, using: &generator) == .deadLetter)
    }

    @Test("a hopeless event is given up at once")
    func aHopelessEventIsGivenUpAtOnce() {
        var generator = SystemRandomNumberGenerator()
        #expect(RetryPlan().verdict(on: .hopeless, attempts: 1, using: &generator) == .deadLetter)
    }

    @Test("a plan without delays gives up at once")
    func aPlanWithoutDelaysGivesUpAtOnce() {
        var generator = SystemRandomNumberGenerator()
        #expect(RetryPlan(delays: []).verdict(on: .failed, attempts: 1, using: &generator) == .deadLetter)
    }

    @Test("a service in trouble tries again without end, and never waits longer than the longest pause")
    func aServiceInTroubleTriesAgainWithoutEndAnd() {
        var generator = SystemRandomNumberGenerator()
        let plan = RetryPlan(pause: .milliseconds(100), pauseMax: .seconds(10))
        for attempts in [1, 2, 3, 10, 1000, Int.max] {
            let longest = min(Duration.milliseconds(100) * (1 << min(attempts - 1, 20)), .seconds(10))
            for _ in 0..<50 {
                guard case .again(let pause) = plan.verdict(on: .trouble, attempts: attempts, using: &generator)
                else {
                    Issue.record("gave up after \(attempts) attempts")
                    return
                }
                #expect(pause >= longest / 2 && pause <= longest)
            }
        }
    }

    @Test("pauses are spread out, so that replicas do not try in step")
    func pausesAreSpreadOutSoThatReplicasDoNot() {
        var generator = SystemRandomNumberGenerator()
        let pauses = (0..<20).map { _ in RetryPlan().verdict(on: .trouble, attempts: 5, using: &generator) }
        #expect(pauses.contains { $0 != pauses[0] })
    }
}
