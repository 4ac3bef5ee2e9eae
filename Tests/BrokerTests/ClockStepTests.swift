// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import Broker

/// A wall clock that is set an hour forward or back while the broker works. Time-outs do not notice, nothing is deleted
/// that is not due when the clock is right again, and what is written goes on being found.
@Suite("Clock steps")
struct ClockStepTests {
    static let hour: Int64 = 3_600_000
    static let minute: Int64 = 60_000
    /// An hour either way.
    static let steps = [Self.hour, -Self.hour]

    // MARK: - Produce and read

    @Test(
        "appends go on in order through steps of the clock, and are found by offset and by time",
        arguments: Self.steps, ["CreateTime", "LogAppendTime"])
    func produce(step: Int64, timestampType: String) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", configs: ["message.timestamp.type": timestampType])
            let clientTime = broker.now
            var offsets: [Int64] = []
            for change in [0, step, -step, -step, step] {
                broker.stepWall(milliseconds: change)
                for _ in 0..<3 { offsets.append(try await broker.produce(to: "orders", timestamps: [clientTime])) }
            }
            #expect(offsets == Array(0..<15))
            #expect(try await broker.fetchedOffsets("orders") == Array(0..<15))
            // The first record at or after a time, in the order of offsets: the clock's way back does not hide any.
            let found = try await broker.offset(of: "orders", at: clientTime)
            #expect(found == 0)
            let isAppendTime = timestampType == "LogAppendTime"
            let firstAhead: Int64 = step > 0 ? 3 : 9
            #expect(try await broker.offset(of: "orders", at: clientTime + 1) == (isAppendTime ? firstAhead : -1))
            try broker.restart()
            #expect(try await broker.fetchedOffsets("orders") == Array(0..<15))
        }
    }

    @Test("a repeated batch of an idempotent producer is known after steps of the clock", arguments: Self.steps)
    func repeatedBatch(step: Int64) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let time = broker.now
            func produce(_ sequence: Int32) async throws -> Int64 {
                try await broker.produce(to: "orders", timestamps: [time], producer: (9, 0, sequence))
            }
            #expect(try await produce(0) == 0)
            broker.stepWall(milliseconds: step)
            #expect(try await produce(1) == 1)
            #expect(try await produce(0) == 0)
            broker.stepWall(milliseconds: -step)
            #expect(try await produce(1) == 1)
            #expect(try await produce(2) == 2)
        }
    }

    // MARK: - Timestamps that are far away

    @Test("timestamps are held against the broker's clock by message.timestamp.before.max.ms and after.max.ms")
    func timestampLimits() async throws {
        try await withBroker { broker in
            let limits = [
                "message.timestamp.before.max.ms": "\(30 * Self.minute)",
                "message.timestamp.after.max.ms": "\(30 * Self.minute)",
            ]
            try await broker.createTopic("strict", configs: limits)
            func isTaken(_ timestamp: Int64) async -> Bool {
                (try? await broker.produce(to: "strict", timestamps: [timestamp])) != nil
            }
            let time = broker.now
            for (distance, isGood) in [
                (-30 * Self.minute, true), (-30 * Self.minute - 1, false), (30 * Self.minute, true),
                (30 * Self.minute + 1, false), (Int64.max - time, false), (-time, false),
            ] { #expect(await isTaken(time + distance) == isGood, "\(distance)") }
            // A client with the right time is out of bounds while the broker's clock is wrong, and only then.
            for step in Self.steps {
                broker.stepWall(milliseconds: step)
                #expect(await !isTaken(time))
                broker.stepWall(milliseconds: -step)
                #expect(await isTaken(time))
            }
        }
    }

    @Test("without limits timestamps from 1970 to the end of time are taken, and given back")
    func farTimestamps() async throws {
        try await withBroker { broker in
            try await broker.createTopic("lenient", configs: ["message.timestamp.after.max.ms": "\(Int64.max)"])
            let times = [broker.now, 0, Int64.max, 1, Int64.max - 1, broker.now]
            for time in times { try await broker.produce(to: "lenient", timestamps: [time]) }
            #expect(try await broker.fetchedOffsets("lenient") == Array(0..<6))
            #expect(try await broker.offset(of: "lenient", at: broker.now + 1) == 2)
            #expect(try await broker.offset(of: "lenient", at: Int64.max) == 2)
            #expect(try await broker.offset(of: "lenient", at: 0) == 0)
        }
    }

    // MARK: - Waiting

    @Test("a fetch waits its time by the monotonic clock, whatever the wall clock does", arguments: Self.steps)
    func fetchWait(step: Int64) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let clock = ContinuousClock()
            let began = clock.now
            async let waiting = broker.fetch("orders", maxWaitMs: 300)
            broker.stepWall(milliseconds: step)
            let answer = try await waiting
            let waited = clock.now - began
            #expect(answer.errorCode == 0)
            // A machine that is busy with other tests may take a while; an hour it does not take.
            #expect(waited >= .milliseconds(290) && waited < .seconds(600), "\(waited)")
        }
    }

    @Test("a fetch that waits is woken by a record, whatever the wall clock does", arguments: Self.steps)
    func fetchWoken(step: Int64) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let clock = ContinuousClock()
            let began = clock.now
            async let waiting = broker.fetch("orders", maxWaitMs: 1_800_000)
            broker.stepWall(milliseconds: step)
            try await broker.produce(to: "orders", timestamps: [broker.now - step])
            let answer = try await waiting
            #expect(answer.responses.first?.partitions.first?.highWatermark == 1)
            #expect(clock.now - began < .seconds(600))
        }
    }

    @Test("a fetch session lives on through steps of the clock", arguments: Self.steps)
    func fetchSession(step: Int64) async throws {
        try await withBroker(["max.incremental.fetch.session.cache.slots": "1"]) { broker in
            try await broker.createTopic("orders")
            let first = try await broker.fetch("orders", maxWaitMs: 0, sessionEpoch: 0)
            #expect(first.sessionID != 0)
            for (epoch, change) in [step, -step].enumerated() {
                broker.stepWall(milliseconds: change)
                // Another one wants its place: it gets it by age, and no time has passed.
                #expect(try await broker.fetch("orders", maxWaitMs: 0, sessionEpoch: 0).sessionID == 0)
                let next = try await broker.fetch(
                    nil, maxWaitMs: 0, sessionID: first.sessionID, sessionEpoch: Int32(epoch) + 1)
                #expect(next.errorCode == 0 && next.sessionID == first.sessionID)
            }
        }
    }
}

// MARK: - Steps

extension BrokerHarness {
    /// One partition's fetch; of no topic, what a session has.
    func fetch(
        _ topic: String?, from offset: Int64 = 0, maxWaitMs: Int32, sessionID: Int32 = 0, sessionEpoch: Int32 = -1
    ) async throws -> FetchResponse {
        var request = FetchRequest()
        request.maxWaitMs = maxWaitMs
        request.minBytes = 1
        request.sessionID = sessionID
        request.sessionEpoch = sessionEpoch
        if let topic {
            var partition = FetchRequest.FetchPartition()
            partition.fetchOffset = offset
            partition.partitionMaxBytes = 1 << 20
            var asked = FetchRequest.FetchTopic()
            asked.topic = topic
            asked.partitions = [partition]
            request.topics = [asked]
        }
        return try await self.send(request, version: 11)
    }

    /// The one partition of a topic.
    func partition(of topic: String) throws -> Partition {
        guard let served = self.broker.topics.topic(named: topic) else { throw StepFailed("\(topic) is not there") }
        return served.partitions[0]
    }

    /// The offsets of all records that a consumer reads from the beginning.
    func fetchedOffsets(_ topic: String) async throws -> [Int64] {
        let log = try self.partition(of: topic).log
        var offsets: [Int64] = []
        var next = log.logStartOffset
        while next < log.highWatermark {
            let answer = try await self.fetch(topic, from: next, maxWaitMs: 0)
            guard let data = answer.responses.first?.partitions.first, data.errorCode == 0,
                let bytes = data.records?.buffer, bytes.readableBytes > 0
            else { throw StepFailed("a fetch at \(next) got nothing") }
            let header = try RecordBatch(parsing: bytes).header
            offsets += next..<header.nextOffset
            next = header.nextOffset
        }
        return offsets
    }

    /// The offset that ListOffsets finds for a time; -1 for none.
    func offset(of topic: String, at timestamp: Int64) async throws -> Int64 {
        var partition = ListOffsetsRequest.ListOffsetsPartition()
        partition.timestamp = timestamp
        var asked = ListOffsetsRequest.ListOffsetsTopic()
        asked.name = topic
        asked.partitions = [partition]
        var request = ListOffsetsRequest()
        request.topics = [asked]
        let answer = try await self.send(request, version: 7).topics[0].partitions[0]
        guard answer.errorCode == 0 else { throw StepFailed("error \(answer.errorCode)") }
        return answer.offset
    }
}
