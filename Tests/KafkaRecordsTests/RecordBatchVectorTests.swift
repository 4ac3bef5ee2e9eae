// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaTypes
import NIOCore
import Testing

@testable import KafkaRecords

/// One row of `record-batches.tsv`.
struct BatchVector: Sendable, CustomTestStringConvertible {
    var codec: CompressionCodec
    var kind: String
    var baseOffset: Int64
    var producerID: Int64
    var producerEpoch: Int16
    var baseSequence: Int32
    var leaderEpoch: Int32
    var isTransactional: Bool
    var timestampType: TimestampType
    var bytes: [UInt8]
    var json: String

    var testDescription: String { "\(self.codec) \(self.kind)" }
    var isMarker: Bool { self.kind.hasSuffix("marker") }

    static let all: [BatchVector] = Fixtures.rows("record-batches.tsv").map { row in
        BatchVector(
            codec: CompressionCodec(name: row[0])!, kind: row[1], baseOffset: Int64(row[2])!,
            producerID: Int64(row[3])!, producerEpoch: Int16(row[4])!, baseSequence: Int32(row[5])!,
            leaderEpoch: Int32(row[6])!, isTransactional: row[7] == "true",
            timestampType: row[8] == "LogAppendTime" ? .logAppendTime : .createTime,
            bytes: Fixtures.bytes(hex: row[9]), json: row[10]
        )
    }

    func records() throws -> [PlainRecord] {
        func bytes(_ value: Any) -> [UInt8]? { (value as? String).map(Fixtures.bytes(hex:)) }
        let decoded = try #require(try JSONSerialization.jsonObject(with: Data(self.json.utf8)) as? [[String: Any]])
        return try decoded.map { record in
            PlainRecord(
                offset: try #require(record["offset"] as? NSNumber).int64Value,
                timestamp: try #require(record["timestamp"] as? NSNumber).int64Value,
                key: bytes(try #require(record["key"])), value: bytes(try #require(record["value"])),
                headers: try #require(record["headers"] as? [[Any]]).map { header in
                    PlainRecord.Header(name: try #require(header[0] as? String), value: bytes(header[1]))
                }
            )
        }
    }
}

@Suite("Record batches of an independent implementation")
struct RecordBatchVectorTests {
    @Test("the table has every codec, kind and marker")
    func tableIsWhole() {
        #expect(BatchVector.all.count == 22)
        #expect(Set(BatchVector.all.map(\.codec)).count == CompressionCodec.allCases.count)
    }

    @Test("the header says what the table says, and the checksum is right", arguments: BatchVector.all)
    func header(_ vector: BatchVector) throws {
        let batch = try RecordBatch(parsing: ByteBuffer(bytes: vector.bytes))
        let header = batch.header
        #expect(header.sizeInBytes == vector.bytes.count)
        #expect(header.codec == vector.codec)
        #expect(header.baseOffset == vector.baseOffset)
        #expect(header.producerID == vector.producerID)
        #expect(header.producerEpoch == (vector.producerID < 0 ? -1 : vector.producerEpoch))
        #expect(header.baseSequence == vector.baseSequence)
        #expect(header.partitionLeaderEpoch == vector.leaderEpoch)
        #expect(header.isTransactional == vector.isTransactional)
        #expect(header.isControl == vector.isMarker)
        #expect(header.timestampType == vector.timestampType)
        #expect(batch.verifyChecksum())
        var written = [UInt8](repeating: 0, count: RecordBatchHeader.byteCount)
        written.withUnsafeMutableBytes { header.write(to: $0) }
        #expect(written == Array(vector.bytes.prefix(RecordBatchHeader.byteCount)))
    }

    @Test("the records are those of the table", arguments: BatchVector.all.filter { !$0.isMarker })
    func records(_ vector: BatchVector) throws {
        let batch = try RecordBatch(parsing: ByteBuffer(bytes: vector.bytes))
        #expect(try batch.plainRecords() == vector.records())
    }

    @Test(
        "our own encoding of the records is the same bytes, or reads back",
        arguments: BatchVector.all.filter { !$0.isMarker })
    func encoding(_ vector: BatchVector) throws {
        let original = try RecordBatch(parsing: ByteBuffer(bytes: vector.bytes))
        var options = RecordBatchBuilder.Options()
        options.baseOffset = vector.baseOffset
        options.partitionLeaderEpoch = vector.leaderEpoch
        options.codec = vector.codec
        options.producerID = original.header.producerID
        options.producerEpoch = original.header.producerEpoch
        options.baseSequence = vector.baseSequence
        options.isTransactional = vector.isTransactional
        if vector.timestampType == .logAppendTime { options.logAppendTime = original.header.maxTimestamp }
        var builder = RecordBatchBuilder(options)
        // With LogAppendTime the table has the time of the append; what the producer gave is in the bytes.
        let timestamps = try Self.storedTimestamps(original)
        for (record, timestamp) in zip(try vector.records(), timestamps) {
            try builder.append(record, timestamp: timestamp)
        }
        let batch = try builder.finish()
        #expect(batch.verifyChecksum())
        if vector.codec == .none {
            #expect(Array(batch.bytes.readableBytesView) == vector.bytes)
        } else {
            #expect(try RecordBatch(parsing: batch.bytes).plainRecords() == vector.records())
        }
    }

    private static func storedTimestamps(_ batch: RecordBatch) throws -> [Int64] {
        let codec = try #require(batch.header.codec)
        let bytes = try Decompressor().decompress(batch.recordBytes, codec: codec)
        return try Array(bytes.readableBytesView).withUnsafeBytes { bytes in
            var cursor = RecordCursor(bytes)
            return try (0..<batch.header.recordCount).map { _ in
                batch.header.baseTimestamp + (try cursor.next().timestampDelta)
            }
        }
    }

    @Test("transaction markers are read, and written as the same bytes", arguments: BatchVector.all.filter(\.isMarker))
    func markers(_ vector: BatchVector) throws {
        let batch = try RecordBatch(parsing: ByteBuffer(bytes: vector.bytes))
        var iterator = try batch.records()
        let record = try #require(try iterator.next())
        let marker = try #require(EndTransactionMarker(record))
        #expect(marker.outcome == (vector.kind == "commit-marker" ? .commit : .abort))
        #expect(marker.coordinatorEpoch == 9)
        let written = try marker.batch(
            producerID: vector.producerID, producerEpoch: vector.producerEpoch, timestamp: record.timestamp,
            baseOffset: vector.baseOffset, partitionLeaderEpoch: vector.leaderEpoch
        )
        #expect(Array(written.bytes.readableBytesView) == vector.bytes)
    }

    @Test("keys go to the partitions that Java's producer puts them in", arguments: Fixtures.rows("murmur2.tsv"))
    func murmur(_ row: [String]) {
        let key = ByteBuffer(bytes: Fixtures.bytes(hex: row[0]))
        #expect(String(murmur2(key)) == row[1])
        #expect(partition(of: key, count: 12).description == row[2])
    }
}
