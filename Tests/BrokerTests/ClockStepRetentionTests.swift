// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import Broker

/// What grows old by the wall clock: segments and producers. Nothing goes that is not due once the clock is right again.
@Suite("Retention and clock steps")
struct ClockStepRetentionTests {
    private static let hour: Int64 = 3_600_000
    private static let minute: Int64 = 60_000

    /// Topics whose batches each begin a segment, because the one before has waited too long: a second.
    private static func configs(retentionMs: Int64) -> [String: String] {
        [
            "retention.ms": "\(retentionMs)", "segment.ms": "1000", "file.delete.delay.ms": "0",
            "message.timestamp.after.max.ms": "\(Int64.max)",
        ]
    }

    /// Runs `body` at a time after that of the machine: the files of new segments are of today, and the test's clock is
    /// to be past that.
    private static func withLaterBroker(
        _ configs: [String: String] = [:], _ body: (BrokerHarness) async throws -> Void
    ) async throws {
        try await withBroker(configs) { broker in
            broker.stepWall(milliseconds: 100 * 365 * 24 * Self.hour)
            try await body(broker)
        }
    }

    /// Lets retention run once, as the broker does by itself every few minutes.
    private static func applyRetention(_ housekeeping: Housekeeping, _ partition: Partition) async {
        housekeeping.applyRetention()
        // The same thread does it, in order.
        await withCheckedContinuation { continuation in
            if !partition.ioThread.submit({ continuation.resume() }) { continuation.resume() }
        }
    }

    @Test("a step of an hour either way, and back, deletes nothing that is not due", arguments: [1, -1] as [Int64])
    func step(direction: Int64) async throws {
        try await Self.withLaterBroker { broker in
            try await broker.createTopic("orders", configs: Self.configs(retentionMs: 30 * Self.minute))
            let partition = try broker.partition(of: "orders")
            let housekeeping = Housekeeping(broker: broker.broker)
            func append() async throws {
                try await broker.produce(to: "orders", timestamps: [broker.now])
                broker.advance(milliseconds: 2 * Self.minute)
                await Self.applyRetention(housekeeping, partition)
            }
            for _ in 0..<5 { try await append() }
            broker.stepWall(milliseconds: direction * Self.hour)
            for _ in 0..<5 { try await append() }
            #expect(partition.log.logStartOffset == 0, "nothing is half an hour old")
            broker.stepWall(milliseconds: -direction * Self.hour)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 0)
            // With a clock that is right again the old records go when they are due, and the others stay.
            broker.advance(milliseconds: 21 * Self.minute)
            await Self.applyRetention(housekeeping, partition)
            // Those written while the clock was behind carry that time: there they are an hour old.
            #expect(partition.log.logStartOffset == (direction > 0 ? 5 : 10))
            broker.advance(milliseconds: 2 * Self.hour)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 10)
            #expect(try await broker.produce(to: "orders", timestamps: [broker.now]) == 10)
        }
    }

    @Test("a clock that stays ahead is followed in the end")
    func lastingStep() async throws {
        try await Self.withLaterBroker { broker in
            try await broker.createTopic("orders", configs: Self.configs(retentionMs: 10 * Self.hour))
            let partition = try broker.partition(of: "orders")
            let housekeeping = Housekeeping(broker: broker.broker)
            try await broker.produce(to: "orders", timestamps: [broker.now])
            broker.stepWall(milliseconds: 24 * Self.hour)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 0)
            broker.advance(milliseconds: RetentionClock.trustedAfter / 1_000_000)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 1)
        }
    }

    @Test("an idempotent producer is not forgotten by a clock that is an hour ahead for a while")
    func producerExpiry() async throws {
        try await Self.withLaterBroker(["producer.id.expiration.ms": "\(30 * Self.minute)"]) { broker in
            try await broker.createTopic("orders")
            let partition = try broker.partition(of: "orders")
            let housekeeping = Housekeeping(broker: broker.broker)
            func produce(_ sequence: Int32) async throws -> Int64 {
                try await broker.produce(to: "orders", timestamps: [1], producer: (9, 0, sequence))
            }
            #expect(try await produce(0) == 0)
            for step in [Self.hour, -2 * Self.hour, Self.hour] {
                broker.stepWall(milliseconds: step)
                await Self.applyRetention(housekeeping, partition)
            }
            // Had it been forgotten, the batch would be appended a second time.
            #expect(try await produce(0) == 0)
            #expect(try await produce(1) == 1)
            // When it is due, it goes.
            broker.advance(milliseconds: 3 * Self.hour)
            await Self.applyRetention(housekeeping, partition)
            #expect(try await produce(1) == 2)
        }
    }

    @Test("a record from the future keeps its segment and those after it, and the ones before go when they are due")
    func futureTimestamp() async throws {
        try await Self.withLaterBroker { broker in
            try await broker.createTopic("orders", configs: Self.configs(retentionMs: 30 * Self.minute))
            let partition = try broker.partition(of: "orders")
            let housekeeping = Housekeeping(broker: broker.broker)
            for timestamp in [broker.now, broker.now + 2_000, .max, broker.now + 4_000, broker.now + 6_000] {
                try await broker.produce(to: "orders", timestamps: [timestamp])
            }
            broker.advance(milliseconds: 10 * 24 * Self.hour)
            // As much as passes without a check is no step: both clocks have gone on.
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 2)
            #expect(try await broker.fetchedOffsets("orders") == [2, 3, 4])
            #expect(try await broker.produce(to: "orders", timestamps: [broker.now]) == 5)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 2)
        }
    }

    @Test("retention.bytes takes a segment from the future like any other")
    func futureTimestampBySize() async throws {
        try await Self.withLaterBroker { broker in
            let configs = Self.configs(retentionMs: -1).merging(["retention.bytes": "1"]) { own, _ in own }
            try await broker.createTopic("orders", configs: configs)
            let partition = try broker.partition(of: "orders")
            let housekeeping = Housekeeping(broker: broker.broker)
            for timestamp in [broker.now, .max, broker.now + 4_000, .max] {
                try await broker.produce(to: "orders", timestamps: [timestamp])
                try partition.log.roll(now: broker.now)
            }
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 3)
            #expect(partition.log.endOffset == 4)
        }
    }

    @Test("a record from 1970 is kept for retention.ms from the day it was written")
    func pastTimestamp() async throws {
        try await Self.withLaterBroker { broker in
            try await broker.createTopic("orders", configs: Self.configs(retentionMs: 30 * Self.minute))
            let partition = try broker.partition(of: "orders")
            let housekeeping = Housekeeping(broker: broker.broker)
            for _ in 0..<3 { try await broker.produce(to: "orders", timestamps: [0]) }
            broker.advance(milliseconds: 29 * Self.minute)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 0)
            broker.advance(milliseconds: 2 * Self.minute)
            await Self.applyRetention(housekeeping, partition)
            #expect(partition.log.logStartOffset == 3)
        }
    }

    @Test("records whose times jump between now and the end of time do not each begin a segment")
    func jumpingTimestamps() async throws {
        try await Self.withLaterBroker { broker in
            try await broker.createTopic("orders", configs: Self.configs(retentionMs: -1))
            let log = try broker.partition(of: "orders").log
            for number in 0..<40 {
                let timestamps = [number.isMultiple(of: 2) ? broker.now : Int64.max]
                try await broker.produce(to: "orders", timestamps: timestamps)
            }
            #expect(log.segmentCount == 2)
        }
    }
}

@Suite("The clock of retention")
struct RetentionClockTests {
    private static let second: Int64 = 1_000_000_000

    @Test("it says what the wall clock says, while that goes as the monotonic one does, and when it goes back")
    func follows() {
        var clock = RetentionClock()
        for (wall, monotonic) in [(1_000, 5), (61_000, 65), (-500_000, 66), (-499_000, 67), (50_000, 600)]
            as [(Int64, Int64)]
        {
            let reading = clock.read(wallMs: wall, monotonicNs: monotonic * Self.second)
            #expect(reading == RetentionClock.Reading(nowMs: wall, noticedStepMs: nil))
        }
    }

    @Test("it goes on as before when the wall clock jumps ahead, says so once, and follows after some hours")
    func stepAhead() {
        var clock = RetentionClock()
        _ = clock.read(wallMs: 0, monotonicNs: 0)
        let ahead: Int64 = 3_600_000
        let first = clock.read(wallMs: ahead + 1_000, monotonicNs: Self.second)
        #expect(first == RetentionClock.Reading(nowMs: 1_000, noticedStepMs: ahead))
        let second = clock.read(wallMs: ahead + 2_000, monotonicNs: 2 * Self.second)
        #expect(second == RetentionClock.Reading(nowMs: 2_000, noticedStepMs: nil))
        let late = Self.second + RetentionClock.trustedAfter
        let last = clock.read(wallMs: ahead + late / 1_000_000, monotonicNs: late)
        #expect(last == RetentionClock.Reading(nowMs: ahead + late / 1_000_000, noticedStepMs: nil))
    }

    @Test("a clock that is set right in time was never believed, and a second step has its own time")
    func stepBack() {
        var clock = RetentionClock()
        _ = clock.read(wallMs: 0, monotonicNs: 0)
        #expect(clock.read(wallMs: 3_601_000, monotonicNs: Self.second).nowMs == 1_000)
        #expect(clock.read(wallMs: 2_000, monotonicNs: 2 * Self.second).nowMs == 2_000)
        let late = RetentionClock.trustedAfter + Self.second
        let again = clock.read(wallMs: 3_600_000 + late / 1_000_000, monotonicNs: late)
        #expect(again == RetentionClock.Reading(nowMs: late / 1_000_000, noticedStepMs: 3_600_000))
    }

    @Test("the way back from behind is no step ahead, unless the clock has been behind for hours")
    func behind() {
        var clock = RetentionClock()
        let hour = 3_600_000 as Int64
        _ = clock.read(wallMs: 0, monotonicNs: 0)
        #expect(clock.read(wallMs: 1_000 - hour, monotonicNs: Self.second).nowMs == 1_000 - hour)
        let back = clock.read(wallMs: 2_000, monotonicNs: 2 * Self.second)
        #expect(back == RetentionClock.Reading(nowMs: 2_000, noticedStepMs: nil))
        // Directly from behind to ahead, the time ahead begins only then.
        _ = clock.read(wallMs: 3_000 - hour, monotonicNs: 3 * Self.second)
        let late = RetentionClock.trustedAfter
        #expect(clock.read(wallMs: hour + late / 1_000_000, monotonicNs: late).nowMs == late / 1_000_000)
        // Behind for long: that is the time now, and going ahead of it is a step.
        var corrected = RetentionClock()
        _ = corrected.read(wallMs: 0, monotonicNs: 0)
        for moment in [0, late] { _ = corrected.read(wallMs: moment / 1_000_000 - hour, monotonicNs: moment) }
        let ahead = corrected.read(wallMs: late / 1_000_000 + 1_000, monotonicNs: late + Self.second)
        #expect(ahead == RetentionClock.Reading(nowMs: late / 1_000_000 + 1_000 - hour, noticedStepMs: hour))
    }

    @Test("a little at a time is no step")
    func slew() {
        var clock = RetentionClock()
        for minute in 0..<600 as Range<Int64> {
            let wall = minute * (60_000 + 500)
            #expect(clock.read(wallMs: wall, monotonicNs: minute * 60 * Self.second).nowMs == wall)
        }
    }
}
