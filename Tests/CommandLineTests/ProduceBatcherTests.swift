// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@testable import KafkaClient
@testable import martlet

@Suite struct ProduceBatcherTests {
    private func target(
        partitions: Int32 = 3, identity: ProducerIdentity? = nil, batchBytes: Int = 1000
    ) -> ProduceTarget {
        ProduceTarget(
            topic: "orders", partitionCount: partitions, partition: nil, codec: .none, acks: .all, identity: identity,
            batchBytes: batchBytes, linger: 5)
    }

    private func record(_ size: Int, key: String? = nil, partition: Int32? = nil) -> InputRecord {
        InputRecord(
            key: key.map { ByteBuffer(string: $0) }, value: ByteBuffer(repeating: 0x61, count: size),
            partition: partition)
    }

    @Test("batches stay under their size, and a record that is larger goes alone")
    func sizes() throws {
        var batcher = ProduceBatcher(self.target(partitions: 1))
        var batches: [ReadyBatch] = []
        for size in [100, 400, 400, 5000, 100] {
            if let ready = try batcher.append(self.record(size), now: 0) { batches.append(ready) }
        }
        batches += try batcher.finishAll()
        #expect(batches.map(\.batch.header.recordCount) == [2, 1, 1, 1])
        #expect(batcher.isEmpty)
    }

    @Test("records without a key fill one partition after the other")
    func sticky() throws {
        var batcher = ProduceBatcher(self.target(), firstPartition: 2)
        var partitions: [Int32] = []
        for _ in 0..<9 {
            if let ready = try batcher.append(self.record(300), now: 0) { partitions.append(ready.partition) }
        }
        // The record that did not fit is still the first of the next batch of that partition.
        #expect(partitions == [2, 0, 1, 2].prefix(partitions.count).map(\.self))
        #expect(Set(partitions).count == 3)
    }

    @Test("records with a key go where Java's producer puts them; a partition that is named wins")
    func partitions() throws {
        var batcher = ProduceBatcher(self.target(partitions: 10))
        for number in 0..<50 { _ = try batcher.append(self.record(1, key: "key-\(number)"), now: 0) }
        for ready in try batcher.finishAll() {
            var records = try ready.batch.records()
            while let record = try records.next() {
                let key = try #require(record.key)
                #expect(KafkaRecords.partition(of: key, count: 10).rawValue == ready.partition)
            }
        }
        _ = try batcher.append(self.record(1, key: "key-1", partition: 9), now: 0)
        #expect(try batcher.finishAll().map(\.partition) == [9])
        #expect(throws: CommandFailure.self) { try batcher.append(self.record(1, partition: 10), now: 0) }
        #expect(throws: CommandFailure.self) { try batcher.append(self.record(1, partition: -1), now: 0) }
    }

    @Test("with a producer id, the batches of a partition carry consecutive sequence numbers")
    func sequences() throws {
        let identity = ProducerIdentity(producerID: 77, epoch: 2)
        var batcher = ProduceBatcher(self.target(partitions: 2, identity: identity))
        var batches: [ReadyBatch] = []
        for number in 0..<40 {
            let record = self.record(200, partition: number.isMultiple(of: 3) ? 1 : 0)
            if let ready = try batcher.append(record, now: 0) { batches.append(ready) }
        }
        batches += try batcher.finishAll()
        for partition in Int32(0)...1 {
            var expected: Int32 = 0
            for header in batches.filter({ $0.partition == partition }).map(\.batch.header) {
                #expect(header.producerID == 77)
                #expect(header.producerEpoch == 2)
                #expect(header.baseSequence == expected)
                expected += header.recordCount
            }
            #expect(expected > 10)
        }
    }

    @Test("records without a time get that of the moment")
    func timestamps() throws {
        var batcher = ProduceBatcher(self.target(partitions: 1))
        _ = try batcher.append(self.record(1), now: 1234)
        var dated = self.record(1)
        dated.timestamp = 99
        _ = try batcher.append(dated, now: 1234)
        var records = try #require(try batcher.finishAll().first).batch.records()
        #expect(try records.collect().map(\.timestamp) == [1234, 99])
    }

    @Test("a batch knows the lines that its records come from")
    func lines() throws {
        var batcher = ProduceBatcher(self.target(partitions: 2))
        for line in 1...5 {
            var record = self.record(1, partition: line.isMultiple(of: 2) ? 1 : 0)
            record.line = line
            _ = try batcher.append(record, now: 0)
        }
        var batches = try batcher.finishAll()
        #expect(batches.map(\.lines) == [1...5, 2...4])
        batches[0].source = "day.jsonl"
        #expect(batches[0].origin == "3 records of lines 1 to 5 of day.jsonl")
        var single = self.record(1, partition: 0)
        single.line = 6
        _ = try batcher.append(single, now: 0)
        #expect(try batcher.finishAll().map(\.origin) == ["1 record of line 6"])
    }
}
