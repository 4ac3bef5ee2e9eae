// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import KafkaRecords

@Suite("Building batches")
struct RecordBatchBuilderTests {
    @Test("what is built is read back, with every codec and any records", arguments: CompressionCodec.allCases)
    func roundTrip(_ codec: CompressionCodec) throws {
        var random = SeededGenerator(seed: 4)
        let compressor = Compressor()
        for count in [1, 2, 60, 700] {
            var options = RecordBatchBuilder.Options()
            options.codec = codec
            options.baseOffset = 1_000
            options.producerID = 7
            options.producerEpoch = 2
            options.baseSequence = Int32.max - 1
            let records = random.records(count, baseOffset: options.baseOffset)
            var builder = RecordBatchBuilder(options)
            for record in records {
                let size = builder.uncompressedSize
                try builder.append(record)
                let bound = RecordBatchBuilder.sizeUpperBound(
                    key: record.key.map { ByteBuffer(bytes: $0) }, value: record.value.map { ByteBuffer(bytes: $0) },
                    headers: record.recordHeaders
                )
                #expect(builder.uncompressedSize - size <= bound)
            }
            let batch = try builder.finish(using: compressor)
            #expect(builder.isEmpty)
            let view = try RecordBatch(parsing: batch.bytes)
            #expect(view.header == batch.header)
            #expect(view.verifyChecksum())
            #expect(view.header.maxTimestamp == records.map(\.timestamp).max())
            #expect(view.header.lastOffset == 1_000 + Int64(count) - 1)
            #expect(
                view.header.lastSequence
                    == (count == 1 ? Int32.max - 1 : Int32(count - 3) &+ (count == 2 ? Int32.min : 0)))
            #expect(try view.plainRecords() == records)
        }
    }

    @Test("offsets may have gaps, as compaction leaves them, but only rise")
    func gaps() throws {
        var builder = RecordBatchBuilder()
        try builder.append(key: nil, value: nil, timestamp: 5, offsetDelta: 3)
        try builder.append(key: nil, value: nil, timestamp: 6)
        #expect(throws: RecordError.offsetOutOfOrder(record: 2, offsetDelta: 4)) {
            try builder.append(key: nil, value: nil, timestamp: 7, offsetDelta: 4)
        }
        try builder.append(key: nil, value: nil, timestamp: 7, offsetDelta: 9)
        let batch = try builder.finish()
        #expect(batch.header.recordCount == 3)
        #expect(batch.header.nextOffset == 10)
        #expect(try batch.plainRecords().map(\.offset) == [3, 4, 9])
    }

    @Test("a batch without records is not built")
    func empty() {
        var builder = RecordBatchBuilder()
        #expect(throws: RecordError.emptyBatch) { try builder.finish() }
    }

    @Test("a builder that was used once starts again from nothing")
    func reuse() throws {
        var builder = RecordBatchBuilder()
        try builder.append(key: nil, value: ByteBuffer(string: "one"), timestamp: 100)
        let first = try builder.finish()
        try builder.append(key: nil, value: ByteBuffer(string: "two"), timestamp: 50)
        let second = try builder.finish()
        #expect(second.header.baseTimestamp == 50)
        #expect(second.header.maxTimestamp == 50)
        #expect(try first.plainRecords().map(\.value) == [Array("one".utf8)])
        #expect(try second.plainRecords().map(\.value) == [Array("two".utf8)])
    }

    @Test("records of an uncompressed batch are slices of it")
    func noCopies() throws {
        var builder = RecordBatchBuilder()
        try builder.append(
            key: ByteBuffer(string: "key"), value: ByteBuffer(repeating: 1, count: 4_096),
            headers: [RecordHeader(name: "h", value: ByteBuffer(string: "v"))], timestamp: 0
        )
        let batch = try builder.finish()
        var iterator = try batch.records()
        let record = try #require(try iterator.next())
        let whole = batch.bytes.withUnsafeReadableBytes {
            UInt(bitPattern: $0.baseAddress)..<(UInt(bitPattern: $0.baseAddress) + UInt($0.count))
        }
        for slice in [record.key, record.value, Array(record.headers).first?.value] {
            #expect(slice?.withUnsafeReadableBytes { whole.contains(UInt(bitPattern: $0.baseAddress)) } == true)
        }
        #expect(try iterator.next() == nil)
    }

    @Test("reading stops at fewer or more bytes than records, and at offsets out of order")
    func inconsistent() throws {
        func batch(_ change: (inout RecordBatchHeader) -> Void) throws -> RecordBatch {
            var builder = RecordBatchBuilder()
            for _ in 0..<3 { try builder.append(key: nil, value: nil, timestamp: 0) }
            var batch = try builder.finish()
            var header = batch.header
            change(&header)
            batch = RecordBatch(header: header, bytes: batch.bytes)
            return batch
        }
        #expect(throws: RecordError.trailingBatchBytes(count: 7)) { try batch { $0.recordCount = 2 }.plainRecords() }
        #expect(throws: RecordError.truncatedRecord(record: 3)) {
            try batch {
                $0.recordCount = 4
                $0.lastOffsetDelta = 3
            }.plainRecords()
        }
        #expect(throws: RecordError.offsetOutOfOrder(record: 2, offsetDelta: 2)) {
            try batch { $0.lastOffsetDelta = 1 }.plainRecords()
        }
    }
}
