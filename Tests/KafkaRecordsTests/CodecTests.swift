// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import KafkaRecords

@Suite("Codecs")
struct CodecTests {
    static let compressing = CompressionCodec.allCases.filter { $0 != .none }

    private func compress(
        _ bytes: [UInt8], _ codec: CompressionCodec, levels: CompressionLevels = CompressionLevels()
    ) throws -> ByteBuffer {
        var output = ByteBuffer()
        try bytes.withUnsafeBytes { bytes throws in
            try Compressor().compress(bytes, codec: codec, levels: levels, appendingTo: &output)
        }
        return output
    }

    @Test("what a codec compresses it inflates again, at every size and level", arguments: CompressionCodec.allCases)
    func roundTrip(_ codec: CompressionCodec) throws {
        var random = SeededGenerator(seed: 1)
        let decompressor = Decompressor()
        let compressor = Compressor()
        let levels = [
            CompressionLevels(), CompressionLevels(gzip: 1, lz4: 4, zstd: -5),
            CompressionLevels(gzip: 99, lz4: 99, zstd: 99), CompressionLevels(gzip: -99, lz4: -99, zstd: Int32.min),
        ]
        for size in [0, 1, 10, 1_000, 32_768, 32_769, 65_536, 300_000] {
            for bytes in [random.text(size), random.bytes(size), [UInt8](repeating: 7, count: size)] {
                // The ends of the range are slow to set up, so one size has to do for them.
                for level in size == 1_000 ? levels : Array(levels.prefix(2)) {
                    var compressed = ByteBuffer(string: "before")
                    try bytes.withUnsafeBytes { bytes throws in
                        try compressor.compress(bytes, codec: codec, levels: level, appendingTo: &compressed)
                    }
                    #expect(compressed.readString(length: 6) == "before")
                    let inflated = try decompressor.decompress(compressed, codec: codec, limit: size)
                    #expect(inflated == ByteBuffer(bytes: bytes), "\(codec), \(size) bytes, \(level)")
                }
            }
        }
    }

    @Test("an inflated batch that is still held is not overwritten by the next", arguments: compressing)
    func bufferReuse(_ codec: CompressionCodec) throws {
        let decompressor = Decompressor()
        let first = try decompressor.decompress(try self.compress([1, 2, 3], codec), codec: codec)
        let second = try decompressor.decompress(try self.compress([4, 5, 6], codec), codec: codec)
        #expect(Array(first.readableBytesView) == [1, 2, 3])
        #expect(Array(second.readableBytesView) == [4, 5, 6])
    }

    @Test("a batch may inflate to the limit and not to a byte more", arguments: compressing)
    func limit(_ codec: CompressionCodec) throws {
        var random = SeededGenerator(seed: 2)
        for size in [1, 100, 65_536, 70_000, 1_000_000] {
            let compressed = try self.compress(random.text(size), codec)
            let decompressor = Decompressor()
            #expect(try decompressor.decompress(compressed, codec: codec, limit: size).readableBytes == size)
            #expect(throws: RecordError.inflatesBeyondLimit(codec, limit: size - 1)) {
                try decompressor.decompress(compressed, codec: codec, limit: size - 1)
            }
            #expect(try decompressor.decompress(compressed, codec: codec, limit: size).readableBytes == size)
        }
    }

    @Test(
        "a small batch that inflates to 16 MiB of zeros is refused before all of them are there", arguments: compressing
    )
    func bomb(_ codec: CompressionCodec) throws {
        let bomb = try self.compress([UInt8](repeating: 0, count: 16 << 20), codec)
        let limit = 1 << 20
        #expect(throws: RecordError.inflatesBeyondLimit(codec, limit: limit)) {
            try Decompressor().decompress(bomb, codec: codec, limit: limit)
        }
    }

    @Test("without a limit of the caller's, nothing inflates to more than the default")
    func defaultLimit() throws {
        let bomb = try self.compress([UInt8](repeating: 0, count: Decompressor.defaultOutputLimit + 1), .zstd)
        #expect(throws: RecordError.inflatesBeyondLimit(.zstd, limit: Decompressor.defaultOutputLimit)) {
            try Decompressor().decompress(bomb, codec: .zstd)
        }
    }

    @Test("a snappy block that claims to hold more than it can is refused without allocating it")
    func snappyClaim() throws {
        // A length of 2^32 - 1, and one literal byte.
        let lie = ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x41])
        #expect {
            try Decompressor().decompress(lie, codec: .snappy, limit: Int.max)
        } throws: { error in
            guard case .malformedCompression(.snappy, _)? = error as? RecordError else { return false }
            return true
        }
    }

    @Test("a zstd frame that claims a size is only believed as far as its bytes go")
    func zstdClaim() throws {
        // Magic, single segment with an 8-byte content size of 1 GiB, and one raw block of one byte.
        let lie = ByteBuffer(
            bytes: [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0x09, 0, 0, 0x41]
        )
        #expect(throws: RecordError.self) { try Decompressor().decompress(lie, codec: .zstd, limit: 2 << 30) }
        #expect(throws: RecordError.inflatesBeyondLimit(.zstd, limit: 1_000)) {
            try Decompressor().decompress(lie, codec: .zstd, limit: 1_000)
        }
    }

    @Test("raw snappy blocks are read as well as framed ones")
    func rawSnappy() throws {
        // "aaaaaaaaaa": its length, a literal of one byte, and a copy of nine from one byte back.
        let raw = ByteBuffer(bytes: [0x0a, 0x00, 0x61, 0x15, 0x01])
        #expect(try Decompressor().decompress(raw, codec: .snappy) == ByteBuffer(string: "aaaaaaaaaa"))
        // Two framed streams, one after the other.
        var two = try self.compress(Array("first ".utf8), .snappy)
        two.writeImmutableBuffer(try self.compress(Array("second".utf8), .snappy))
        #expect(try Decompressor().decompress(two, codec: .snappy) == ByteBuffer(string: "first second"))
    }

    @Test("lz4 frames are made of independent blocks, the only ones that Java reads")
    func lz4Flags() throws {
        let frame = try self.compress(Array("some text".utf8), .lz4)
        let flags = try #require(frame.getInteger(at: 4, as: UInt8.self))
        #expect(flags & 0xe0 == 0x60)
    }

    @Test("every cut of a compressed batch is an error, and so is a byte too many", arguments: compressing)
    func cuts(_ codec: CompressionCodec) throws {
        var random = SeededGenerator(seed: 3)
        let bytes = random.text(2_000)
        let whole = try self.compress(bytes, codec)
        let decompressor = Decompressor()
        for count in 0..<whole.readableBytes {
            let cut = try #require(whole.getSlice(at: 0, length: count))
            // A framed snappy stream ends with any block, and no bytes are an empty zstd stream.
            if let shorter = try? decompressor.decompress(cut, codec: codec) {
                #expect(codec == .snappy || codec == .zstd && count == 0)
                #expect(shorter.readableBytes == 0)
            }
        }
        var longer = whole
        longer.writeInteger(UInt8(1))
        #expect(throws: RecordError.self) { try decompressor.decompress(longer, codec: codec) }
        #expect(try decompressor.decompress(whole, codec: codec).readableBytesView.elementsEqual(bytes))
    }
}
