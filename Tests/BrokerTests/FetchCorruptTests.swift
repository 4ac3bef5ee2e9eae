// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Foundation
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@Suite("Fetch and ListOffsets over damaged records")
struct FetchCorruptTests {
    private typealias Answer = FetchResponse.PartitionData

    private func fetch(
        _ broker: BrokerHarness, from offsets: [Int64], maxBytes: Int32 = 1 << 20, minBytes: Int32 = 1,
        maxWaitMs: Int32 = 0
    ) async throws -> [Answer] {
        var request = FetchRequest()
        request.maxWaitMs = maxWaitMs
        request.minBytes = minBytes
        request.maxBytes = 50 << 20
        var topic = FetchRequest.FetchTopic()
        topic.topic = "orders"
        topic.partitions = offsets.enumerated().map { index, offset in
            var partition = FetchRequest.FetchPartition()
            partition.partition = Int32(index)
            partition.currentLeaderEpoch = -1
            partition.fetchOffset = offset
            partition.lastFetchedEpoch = -1
            partition.partitionMaxBytes = maxBytes
            return partition
        }
        request.topics = [topic]
        return try await broker.send(request, version: 12).responses[0].partitions
    }

    /// The offsets of an answer, all of whose batches have to be good.
    private func offsets(_ answer: Answer) throws -> [Int64] {
        guard case .buffer(var bytes) = answer.records else { return [] }
        var offsets: [Int64] = []
        while bytes.readableBytes > 0 {
            let batch = try RecordBatch(parsing: bytes)
            #expect(batch.verifyChecksum())
            offsets.append(batch.header.baseOffset)
            bytes.moveReaderIndex(forwardBy: batch.header.sizeInBytes)
        }
        return offsets
    }

    /// Flips a bit of a partition's first segment, in place.
    private func flip(_ broker: BrokerHarness, partition: Int = 0, at position: (_ size: Int) -> Int) throws {
        let file = try POSIXFileSystem().open(
            "\(broker.directory)/orders-\(partition)/00000000000000000000.log", .readWrite)
        let position = Int64(position(Int(try file.size())))
        var byte: [UInt8] = [0]
        _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: position) }
        byte[0] ^= 4
        try byte.withUnsafeBytes { try file.write([$0], at: position) }
    }

    @Test("the damaged offset is CORRUPT_MESSAGE, what is around it and other partitions are served")
    func corruptMessage() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 2)
            for partition in 0..<2 {
                for number in 0..<10 {
                    try await broker.produce(
                        to: "orders", partition: Int32(partition), timestamps: [1_000 + Int64(number)])
                }
            }
            try self.flip(broker) { $0 / 10 * 4 + 64 }
            for _ in 0..<2 {
                var answers = try await self.fetch(broker, from: [0, 0])
                #expect(answers.map(\.errorCode) == [0, 0])
                #expect(try self.offsets(answers[0]) == [0, 1, 2, 3])
                #expect(try self.offsets(answers[1]).count == 10)
                answers = try await self.fetch(broker, from: [4, 7])
                #expect(answers.map(\.errorCode) == [ErrorCode.corruptMessage.rawValue, 0])
                #expect(try self.offsets(answers[0]).isEmpty)
                #expect(try self.offsets(answers[1]) == [7, 8, 9])
                #expect(try self.offsets(try await self.fetch(broker, from: [5, 10])[0]) == [5, 6, 7, 8, 9])
                // A fetch that would wait for more is told at once.
                answers = try await self.fetch(broker, from: [4, 10], minBytes: 1 << 20, maxWaitMs: 3_600_000)
                #expect(answers.map(\.errorCode) == [ErrorCode.corruptMessage.rawValue, 0])
                try broker.restart()
            }
        }
    }

    @Test(
        "slices too large to copy are checked as well, on event loops and on reader threads", arguments: [3_000, 9_000])
    func largeSlices(count: Int) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let timestamps = (0..<count).map { 1_000 + Int64($0) }
            for _ in 0..<10 { try await broker.produce(to: "orders", timestamps: timestamps) }
            let whole = try await self.fetch(broker, from: [0], maxBytes: 50 << 20)
            #expect(try self.offsets(whole[0]).count == 10)
            try self.flip(broker) { $0 - 1 }
            let answer = try await self.fetch(broker, from: [0], maxBytes: 50 << 20)
            #expect(try self.offsets(answer[0]) == (0..<9).map { Int64($0 * count) })
            let last = try await self.fetch(broker, from: [Int64(9 * count + 5)])
            #expect(last[0].errorCode == ErrorCode.corruptMessage.rawValue)
        }
    }

    @Test("a lookup by timestamp answers with the first good record")
    func listOffsets() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            for number in 0..<10 { try await broker.produce(to: "orders", timestamps: [1_000 + Int64(number)]) }
            try self.flip(broker) { $0 / 10 * 4 + 64 }
            var partition = ListOffsetsRequest.ListOffsetsPartition()
            partition.timestamp = 1_004
            partition.currentLeaderEpoch = -1
            var topic = ListOffsetsRequest.ListOffsetsTopic()
            topic.name = "orders"
            topic.partitions = [partition]
            var request = ListOffsetsRequest()
            request.topics = [topic]
            let answer = try await broker.send(request, version: 7).topics[0].partitions[0]
            #expect(answer.errorCode == 0)
            #expect(answer.offset == 5)
        }
    }
}
