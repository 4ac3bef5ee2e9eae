// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaRecords
import NIOCore
import Testing

/// Figures to look at, never asserted: `MARTLET_SPEED=1 swift test -c release -Xswiftc -enable-testing --filter RecordSpeed`.
@Suite("Record speed", .enabled(if: ProcessInfo.processInfo.environment["MARTLET_SPEED"] != nil), .serialized)
struct RecordSpeedTests {
    /// The best of several runs in nanoseconds.
    private func nanoseconds(rounds: Int, _ body: () throws -> Void) rethrows -> Double {
        var best = Double.infinity
        for _ in 0..<7 {
            let start = ContinuousClock.now
            for _ in 0..<rounds { try body() }
            let elapsed = (ContinuousClock.now - start) / rounds
            let (seconds, attoseconds) = elapsed.components
            best = min(best, Double(seconds) * 1e9 + Double(attoseconds) / 1e9)
        }
        return best
    }

    private func print(_ name: String, _ value: Double, _ unit: String) {
        FileHandle.standardError.write(Data("\(name): \(String(format: "%.2f", value)) \(unit)\n".utf8))
    }

    private func batch(records: Int, codec: CompressionCodec = .none) throws -> RecordBatch {
        var random = SeededGenerator(seed: 9)
        var builder = RecordBatchBuilder()
        builder.options.codec = codec
        for index in 0..<records {
            try builder.append(
                key: ByteBuffer(string: "key-\(index)"), value: ByteBuffer(bytes: random.text(1_024)),
                timestamp: 1_700_000_000_000 + Int64(index)
            )
        }
        return try builder.finish()
    }

    @Test("CRC-32C")
    func checksum() {
        for size in [1_024, 16 << 10, 64 << 10, 1 << 20] {
            let bytes = [UInt8](repeating: 0xa5, count: size)
            var sum: UInt32 = 0
            let time = self.nanoseconds(rounds: max(10, (64 << 20) / size)) {
                bytes.withUnsafeBytes { sum ^= crc32c($0) }
            }
            self.print("CRC-32C of \(size) bytes (\(sum & 1))", Double(size) / time, "GB/s")
        }
    }

    @Test("validation and iteration of 1 KiB records")
    func records() throws {
        let now: Int64 = 1_700_000_000_000
        for count in [15, 1_000] {
            let batch = try self.batch(records: count)
            let size = batch.header.sizeInBytes
            var configuration = BatchValidator.Configuration()
            configuration.maxMessageBytes = 8 << 20
            let validator = BatchValidator(configuration)
            let whole = try self.nanoseconds(rounds: 2_000) { _ = try validator.prepare(batch.bytes, now: now) }
            let checksum = self.nanoseconds(rounds: 2_000) { _ = batch.verifyChecksum() }
            self.print("prepare \(size) bytes", Double(size) / whole, "GB/s")
            self.print("prepare \(size) bytes without its checksum", (whole - checksum) / Double(count), "ns/record")
            let reading = try self.nanoseconds(rounds: 500) {
                var iterator = try batch.records()
                while try iterator.next() != nil {}
            }
            self.print("iterate \(size) bytes", reading / Double(count), "ns/record")
        }
    }

    @Test("codecs on 16 KiB and 1 MiB batches", arguments: CompressionCodec.allCases)
    func codecs(_ codec: CompressionCodec) throws {
        let contexts = CompressionContexts()
        for count in [15, 1_000] {
            let plain = try self.batch(records: count)
            let batch = try self.batch(records: count, codec: codec)
            let size = plain.header.sizeInBytes
            let reading = try self.nanoseconds(rounds: 20) {
                _ = try contexts.decompressor.decompress(batch.recordBytes, codec: codec)
            }
            self.print("\(codec) inflates \(size) from \(batch.header.sizeInBytes)", Double(size) / reading, "GB/s")
            let records = plain.recordBytes
            let writing = try self.nanoseconds(rounds: 4) {
                var output = ByteBuffer()
                try records.withUnsafeReadableBytes { bytes in
                    try contexts.compressor.compress(bytes, codec: codec, appendingTo: &output)
                }
            }
            self.print("\(codec) compresses \(size)", Double(size) / writing, "GB/s")
        }
    }
}
