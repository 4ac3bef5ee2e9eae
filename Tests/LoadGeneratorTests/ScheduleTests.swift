// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import LoadGenerator

@Suite("Schedule") struct ScheduleTests {
    @Test("producers take turns, so that all records together are evenly apart")
    func turns() {
        let schedules = (0..<4).map { Schedule(start: 1000, rate: 1e6, producer: $0, producers: 4) }
        let dues = (0..<3).flatMap { number in schedules.map { $0.due(number) } }
        #expect(dues == (0..<12).map { 1000 + $0 * 1000 })
    }

    @Test("as many are due as have a time that is not later", arguments: [0.3, 7, 1000, 333_333.3, 1e9])
    func counts(rate: Double) {
        let schedule = Schedule(start: 5_000_000_000, rate: rate, producer: 1, producers: 3)
        #expect(schedule.count(dueBy: 4_999_999_999) == 0)
        for number in [0, 1, 2, 17, 1000, 123_457] {
            let due = schedule.due(number)
            #expect(schedule.count(dueBy: due) > number)
            #expect(schedule.count(dueBy: due - 1) <= number)
        }
    }

    @Test("a rate is kept to over a day")
    func day() {
        let schedule = Schedule(start: 0, rate: 123_456, producer: 0, producers: 1)
        #expect(schedule.count(dueBy: 86_400_000_000_000 - 1) == 86_400 * 123_456)
    }
}
