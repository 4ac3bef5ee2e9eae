// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import Testing

@testable import martlet

@Suite struct ReadPlanTests {
    private static let partition = TopicPartition(topic: "orders", partition: 0)

    @Test(
        "positions become offsets",
        arguments: [
            (StartPosition.beginning, 10), (.end, 100), (.offset(50), 50), (.offset(5), 5), (.last(20), 80),
            (.last(1000), 10), (.time(1), 42), (.ago(1), 42),
        ] as [(StartPosition, Int64)])
    func offsets(position: StartPosition, expected: Int64) {
        #expect(position.offset(earliest: 10, latest: 100, found: 42).rawValue == expected)
    }

    @Test("a time after the last record is the end")
    func lateTime() { #expect(StartPosition.time(1).offset(earliest: 10, latest: 100, found: nil) == 100) }

    @Test("an offset that the only partition does not have is an error with the range", arguments: [5, 101])
    func outside(offset: Int64) {
        var plan = ReadPlan()
        let error = #expect(throws: CommandFailure.self) {
            try plan.add(
                Self.partition, Offset(offset), earliest: 10, latest: 100, upTo: 100, isOnly: true)
        }
        #expect(error?.message == "orders-0 has no offset \(offset): it has 10 to 99")
    }

    @Test(
        "of several partitions each is read from the nearest offset, with a warning",
        arguments: [(5, 10), (500, 100)] as [(Int64, Int64)])
    func nearest(offset: Int64, start: Int64) throws {
        var plan = ReadPlan()
        try plan.add(Self.partition, Offset(offset), earliest: 10, latest: 100, upTo: nil, isOnly: false)
        #expect(plan.ranges == [ReadRange(Self.partition, from: Offset(start))])
        #expect(plan.warnings.count == 1)
    }

    @Test("the offset after the last record is there to wait for")
    func atTheEnd() throws {
        var plan = ReadPlan()
        try plan.add(Self.partition, 100, earliest: 10, latest: 100, upTo: 100, isOnly: true)
        #expect(plan.ranges == [ReadRange(Self.partition, from: 100, upTo: 100)])
        #expect(plan.warnings.isEmpty)
    }

    @Test("a length of time ago is asked for as a time, which is never before 1970")
    func ago() {
        #expect(StartPosition.ago(3_600_000).specification(now: 10_000_000) == .timestamp(6_400_000))
        #expect(StartPosition.ago(.max).specification(now: 5) == .timestamp(0))
        #expect(StopPosition.ago(1).specification(now: 5) == .timestamp(4))
        #expect(StartPosition.offset(3).specification(now: 5) == nil)
    }

    @Test(
        "an end becomes an offset that is not read any more",
        arguments: [(StopPosition.end, 100), (.offset(500), 500), (.time(1), 42)] as [(StopPosition, Int64)])
    func ends(position: StopPosition, expected: Int64) {
        #expect(position.offset(latest: 100, found: 42).rawValue == expected)
    }

    @Test("the end of a time that no record has reached is what is there now")
    func lateEnd() { #expect(StopPosition.time(1).offset(latest: 100, found: nil) == 100) }

    @Test("how much there is to read is known when every partition has an end")
    func offsetCount() throws {
        var plan = ReadPlan()
        try plan.add(Self.partition, 10, earliest: 10, latest: 100, upTo: 100, isOnly: false)
        let other = TopicPartition(topic: "orders", partition: 1)
        // What begins behind its end has nothing.
        try plan.add(other, 50, earliest: 0, latest: 60, upTo: 40, isOnly: false)
        #expect(plan.offsetCount == 90)
        try plan.add(other, 50, earliest: 0, latest: 60, upTo: nil, isOnly: false)
        #expect(plan.offsetCount == nil)
    }
}
