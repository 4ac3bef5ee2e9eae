// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// How hard each codec works, as the `compression.<codec>.level` configs have it. Values out of range are clamped.
public struct CompressionLevels: Sendable, Hashable {
    /// 1 (fast) to 9 (small), or -1 for the library's middle way.
    public var gzip: Int32
    /// 1 to 17. The default 9 is the fast compressor, as it is in Kafka; any other level from 3 on is the
    /// high-compression one, which is slow.
    public var lz4: Int32
    /// -131072 (fast) to 22 (small).
    public var zstd: Int32

    /// The defaults are Kafka's.
    public init(gzip: Int32 = -1, lz4: Int32 = 9, zstd: Int32 = 3) {
        self.gzip = gzip
        self.lz4 = lz4
        self.zstd = zstd
    }
}

/// Compresses the records of batches, with contexts that are made once and used again.
///
/// Owned by one thread at a time; a thread that builds many batches keeps one. Contexts are made when a codec is
/// first used.
public final class Compressor {
    private var gzip: GzipDeflater?
    private var lz4: LZ4Deflater?
    private var zstd: ZstdDeflater?

    /// Costs nothing yet.
    public init() {}

    /// Writes the compressed form of `input` at the end of `output`, in the framing that every client reads.
    ///
    /// Throws `codecFailure` when a library has no memory and `batchTooLarge` for 2 GiB and more.
    public func compress(
        _ input: UnsafeRawBufferPointer, codec: CompressionCodec, levels: CompressionLevels = CompressionLevels(),
        appendingTo output: inout ByteBuffer
    ) throws(RecordError) {
        // Leaves room for what a codec adds to bytes that do not compress.
        guard input.count < Int(Int32.max) / 8 * 7 else { throw .batchTooLarge }
        switch codec {
        case .none:
            output.writeBytes(input)
        case .gzip:
            if self.gzip?.level != levels.gzip { self.gzip = try GzipDeflater(level: levels.gzip) }
            try self.gzip?.deflate(input, appendingTo: &output)
        case .snappy:
            try Snappy.deflate(input, appendingTo: &output)
        case .lz4:
            if self.lz4 == nil { self.lz4 = try LZ4Deflater() }
            try self.lz4?.deflate(input, level: levels.lz4, appendingTo: &output)
        case .zstd:
            if self.zstd == nil { self.zstd = try ZstdDeflater() }
            try self.zstd?.deflate(input, level: levels.zstd, appendingTo: &output)
        }
    }
}

/// What a thread that handles batches keeps: the contexts of all codecs, made when they are first needed.
public final class CompressionContexts {
    /// Inflates.
    public let decompressor = Decompressor()
    /// Compresses.
    public let compressor = Compressor()

    /// Costs nothing yet.
    public init() {}
}
