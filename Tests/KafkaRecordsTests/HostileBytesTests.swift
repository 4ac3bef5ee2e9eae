// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import KafkaRecords

/// Damaged batches: everything may fail, nothing may trap or read past the end.
@Suite("Hostile bytes")
struct HostileBytesTests {
    private static let limits = RecordLimits(maxInflatedBytes: 1 << 20)

    /// Reads everything there is to read; what matters is that it comes back.
    private func readAll(_ bytes: ByteBuffer, with contexts: CompressionContexts) {
        guard let batch = try? RecordBatch(parsing: bytes) else { return }
        _ = batch.verifyChecksum()
        guard var iterator = try? batch.records(limits: Self.limits, using: contexts.decompressor) else { return }
        while let record = try? iterator.next() {
            for header in record.headers { _ = header.name.utf8.count }
            _ = EndTransactionMarker(record)
        }
    }

    /// The same with the checksum made right, so that validation goes on to the records.
    private func validate(_ bytes: ByteBuffer, with contexts: CompressionContexts) {
        var bytes = bytes
        let crc = bytes.withUnsafeReadableBytes { bytes in
            bytes.count <= 21 ? 0 : crc32c(UnsafeRawBufferPointer(rebasing: bytes[21...]))
        }
        if bytes.readableBytes >= 21 { bytes.setInteger(crc, at: bytes.readerIndex + 17) }
        if bytes.readableBytes >= 12 {
            bytes.setInteger(Int32(bytes.readableBytes - 12), at: bytes.readerIndex + 8)
        }
        for codec in [nil, CompressionCodec.none, .lz4] {
            var configuration = BatchValidator.Configuration()
            configuration.codec = codec
            configuration.maxInflatedBytes = Self.limits.maxInflatedBytes
            configuration.isCompacted = codec == nil
            _ = try? BatchValidator(configuration).prepare(bytes, now: 1_700_000_000_000, contexts: contexts)
        }
    }

    @Test("cut at every byte, a batch is refused or read", arguments: BatchVector.all)
    func truncation(_ vector: BatchVector) throws {
        let contexts = CompressionContexts()
        let step = max(1, vector.bytes.count / 400)
        for count in stride(from: 0, to: vector.bytes.count, by: step) {
            let cut = ByteBuffer(bytes: vector.bytes[..<count])
            #expect(throws: RecordError.self) { try RecordBatch(parsing: cut) }
            // With a length that fits, the cut goes through the records.
            var shortened = cut
            if count >= 12 { shortened.setInteger(Int32(count - 12), at: 8) }
            self.readAll(shortened, with: contexts)
            self.validate(cut, with: contexts)
        }
    }

    @Test("flipped bits and overwritten bytes never trap", arguments: BatchVector.all)
    func flips(_ vector: BatchVector) throws {
        let contexts = CompressionContexts()
        var random = SeededGenerator(seed: 0xf11b)
        for _ in 0..<400 {
            var bytes = vector.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                // Mostly near the beginning, where lengths and counts are.
                let end = Bool.random(using: &random) ? bytes.count : min(bytes.count, 100)
                let position = Int.random(in: 0..<end, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes[position] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 1: bytes[position] = 0xff
                case 2: bytes[position] = 0x80
                default: bytes[position] = UInt8.random(in: 0...255, using: &random)
                }
            }
            let buffer = ByteBuffer(bytes: bytes)
            self.readAll(buffer, with: contexts)
            self.validate(buffer, with: contexts)
        }
    }

    @Test("a flipped bit anywhere under the checksum is found", arguments: BatchVector.all.filter { $0.kind != "3" })
    func checksum(_ vector: BatchVector) throws {
        for position in 17..<vector.bytes.count {
            var bytes = vector.bytes
            bytes[position] ^= 0x10
            guard let batch = try? RecordBatch(parsing: ByteBuffer(bytes: bytes)) else { continue }
            #expect(!batch.verifyChecksum())
        }
    }

    @Test("random bytes as records never trap")
    func noise() throws {
        var random = SeededGenerator(seed: 0x0a5e)
        let contexts = CompressionContexts()
        for _ in 0..<5_000 {
            var header = RecordBatchHeader()
            let body = random.bytes(Int.random(in: 0...80, using: &random)).map {
                Bool.random(using: &random) ? $0 : $0 & 3
            }
            header.attributes = Int16.random(in: 0...7, using: &random)
            header.recordCount = Int32.random(in: 1...5, using: &random)
            header.lastOffsetDelta = header.recordCount - 1
            var bytes = ByteBuffer(repeating: 0, count: RecordBatchHeader.byteCount)
            bytes.writeBytes(body)
            _ = bytes.completeBatch(header)
            self.readAll(bytes, with: contexts)
            self.validate(bytes, with: contexts)
        }
    }

    @Test("impossible headers are refused by name")
    func headers() throws {
        func parse(_ change: (inout ByteBuffer) -> Void) throws -> RecordBatch {
            var builder = RecordBatchBuilder()
            try builder.append(key: nil, value: ByteBuffer(string: "value"), timestamp: 1)
            var bytes = try builder.finish().bytes
            change(&bytes)
            return try RecordBatch(parsing: bytes)
        }
        #expect(throws: RecordError.unsupportedMagic(1)) { try parse { $0.setInteger(Int8(1), at: 16) } }
        #expect(throws: RecordError.invalidBatchLength(48)) { try parse { $0.setInteger(Int32(48), at: 8) } }
        #expect(throws: RecordError.invalidBatchLength(-1)) { try parse { $0.setInteger(Int32(-1), at: 8) } }
        #expect(throws: RecordError.truncated(needed: Int(Int32.max) + 12, available: 73)) {
            try parse { $0.setInteger(Int32.max, at: 8) }
        }
        #expect(throws: RecordError.invalidRecordCount(recordCount: 2, lastOffsetDelta: 0)) {
            try parse { $0.setInteger(Int32(2), at: 57) }
        }
        #expect(throws: RecordError.invalidRecordCount(recordCount: 1, lastOffsetDelta: -1)) {
            try parse { $0.setInteger(Int32(-1), at: 23) }
        }
        #expect(throws: RecordError.invalidBaseOffset(-1)) { try parse { $0.setInteger(Int64(-1), at: 0) } }
        #expect(throws: RecordError.invalidBaseOffset(Int64.max)) { try parse { $0.setInteger(Int64.max, at: 0) } }
        #expect(throws: RecordError.unknownCodec(bits: 5)) {
            try parse { $0.setInteger(Int16(5), at: 21) }.records()
        }
        #expect(throws: RecordError.truncated(needed: 61, available: 60)) {
            try parse { $0.moveWriterIndex(to: 60) }
        }
    }

    @Test("varints that are too long, or lose bits, are errors")
    func varints() throws {
        func firstRecord(_ bytes: [UInt8]) throws -> RecordLayout {
            try bytes.withUnsafeBytes { bytes in
                var cursor = RecordCursor(bytes)
                return try cursor.next()
            }
        }
        // Length 7: attributes, timestamp, offset, null key, null value, no headers, one byte too many.
        #expect(throws: RecordError.trailingRecordBytes(record: 0, count: 1)) {
            try firstRecord([14, 0, 0, 0, 1, 1, 0, 0])
        }
        #expect(try firstRecord([12, 0, 0, 0, 1, 1, 0]).end == 7)
        #expect(throws: RecordError.overlongVarint(record: 0)) { try firstRecord([0x8e, 0x80, 0x80, 0x80, 0x80, 0]) }
        #expect(throws: RecordError.overlongVarint(record: 0)) { try firstRecord([0x8e, 0x80, 0x80, 0x80, 0x10, 0]) }
        #expect(throws: RecordError.overlongVarint(record: 0)) {
            try firstRecord([0x20, 0] + [UInt8](repeating: 0xff, count: 9) + [0x02, 0, 1, 1, 0, 0])
        }
        // The largest of both widths.
        let extremes = try firstRecord(
            [0x26, 0] + [UInt8](repeating: 0xff, count: 9) + [0x01] + [0xfe, 0xff, 0xff, 0xff, 0x0f] + [1, 1, 0]
        )
        #expect(extremes.timestampDelta == Int64.min)
        #expect(extremes.offsetDelta == Int32.max)
        #expect(throws: RecordError.invalidLength(record: 0, field: .key, length: -2)) {
            try firstRecord([12, 0, 0, 0, 3, 1, 0])
        }
        #expect(throws: RecordError.invalidLength(record: 0, field: .value, length: 2)) {
            try firstRecord([12, 0, 0, 0, 1, 4, 0])
        }
        #expect(throws: RecordError.invalidLength(record: 0, field: .headerCount, length: 1)) {
            try firstRecord([12, 0, 0, 0, 1, 1, 2])
        }
        #expect(throws: RecordError.invalidLength(record: 0, field: .record, length: 7)) {
            try firstRecord([14, 0, 0, 0, 1, 1, 0])
        }
    }
}
