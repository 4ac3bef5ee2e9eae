// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import KafkaRecords

@Suite("Validation of produced batches")
struct BatchValidatorTests {
    private static let now: Int64 = 1_700_000_100_000

    private func batch(
        codec: CompressionCodec = .none, timestamps: [Int64] = [now, now + 5, now + 5, now - 5],
        keys: [String?]? = nil, _ change: (inout RecordBatchBuilder.Options) -> Void = { _ in }
    ) throws -> RecordBatch {
        var options = RecordBatchBuilder.Options()
        options.codec = codec
        change(&options)
        var builder = RecordBatchBuilder(options)
        for (index, timestamp) in timestamps.enumerated() {
            let key = keys.map { $0[index].map { ByteBuffer(string: $0) } } ?? ByteBuffer(string: "key")
            try builder.append(key: key, value: ByteBuffer(string: "value \(index)"), timestamp: timestamp)
        }
        return try builder.finish()
    }

    /// The batch with another header, its checksum made right.
    private func altered(_ batch: RecordBatch, _ change: (inout RecordBatchHeader) -> Void) -> ByteBuffer {
        var header = batch.header
        change(&header)
        header.crc = batch.recordBytes.withUnsafeReadableBytes { header.checksum(of: $0) }
        var bytes = batch.bytes
        bytes.withUnsafeMutableReadableBytes { header.write(to: $0) }
        return bytes
    }

    private func prepare(
        _ bytes: ByteBuffer, isZstdAllowed: Bool = true,
        _ change: (inout BatchValidator.Configuration) -> Void = { _ in }
    ) throws -> PreparedBatch {
        var configuration = BatchValidator.Configuration()
        change(&configuration)
        return try BatchValidator(configuration).prepare(bytes, now: Self.now, isZstdAllowed: isZstdAllowed)
    }

    private func rejection(
        _ bytes: ByteBuffer, isZstdAllowed: Bool = true,
        _ change: (inout BatchValidator.Configuration) -> Void = { _ in }
    ) -> BatchRejection? {
        do {
            _ = try self.prepare(bytes, isZstdAllowed: isZstdAllowed, change)
            return nil
        } catch {
            return error as? BatchRejection
        }
    }

    /// What lies in the log after the prepared batch was written: its header, then the rest of its bytes.
    private func stored(_ prepared: PreparedBatch) throws -> RecordBatch {
        var bytes = ByteBuffer(repeating: 0, count: RecordBatchHeader.byteCount)
        bytes.withUnsafeMutableReadableBytes { prepared.header.write(to: $0) }
        bytes.writeImmutableBuffer(prepared.recordBytes)
        return try RecordBatch(parsing: bytes)
    }

    @Test("a good batch passes as it is, with its largest timestamp found", arguments: CompressionCodec.allCases)
    func good(_ codec: CompressionCodec) throws {
        let batch = try self.batch(codec: codec)
        let prepared = try self.prepare(batch.bytes)
        #expect(prepared.header == batch.header)
        #expect(prepared.bytes == batch.bytes)
        #expect(prepared.maxTimestamp == Self.now + 5)
        #expect(prepared.offsetDeltaOfMaxTimestamp == 1)
        let from = batch.bytes.withUnsafeReadableBytes { $0.baseAddress }
        #expect(prepared.bytes.withUnsafeReadableBytes { $0.baseAddress } == from)
    }

    @Test("a batch without timestamps has none")
    func noTimestamps() throws {
        let prepared = try self.prepare(try self.batch(timestamps: [-1, -1]).bytes) { $0.timestampBeforeMaxMs = 10 }
        #expect(prepared.maxTimestamp == -1)
        #expect(prepared.offsetDeltaOfMaxTimestamp == 0)
    }

    @Test("a max timestamp that is not that of the records is corrected")
    func wrongMaxTimestamp() throws {
        let bytes = self.altered(try self.batch()) { $0.maxTimestamp = Int64.max }
        let stored = try self.stored(try self.prepare(bytes))
        #expect(stored.header.maxTimestamp == Self.now + 5)
        #expect(stored.verifyChecksum())
    }

    @Test(
        "with LogAppendTime the batch gets the broker's time and a new checksum", arguments: CompressionCodec.allCases)
    func logAppendTime(_ codec: CompressionCodec) throws {
        let prepared = try self.prepare(try self.batch(codec: codec, timestamps: [0, 1, 2]).bytes) {
            $0.timestampType = .logAppendTime
            $0.timestampBeforeMaxMs = 1
        }
        let stored = try self.stored(prepared)
        #expect(stored.verifyChecksum())
        #expect(stored.header.timestampType == .logAppendTime)
        #expect(stored.header.codec == codec)
        #expect(try stored.plainRecords().map(\.timestamp) == [Self.now, Self.now, Self.now])
        #expect(prepared.maxTimestamp == Self.now)
        #expect(prepared.offsetDeltaOfMaxTimestamp == 0)
    }

    @Test("compression.type decides how the records are stored", arguments: CompressionCodec.allCases)
    func recompression(_ target: CompressionCodec) throws {
        for source in CompressionCodec.allCases {
            let batch = try self.batch(codec: source) {
                $0.producerID = 5
                $0.producerEpoch = 0
                $0.baseSequence = 3
            }
            let prepared = try self.prepare(batch.bytes) { $0.codec = target }
            let stored = try self.stored(prepared)
            #expect(stored.verifyChecksum())
            #expect(stored.header.codec == target)
            #expect(stored.header.sizeInBytes == prepared.bytes.readableBytes)
            #expect(stored.header.producerID == 5)
            #expect(try stored.plainRecords() == batch.plainRecords())
            #expect(prepared.offsetDeltaOfMaxTimestamp == 1)
            if source == target { #expect(prepared.bytes == batch.bytes) }
        }
    }

    @Test("a batch that is too large, before or after conversion, is told by its size and the limit")
    func tooLarge() throws {
        let batch = try self.batch()
        let size = batch.header.sizeInBytes
        #expect(self.rejection(batch.bytes) { $0.maxMessageBytes = size } == nil)
        let rejection = try #require(self.rejection(batch.bytes) { $0.maxMessageBytes = size - 1 })
        #expect(rejection.code == .messageTooLarge)
        #expect(
            rejection.message.contains("\(size) bytes")
                && rejection.message.contains("max.message.bytes of \(size - 1)"))

        var builder = RecordBatchBuilder()
        builder.options.codec = .zstd
        try builder.append(key: nil, value: ByteBuffer(repeating: 0, count: 100_000), timestamp: Self.now)
        let small = try builder.finish().bytes
        let converted = self.rejection(small) {
            $0.maxMessageBytes = 1_000
            $0.codec = CompressionCodec.none
        }
        #expect(converted?.code == .messageTooLarge)
        let inflated = self.rejection(small) { $0.maxInflatedBytes = 99_999 }
        #expect(inflated?.code == .messageTooLarge)
        #expect(inflated?.message.contains("99999") == true)
    }

    @Test("damaged bytes are CORRUPT_MESSAGE, whatever field was hit")
    func corrupt() throws {
        let bytes = try self.batch().bytes
        for position in 17..<bytes.readableBytes {
            var damaged = bytes
            damaged.setInteger(try #require(bytes.getInteger(at: position, as: UInt8.self)) ^ 0x81, at: position)
            #expect(self.rejection(damaged)?.code == .corruptMessage, "byte \(position)")
        }
    }

    @Test("old message formats are named, other magics are corrupt")
    func magic() throws {
        var bytes = try self.batch().bytes
        for (magic, code) in [
            (Int8(0), BatchRejection.Code.invalidRecord), (1, .invalidRecord),
            (3, .corruptMessage),
        ] {
            bytes.setInteger(magic, at: 16)
            #expect(self.rejection(bytes)?.code == code)
        }
    }

    @Test("exactly one whole batch is taken")
    func oneBatch() throws {
        let bytes = try self.batch().bytes
        #expect(self.rejection(ByteBuffer())?.code == .invalidRecord)
        var two = bytes
        two.writeImmutableBuffer(bytes)
        #expect(self.rejection(two)?.code == .invalidRecord)
        var trailing = bytes
        trailing.writeInteger(UInt8(0))
        #expect(self.rejection(trailing)?.code == .invalidRecord)
        #expect(
            self.rejection(try #require(bytes.getSlice(at: 0, length: bytes.readableBytes - 1)))?.code == .invalidRecord
        )
    }

    @Test("what a client may not write into a header is refused")
    func headers() throws {
        let batch = try self.batch()
        func code(_ change: (inout RecordBatchHeader) -> Void) -> BatchRejection.Code? {
            self.rejection(self.altered(batch, change))?.code
        }
        #expect(code { $0.attributes |= RecordBatchHeader.Attribute.control } == .invalidRecord)
        #expect(code { $0.attributes |= RecordBatchHeader.Attribute.transactional } == .invalidRecord)
        #expect(code { $0.attributes |= RecordBatchHeader.Attribute.logAppendTime } == .invalidTimestamp)
        #expect(code { $0.attributes |= 7 } == .unsupportedCompressionType)
        #expect(code { $0.baseOffset = 1 } == .invalidRecord)
        #expect(code { $0.recordCount = 0 } == .invalidRecord)
        #expect(code { $0.recordCount = 3 } == .invalidRecord)
        #expect(code { $0.lastOffsetDelta = 9 } == .invalidRecord)
        #expect(code { $0.lastOffsetDelta = -1 } == .invalidRecord)
        #expect(code { $0.producerID = 1 } == .invalidRecord)
        #expect(
            code {
                $0.producerID = 1
                $0.producerEpoch = 0
                $0.baseSequence = 0
            } == nil
        )
        // Some clients write a sequence without being idempotent.
        #expect(code { $0.baseSequence = 0 } == nil)
    }

    @Test("zstd is refused from requests that are older than it")
    func zstd() throws {
        let bytes = try self.batch(codec: .zstd).bytes
        #expect(self.rejection(bytes) == nil)
        #expect(self.rejection(bytes, isZstdAllowed: false)?.code == .unsupportedCompressionType)
    }

    @Test("counts that do not go with the records are refused", arguments: CompressionCodec.allCases)
    func counts(_ codec: CompressionCodec) throws {
        let batch = try self.batch(codec: codec)
        for count: Int32 in [1, 3, 5, Int32.max] {
            let bytes = self.altered(batch) {
                $0.recordCount = count
                $0.lastOffsetDelta = count - 1
            }
            #expect(self.rejection(bytes)?.code == .invalidRecord, "\(count)")
        }
    }

    @Test("a record without a key is refused by a compacted topic, by its number", arguments: CompressionCodec.allCases)
    func compacted(_ codec: CompressionCodec) throws {
        let batch = try self.batch(codec: codec, keys: ["a", nil, "", nil])
        #expect(self.rejection(batch.bytes) == nil)
        let rejection = try #require(self.rejection(batch.bytes) { $0.isCompacted = true })
        #expect(rejection.code == .invalidRecord)
        #expect(rejection.recordProblems.map(\.index) == [1, 3])
        #expect(rejection.recordProblems.first?.message.contains("no key") == true)
        #expect(rejection.message.hasPrefix("2 of 4 records"))
    }

    @Test("timestamps too far from the clock are refused, to the millisecond")
    func timestampRange() throws {
        func rejection(_ timestamps: [Int64]) throws -> BatchRejection? {
            self.rejection(try self.batch(timestamps: timestamps).bytes) {
                $0.timestampBeforeMaxMs = 100
                $0.timestampAfterMaxMs = 10
            }
        }
        #expect(try rejection([Self.now - 100, Self.now + 10]) == nil)
        let wrong = try #require(try rejection([Self.now, Self.now - 101, Self.now + 11]))
        #expect(wrong.code == .invalidTimestamp)
        #expect(wrong.recordProblems.map(\.index) == [1, 2])
        #expect(wrong.message.contains("message.timestamp.before.max.ms"))
        // Without limits, anything goes.
        let anything = try self.batch(timestamps: [Int64.min, Int64.max, 0]).bytes
        #expect(self.rejection(anything) { $0.timestampAfterMaxMs = Int64.max } == nil)
    }

    @Test("offsets inside a batch count up one by one", arguments: CompressionCodec.allCases)
    func offsetDeltas(_ codec: CompressionCodec) throws {
        var builder = RecordBatchBuilder()
        builder.options.codec = codec
        try builder.append(key: nil, value: nil, timestamp: Self.now)
        try builder.append(key: nil, value: nil, timestamp: Self.now, offsetDelta: 2)
        let bytes = self.altered(try builder.finish()) { $0.lastOffsetDelta = 1 }
        let rejection = try #require(self.rejection(bytes))
        #expect(rejection.code == .invalidRecord)
        #expect(rejection.recordProblems.map(\.index) == [1])
    }

    @Test("a rejection lists a bounded number of records and counts them all")
    func manyProblems() throws {
        let batch = try self.batch(
            timestamps: [Int64](repeating: Self.now, count: 5_000), keys: [String?](repeating: nil, count: 5_000))
        let rejection = try #require(self.rejection(batch.bytes) { $0.isCompacted = true })
        #expect(rejection.recordProblems.count == BatchValidator.reportedProblemsMax)
        #expect(rejection.message.hasPrefix("5000 of 5000"))
    }
}
