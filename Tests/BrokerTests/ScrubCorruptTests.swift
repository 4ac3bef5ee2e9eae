// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaConfig
import KafkaTypes
import NIOCore
import Testing

@testable import Broker

@Suite("Scrubbing")
struct ScrubCorruptTests {
    /// The same numbers every time.
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64 = 42

        mutating func next() -> UInt64 {
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return self.state ^ (self.state >> 29)
        }
    }

    private static let limits = ScrubSchedule.Limits(bytesPerSecond: 1_000, interval: 1_000_000)

    private func target(_ base: Int64) -> ScrubTarget {
        ScrubTarget(partition: TopicPartition(topic: "orders", partition: 0), baseOffset: base)
    }

    @Test("every segment comes up once in an interval, and the one that has waited longest first")
    func order() {
        var schedule = ScrubSchedule()
        var numbers = Numbers()
        let targets = (0..<20).map { self.target($0) }
        schedule.update(targets, limits: Self.limits, now: 0, using: &numbers)
        var now: Int64 = 0
        var rounds: [[ScrubTarget]] = [[], []]
        while rounds[1].count < 20 {
            switch schedule.next(now: now) {
            case .wait(let time): now += time ?? 0
            case .scrub(let target):
                rounds[rounds[0].count < 20 ? 0 : 1].append(target)
                schedule.finished(target, limits: Self.limits, now: now)
                schedule.update(targets, limits: Self.limits, now: now, using: &numbers)
            }
        }
        #expect(Set(rounds[0]) == Set(targets))
        #expect(rounds[0] == rounds[1])
        #expect(now < 2 * Self.limits.interval)
    }

    @Test("segments that are gone are forgotten, and with none there is nothing to do")
    func forgets() {
        var schedule = ScrubSchedule()
        var numbers = Numbers()
        schedule.update([self.target(1), self.target(2)], limits: Self.limits, now: 0, using: &numbers)
        schedule.update([self.target(2)], limits: Self.limits, now: 0, using: &numbers)
        #expect(schedule.count == 1)
        schedule.finished(self.target(1), limits: Self.limits, now: 0)
        #expect(schedule.count == 1)
        schedule.update([], limits: Self.limits, now: 0, using: &numbers)
        #expect(schedule.next(now: .max) == .wait(nil))
    }

    @Test("the rate holds whatever the sizes of the pieces, and idle time is not saved up")
    func rate() {
        var schedule = ScrubSchedule()
        #expect(schedule.pause(after: 500, limits: Self.limits, now: 0) == 500_000_000)
        #expect(schedule.pause(after: 500, limits: Self.limits, now: 0) == 1_000_000_000)
        #expect(schedule.pause(after: 100, limits: Self.limits, now: 5_000_000_000) == 100_000_000)
        #expect(schedule.pause(after: .max, limits: Self.limits, now: 6_000_000_000) == 1_000_000_000_000_000_000)
    }

    @Test("damage in a sealed segment is noted before anybody reads it")
    func findsDamage() async throws {
        try await withBroker(["log.scrub.interval.ms": "1000", "log.scrub.bytes.per.second": "1000000"]) { broker in
            try await broker.createTopic("orders", configs: ["segment.bytes": "1048576"])
            let timestamps = (0..<2_000).map { 1_000 + Int64($0) }
            while broker.broker.topics.topic(named: "orders")?.partition(0)?.log.segmentCount ?? 0 < 3 {
                for _ in 0..<20 { try await broker.produce(to: "orders", timestamps: timestamps) }
            }
            let log = try #require(broker.broker.topics.topic(named: "orders")?.partition(0)?.log)
            let file = try POSIXFileSystem().open("\(broker.directory)/orders-0/00000000000000000000.log", .readWrite)
            let byte: [UInt8] = [0xff, 0xff, 0xff]
            try byte.withUnsafeBytes { try file.write([$0], at: 200) }
            let scrubber = broker.broker.scrubber
            var steps = 0
            while log.damagedRanges.isEmpty, steps < 1_000 {
                steps += 1
                broker.advance(milliseconds: scrubber.step() / 1_000_000 + 1)
            }
            #expect(log.damagedRanges.map(\.startOffset) == [0])
            #expect(log.damagedRanges.map(\.endOffset) == [2_000])
            scrubber.start()
        }
    }

    @Test("configs turn it off", arguments: [(0, 1_000), (1_000, 0), (-1, 1_000), (1_000, -1)] as [(Int64, Int64)])
    func off(bytesPerSecond: Int64, intervalMs: Int64) {
        #expect(Broker.scrubLimits(bytesPerSecond: bytesPerSecond, intervalMs: intervalMs).isOff)
        #expect(!Broker.scrubLimits(bytesPerSecond: 1, intervalMs: .max).isOff)
    }
}
