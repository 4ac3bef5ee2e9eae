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

@Suite("The log cleaner")
struct CleanerTests {
    /// Writes one batch of `key=value` records; without a value, a tombstone.
    static func put(_ broker: BrokerHarness, _ topic: String, _ texts: String...) async throws {
        var builder = RecordBatchBuilder()
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            try builder.append(
                key: ByteBuffer(string: parts[0]), value: parts.count > 1 ? ByteBuffer(string: parts[1]) : nil,
                timestamp: broker.now)
        }
        var data = ProduceRequest.PartitionProduceData()
        data.index = 0
        data.records = .buffer(try builder.finish().bytes)
        var topicData = ProduceRequest.TopicProduceData()
        topicData.name = topic
        topicData.partitionData = [data]
        var request = ProduceRequest()
        request.transactionalID = nil
        request.acks = -1
        request.topicData = [topicData]
        let answer = try await broker.send(request, version: 12).responses[0].partitionResponses[0]
        try #require(answer.errorCode == 0)
    }

    /// What a consumer gets: `offset key=value` of each record.
    private static func read(_ broker: BrokerHarness, _ topic: String) async throws -> [String] {
        let log = try #require(broker.broker.topics.topic(named: topic)?.partitions[0].log)
        var seen: [String] = []
        var next = log.logStartOffset
        while next < log.highWatermark {
            var bytes = try log.read(from: next, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: log.highWatermark)
                .bytes()
            guard bytes.readableBytes > 0 else { break }
            while bytes.readableBytes > 0 {
                let batch = try RecordBatch(parsing: bytes)
                bytes.moveReaderIndex(forwardBy: batch.header.sizeInBytes)
                for record in try batch.collected() {
                    let value = record.value.map { String(buffer: $0) } ?? "null"
                    seen.append("\(record.offset) \(String(buffer: record.key ?? ByteBuffer()))=\(value)")
                }
                next = batch.header.nextOffset
            }
        }
        return seen
    }

    private static let configs = [
        "cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": "5000",
    ]

    @Test("a compacted topic is cleaned when its dirty part is large enough, and others are left alone")
    func cleans() async throws {
        try await withBroker { broker in
            try await broker.createTopic("states", configs: Self.configs)
            try await broker.createTopic("events", configs: ["segment.ms": "1000"])
            for round in 0..<3 {
                try await Self.put(broker, "states", "a=\(round)", "b=\(round)")
                try await Self.put(broker, "events", "a=\(round)")
                broker.advance(milliseconds: 2_000)
            }
            #expect(broker.broker.compactDueLogs() == 1)
            // What lies in the active segment is not looked at.
            #expect(try await Self.read(broker, "states") == ["2 a=1", "3 b=1", "4 a=2", "5 b=2"])
            #expect(try await Self.read(broker, "events").count == 3)
            #expect(broker.broker.compactDueLogs() == 0)
            try await Self.put(broker, "states", "b")
            broker.advance(milliseconds: 2_000)
            try await Self.put(broker, "states", "c=1")
            #expect(broker.broker.compactDueLogs() == 1)
            #expect(try await Self.read(broker, "states") == ["4 a=2", "6 b=null", "7 c=1"])
            try broker.restart()
            // How far the log is clean is known after a restart.
            #expect(broker.broker.compactDueLogs() == 0)
            #expect(try await Self.read(broker, "states") == ["4 a=2", "6 b=null", "7 c=1"])
            broker.advance(milliseconds: 6_000)
            try await Self.put(broker, "states", "d=1")
            #expect(broker.broker.compactDueLogs() == 1)
            #expect(try await Self.read(broker, "states") == ["4 a=2", "7 c=1", "8 d=1"])
        }
    }

    @Test("max.compaction.lag.ms rolls the active segment and cleans it, whatever the dirty ratio")
    func maxLag() async throws {
        try await withBroker { broker in
            let configs = [
                "cleanup.policy": "compact,delete", "max.compaction.lag.ms": "60000", "min.cleanable.dirty.ratio": "1",
            ]
            try await broker.createTopic("states", configs: configs)
            try await Self.put(broker, "states", "a=1")
            try await Self.put(broker, "states", "a=2")
            broker.advance(milliseconds: 59_000)
            #expect(broker.broker.compactDueLogs() == 0)
            broker.advance(milliseconds: 2_000)
            #expect(broker.broker.compactDueLogs() == 1)
            #expect(try await Self.read(broker, "states") == ["1 a=2"])
        }
    }

    @Test("what producers must have left on the disk, a cleaning leaves too")
    func leavesRoom() async throws {
        try await withBroker { broker in
            try await broker.createTopic("states", configs: Self.configs)
            for round in 0..<3 {
                try await Self.put(broker, "states", "a=\(round)")
                broker.advance(milliseconds: 2_000)
            }
            let node = String(BrokerHarness.nodeID)
            try await AlterConfigsHandlerTests.set(
                broker, 4, node, ["log.dir.min.free.bytes": "\(Int64.max / 4)"])
            broker.broker.space.look()
            #expect(broker.broker.compactDueLogs() == 0)
            try await AlterConfigsHandlerTests.set(broker, 4, node, ["log.dir.min.free.bytes": "0"])
            broker.broker.space.look()
            broker.advance(milliseconds: 11 * 60_000)
            #expect(broker.broker.compactDueLogs() == 1)
        }
    }

    @Test("a log whose cleaning fails is put off, and the others are cleaned")
    func failure() async throws {
        try await withBroker { broker in
            for topic in ["good", "bad"] {
                try await broker.createTopic(topic, configs: Self.configs)
                for round in 0..<3 {
                    try await Self.put(broker, topic, "a=\(round)")
                    broker.advance(milliseconds: 2_000)
                }
            }
            let path = "\(broker.directory)/bad-0/00000000000000000000.log"
            let file = try POSIXFileSystem().open(path, .readWrite)
            // The last byte of the first batch, which has one record of eight bytes.
            let last = Int64(RecordBatchHeader.byteCount + 9 - 1)
            func flip() throws {
                var byte: [UInt8] = [0]
                _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: last) }
                byte[0] ^= 0xff
                try byte.withUnsafeBytes { try file.write([$0], at: last) }
            }
            try flip()
            #expect(broker.broker.compactDueLogs() == 1)
            #expect(try await Self.read(broker, "good") == ["1 a=1", "2 a=2"])
            #expect(broker.broker.compactDueLogs() == 0)
            // Whole again, it is cleaned when its time has come, and not before.
            try flip()
            #expect(broker.broker.compactDueLogs() == 0)
            broker.advance(milliseconds: 600_001)
            #expect(broker.broker.compactDueLogs() == 1)
            #expect(try await Self.read(broker, "bad") == ["1 a=1", "2 a=2"])
        }
    }

    @Test("a topic that is deleted while it is cleaned is gone, and one made anew under its name is untouched")
    func deletion() async throws {
        try await withBroker { broker in
            try await broker.createTopic("states", configs: Self.configs)
            for round in 0..<3 {
                try await Self.put(broker, "states", "a=\(round)" + String(repeating: "v", count: 300_000))
                broker.advance(milliseconds: 2_000)
            }
            let log = try #require(broker.broker.topics.topic(named: "states")?.partitions[0].log)
            // The first look at the pace comes in the middle of reading.
            let options = CompactionOptions(mapByteCount: 1 << 20, now: broker.now, seed: CompactionSeed(1, 2))
            var isDeleted = false
            let result = try? log.compact(options) { _ in
                if !isDeleted {
                    isDeleted = true
                    let id = broker.broker.topics.topic(named: "states")!.id
                    _ = broker.broker.deleteTopics([id])
                }
                return true
            }
            #expect(isDeleted && result?.cleanedOffset ?? 0 == 0)
            try await broker.createTopic("states", configs: Self.configs)
            try await Self.put(broker, "states", "a=new")
            #expect(try await Self.read(broker, "states") == ["0 a=new"])
            try broker.restart()
            #expect(try await Self.read(broker, "states") == ["0 a=new"])
        }
    }

    @Test("a budget lets through what it may, and makes the rest wait")
    func budget() {
        var budget = ByteBudget(bytesPerSecond: 1_000, now: 0)
        #expect(budget.spend(100, now: 0) == 0)
        #expect(budget.spend(500, now: 0) == 500_000_000)
        #expect(budget.spend(0, now: 500_000_000) == 0)
        #expect(budget.spend(100, now: 10_000_000_000) == 0)
        #expect(budget.spend(1_000, now: 10_000_000_000) == 1_000_000_000)
        // A clock that stands still or goes back does not break it.
        #expect(budget.spend(1, now: 9_000_000_000) > 1_000_000_000)
        var endless = ByteBudget(bytesPerSecond: .greatestFiniteMagnitude, now: 0)
        #expect(endless.spend(.max, now: 0) == 0)
        var unlimited = ByteBudget(bytesPerSecond: 0, now: 0)
        #expect(unlimited.spend(.max, now: 0) == 0)
    }

    @Test("the dirtiest log is first, and one that came to nothing waits ten minutes")
    func schedule() {
        func status(_ ratio: Double, isDue: Bool = true) -> CompactionStatus {
            CompactionStatus(firstDirtyOffset: 0, endOffset: 1, dirtyRatio: ratio, isDue: isDue, needsRoll: false)
        }
        var schedule = CleaningSchedule<Int>()
        let candidates = [
            (id: 1, status: status(0.5)), (2, status(0.9)), (3, status(1, isDue: false)), (4, status(0.7)),
        ]
        #expect(schedule.due(candidates, now: 0) == [2, 4, 1])
        schedule.postpone(4, now: 0)
        #expect(schedule.due(candidates, now: 599_999_999_999) == [2, 1])
        #expect(schedule.due(candidates, now: 600_000_000_000) == [2, 4, 1])
    }
}

extension RecordBatch {
    fileprivate func collected() throws -> [Record] {
        var records = try self.records()
        return try records.collect()
    }
}
