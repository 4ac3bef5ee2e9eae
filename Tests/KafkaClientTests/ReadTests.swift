// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct ReadTests {
    /// Ten batches of five records in each partition, at most two in an answer; the leader alone has them.
    private static func fetched(node: Int32, leaders: [Int32], _ request: ScriptedBroker.Request) throws
        -> FetchResponse
    {
        try FetchRequest.decode(request.body, version: request.version).answer { asked, partition in
            partition.highWatermark = 50
            guard leaders[Int(asked.partition)] == node else {
                partition.errorCode = ErrorCode.notLeaderOrFollower.rawValue
                return
            }
            var records = ByteBuffer()
            let first = asked.fetchOffset / 5
            for number in first..<min(first + 2, 10) {
                records.writeImmutableBuffer(try ReadCursorTests.batch(number * 5, count: 5))
            }
            partition.records = .buffer(records)
        }
    }

    private static func range(_ partition: Int32, from start: Int64, upTo end: Int64?) -> ReadRange {
        ReadRange(
            TopicPartition(topic: "orders", partition: PartitionIndex(partition)), from: Offset(start),
            upTo: end.map { Offset($0) })
    }

    /// The offsets that were read, by partition, in the order in which they came.
    private final class Receiver: Sendable {
        private let offsets = Mutex<[Int32: [Int64]]>([:])

        func receive(_ batch: ReadBatch) throws {
            var records = try batch.batch.records()
            while let record = try records.next() {
                guard batch.contains(offset: record.offset) else { continue }
                self.offsets.withLock { $0[batch.partition.partition.rawValue, default: []].append(record.offset) }
            }
        }

        var all: [Int32: [Int64]] { self.offsets.withLock(\.self) }
    }

    @Test("all partitions are read, each in order, from where they begin to where they end")
    func readsAll() async throws {
        let leaders: [Int32] = [0, 1, 1]
        try await FakeCluster.run(
            brokers: 2, leaders: ["orders": leaders],
            handler: { node, request in .answer(try Self.fetched(node: node, leaders: leaders, request)) }
        ) { _, client in
            let receiver = Receiver()
            try await client.read([
                Self.range(0, from: 0, upTo: 50), Self.range(1, from: 12, upTo: 33), Self.range(2, from: 50, upTo: 50),
            ]) { batch in
                try receiver.receive(batch)
                return .more
            }
            #expect(receiver.all == [0: Array(0..<50), 1: Array(12..<33)])
        }
    }

    @Test("it stops when the receiver has enough")
    func stops() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]],
            handler: { node, request in .answer(try Self.fetched(node: node, leaders: [0], request)) }
        ) { _, client in
            let receiver = Receiver()
            try await client.read([Self.range(0, from: 0, upTo: nil)]) { batch in
                try receiver.receive(batch)
                return batch.batch.header.baseOffset >= 10 ? .stop : .more
            }
            #expect(receiver.all[0] == Array(0..<15))
        }
    }

    @Test("a leader that moves in the middle is followed, and nothing is lost or read twice")
    func leaderMoves() async throws {
        let leader = Mutex<Int32>(0)
        try await FakeCluster.run(
            brokers: 2, leaders: ["orders": [0]],
            handler: { node, request in
                .answer(try Self.fetched(node: node, leaders: [leader.withLock(\.self)], request))
            }
        ) { fake, client in
            let receiver = Receiver()
            try await client.read([Self.range(0, from: 0, upTo: 50)]) { batch in
                try receiver.receive(batch)
                if batch.batch.header.baseOffset == 20 {
                    leader.withLock { $0 = 1 }
                    fake.update { $0.leaders["orders"] = [1] }
                }
                return .more
            }
            #expect(receiver.all[0] == Array(0..<50))
            #expect(Set(fake.log.map(\.node)) == [0, 1])
        }
    }

    @Test("a broker that drops the connection now and then costs no record")
    func droppedConnections() async throws {
        let calls = Mutex(0)
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]],
            handler: { node, request in
                let number = calls.withLock { count in
                    count += 1
                    return count
                }
                if number.isMultiple(of: 3) { return .close }
                return .answer(try Self.fetched(node: node, leaders: [0], request))
            }
        ) { _, client in
            let receiver = Receiver()
            try await client.read([Self.range(0, from: 0, upTo: 50)]) { batch in
                try receiver.receive(batch)
                return .more
            }
            #expect(receiver.all[0] == Array(0..<50))
        }
    }

    @Test("what the receiver throws ends the reading")
    func receiverThrows() async throws {
        struct Enough: Error {}
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]],
            handler: { node, request in .answer(try Self.fetched(node: node, leaders: [0], request)) }
        ) { _, client in
            await #expect(throws: Enough.self) {
                try await client.read([Self.range(0, from: 0, upTo: nil)]) { _ in throw Enough() }
            }
        }
    }
}
