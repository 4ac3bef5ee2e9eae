// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct ReadCursorTests {
    private static let partition = TopicPartition(topic: "orders", partition: 3)

    static func batch(_ baseOffset: Int64, count: Int, isControl: Bool = false) throws -> ByteBuffer {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = baseOffset
        options.isControl = isControl
        var builder = RecordBatchBuilder(options)
        for index in 0..<count {
            try builder.append(key: nil, value: ByteBuffer(string: "value \(index)"), timestamp: 1000)
        }
        return try builder.finish().bytes
    }

    private func fetched(
        _ batches: [ByteBuffer], errorCode: ErrorCode = .none, highWatermark: Int64 = 100, logStart: Int64 = 0
    ) -> FetchedPartition {
        var records = ByteBuffer()
        for batch in batches { records.writeImmutableBuffer(batch) }
        return FetchedPartition(
            partition: Self.partition, errorCode: errorCode, highWatermark: highWatermark, logStartOffset: logStart,
            records: records)
    }

    private func batches(_ outcome: ReadCursor.Outcome) -> [ReadBatch]? {
        if case .batches(let batches) = outcome { batches } else { nil }
    }

    @Test("it moves over the batches, the first of which may begin before the position")
    func movesOn() throws {
        var cursor = ReadCursor(ReadRange(Self.partition, from: 12))
        let answer = self.fetched([try Self.batch(10, count: 5), try Self.batch(15, count: 5)])
        let batches = try #require(self.batches(try cursor.received(answer, configuration: ReadConfiguration())))
        #expect(batches.map(\.batch.header.baseOffset) == [10, 15])
        #expect(batches[0].contains(offset: 11) == false)
        #expect(batches[0].contains(offset: 12))
        #expect(cursor.offset == 20)
        #expect(!cursor.isDone)
    }

    @Test("a batch that is cut off at the end of the answer is left for the next one")
    func cutOff() throws {
        let whole = try Self.batch(5, count: 5)
        let second = try #require(whole.getSlice(at: whole.readerIndex, length: whole.readableBytes - 1))
        var cursor = ReadCursor(ReadRange(Self.partition, from: 0))
        let outcome = try cursor.received(
            self.fetched([try Self.batch(0, count: 5), second]), configuration: ReadConfiguration())
        #expect(self.batches(outcome)?.count == 1)
        #expect(cursor.offset == 5)
    }

    @Test("an answer that holds no whole batch is an error, not an endless loop")
    func onlyAPart() throws {
        let whole = try Self.batch(0, count: 5)
        let batch = try #require(whole.getSlice(at: whole.readerIndex, length: 50))
        var cursor = ReadCursor(ReadRange(Self.partition, from: 0))
        let error = #expect(throws: KafkaClientError.self) {
            try cursor.received(self.fetched([batch]), configuration: ReadConfiguration())
        }
        #expect(error?.code == .malformedResponse)
    }

    @Test("it stops at the end of the range, inside a batch if need be")
    func end() throws {
        var cursor = ReadCursor(ReadRange(Self.partition, from: 0, upTo: 7))
        let answer = self.fetched([
            try Self.batch(0, count: 5), try Self.batch(5, count: 5), try Self.batch(10, count: 5),
        ])
        let batches = try #require(self.batches(try cursor.received(answer, configuration: ReadConfiguration())))
        #expect(batches.count == 2)
        #expect(batches[1].contains(offset: 6))
        #expect(!batches[1].contains(offset: 7))
        #expect(cursor.isDone)
    }

    @Test("markers of transactions are passed over, and count as read")
    func controlBatches() throws {
        var cursor = ReadCursor(ReadRange(Self.partition, from: 0, upTo: 6))
        let answer = self.fetched([try Self.batch(0, count: 5), try Self.batch(5, count: 1, isControl: true)])
        let batches = try #require(self.batches(try cursor.received(answer, configuration: ReadConfiguration())))
        #expect(batches.count == 1)
        #expect(cursor.isDone)
    }

    @Test("batches of aborted transactions are passed over with read-committed, and only then")
    func aborted() throws {
        func batch(_ offset: Int64, producer: Int64) throws -> ByteBuffer {
            var options = RecordBatchBuilder.Options()
            options.baseOffset = offset
            options.producerID = producer
            options.producerEpoch = 0
            options.isTransactional = true
            var builder = RecordBatchBuilder(options)
            try builder.append(key: nil, value: ByteBuffer(string: "v"), timestamp: 1000)
            return try builder.finish().bytes
        }
        func marker(_ outcome: EndTransactionMarker.Outcome, _ offset: Int64, producer: Int64) throws -> ByteBuffer {
            try EndTransactionMarker(outcome: outcome, coordinatorEpoch: 0)
                .batch(producerID: producer, producerEpoch: 0, timestamp: 1000, baseOffset: offset).bytes
        }
        var answer = self.fetched([
            try batch(0, producer: 7), try batch(1, producer: 8), try marker(.abort, 2, producer: 7),
            try marker(.commit, 3, producer: 8), try batch(4, producer: 7),
        ])
        answer.aborted = [.init(producerID: 7, firstOffset: 0)]
        var committed = ReadConfiguration()
        committed.isolation = .readCommitted
        let expected: [(ReadConfiguration, [Int64])] = [(ReadConfiguration(), [0, 1, 4]), (committed, [1, 4])]
        for (configuration, offsets) in expected {
            var cursor = ReadCursor(ReadRange(Self.partition, from: 0, upTo: 5))
            let batches = self.batches(try cursor.received(answer, configuration: configuration))
            #expect(batches?.map(\.batch.header.baseOffset) == offsets)
            #expect(cursor.isDone)
        }
    }

    @Test("a damaged batch is an error that says where to go on")
    func checksum() throws {
        var batch = try Self.batch(40, count: 5)
        batch.setInteger(UInt8(0xff), at: batch.writerIndex - 3)
        var cursor = ReadCursor(ReadRange(Self.partition, from: 40))
        let error = #expect(throws: KafkaClientError.self) {
            try cursor.received(self.fetched([batch]), configuration: ReadConfiguration())
        }
        #expect(error?.message.contains("read from offset 45") == true)
        var trusting = ReadConfiguration()
        trusting.verifiesChecksums = false
        #expect(self.batches(try cursor.received(self.fetched([batch]), configuration: trusting))?.count == 1)
    }

    @Test("an offset that is not there is an error with the range, or is skipped when that is wanted")
    func outOfRange() throws {
        let answer = self.fetched([], errorCode: .offsetOutOfRange, highWatermark: 100, logStart: 60)
        var cursor = ReadCursor(ReadRange(Self.partition, from: 10))
        let error = #expect(throws: KafkaClientError.self) {
            try cursor.received(answer, configuration: ReadConfiguration())
        }
        #expect(error?.errorCode == .offsetOutOfRange)
        #expect(error?.message == "orders-3 has no offset 10: it has 60 up to 100")
        var skipping = ReadConfiguration()
        skipping.outOfRangePolicy = .skipToEarliest
        #expect(self.batches(try cursor.received(answer, configuration: skipping))?.isEmpty == true)
        #expect(cursor.offset == 60)
        // Beyond the end there is nothing to skip to.
        var beyond = ReadCursor(ReadRange(Self.partition, from: 500))
        #expect(throws: KafkaClientError.self) { try beyond.received(answer, configuration: skipping) }
    }

    @Test("a leader that moved is looked for; a refusal is an error")
    func errors() throws {
        var cursor = ReadCursor(ReadRange(Self.partition, from: 0))
        for code in [ErrorCode.notLeaderOrFollower, .unknownTopicOrPartition, .fencedLeaderEpoch, .unknownTopicID] {
            let outcome = try cursor.received(self.fetched([], errorCode: code), configuration: ReadConfiguration())
            #expect(self.batches(outcome) == nil)
        }
        let error = #expect(throws: KafkaClientError.self) {
            try cursor.received(
                self.fetched([], errorCode: .topicAuthorizationFailed), configuration: ReadConfiguration())
        }
        #expect(error?.errorCode == .topicAuthorizationFailed)
    }
}
