// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct FetchedBatchesTests {
    private static let orders = TopicPartition(topic: "orders", partition: 0)

    private static func batch(_ offset: Int64, count: Int = 1, producer: Int64) throws -> ByteBuffer {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = offset
        options.producerID = producer
        options.producerEpoch = 0
        options.isTransactional = true
        var builder = RecordBatchBuilder(options)
        for _ in 0..<count { try builder.append(key: nil, value: ByteBuffer(string: "v"), timestamp: 0) }
        return try builder.finish().bytes
    }

    private static func marker(
        _ offset: Int64, producer: Int64, _ outcome: EndTransactionMarker.Outcome
    ) throws -> ByteBuffer {
        try EndTransactionMarker(outcome: outcome, coordinatorEpoch: 0)
            .batch(producerID: producer, producerEpoch: 0, timestamp: 0, baseOffset: offset).bytes
    }

    private static func fetched(
        _ batches: [ByteBuffer], aborted: [AbortedTransactions.Entry] = []
    ) -> FetchedPartition {
        var records = ByteBuffer()
        for batch in batches { records.writeImmutableBuffer(batch) }
        return FetchedPartition(
            partition: Self.orders, errorCode: .none, highWatermark: 100, logStartOffset: 0, records: records,
            aborted: aborted)
    }

    private static func offsets(_ batches: FetchedBatches) -> [[Int64]] {
        batches.items.map { [$0.batch?.header.baseOffset ?? -1, $0.next] }
    }

    @Test("aborted transactions and markers are left out with read-committed, and the position moves over them")
    func readCommitted() throws {
        // Producer 1 commits its first transaction and aborts its second; producer 2 aborts.
        let fetched = Self.fetched(
            [
                try Self.batch(0, producer: 1), try Self.batch(1, producer: 2),
                try Self.marker(2, producer: 1, .commit),
                try Self.batch(3, count: 2, producer: 1), try Self.batch(5, producer: 2),
                try Self.marker(6, producer: 2, .abort), try Self.batch(7, producer: 2),
                try Self.marker(8, producer: 1, .abort), try Self.marker(9, producer: 2, .commit),
            ],
            aborted: [.init(producerID: 1, firstOffset: 3), .init(producerID: 2, firstOffset: 1)])
        let committed = FetchedBatches(fetched, from: 0, isolation: .readCommitted, verifiesChecksums: true)
        #expect(Self.offsets(committed) == [[0, 7], [7, 10]])
        let all = FetchedBatches(fetched, from: 0, isolation: .readUncommitted, verifiesChecksums: true)
        #expect(Self.offsets(all) == [[0, 1], [1, 3], [3, 5], [5, 7], [7, 10]])
        #expect(all.next == 10)
    }

    @Test("what a producer wrote outside of its transactions is shown, though one of them was aborted")
    func outsideOfTransactions() throws {
        var options = RecordBatchBuilder.Options()
        (options.baseOffset, options.producerID, options.producerEpoch) = (1, 1, 0)
        var builder = RecordBatchBuilder(options)
        try builder.append(key: nil, value: ByteBuffer(string: "v"), timestamp: 0)
        let fetched = Self.fetched(
            [try Self.batch(0, producer: 1), try builder.finish().bytes, try Self.marker(2, producer: 1, .abort)],
            aborted: [.init(producerID: 1, firstOffset: 0)])
        let batches = FetchedBatches(fetched, from: 0, isolation: .readCommitted, verifiesChecksums: true)
        #expect(Self.offsets(batches) == [[-1, 1], [1, 3]])
    }

    @Test("where there is nothing to deliver, the position moves all the same")
    func onlyMarkers() throws {
        let fetched = Self.fetched([try Self.marker(4, producer: 1, .commit)])
        let batches = FetchedBatches(fetched, from: 4, isolation: .readUncommitted, verifiesChecksums: true)
        #expect(Self.offsets(batches) == [[-1, 5]])
        #expect(batches.damage == nil)
    }

    @Test("what comes before a damaged batch is good")
    func damage() throws {
        var second = try ReadCursorTests.batch(5, count: 5)
        let last = second.writerIndex - 1
        second.setInteger(UInt8(0xff), at: last)
        let fetched = Self.fetched([try ReadCursorTests.batch(0, count: 5), second])
        let checked = FetchedBatches(fetched, from: 0, isolation: .readUncommitted, verifiesChecksums: true)
        #expect(Self.offsets(checked) == [[0, 5]])
        #expect(checked.damage?.message.contains("the batch at offset 5 is damaged") == true)
        let unchecked = FetchedBatches(fetched, from: 0, isolation: .readUncommitted, verifiesChecksums: false)
        #expect(unchecked.items.count == 2)
    }
}
