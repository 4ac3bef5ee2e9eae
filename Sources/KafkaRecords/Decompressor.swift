// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// Inflates the records of batches, with contexts and a buffer that are made once and used again.
///
/// Owned by one thread at a time; a thread that handles many batches keeps one. Contexts are made when a codec is
/// first seen.
public final class Decompressor {
    /// The most that the records of one batch may inflate to, in bytes, unless the caller says otherwise: what
    /// `socket.request.max.bytes` allows for a whole request by default, so nothing that could have been sent
    /// uncompressed is refused.
    public static let defaultOutputLimit = 104_857_600
    /// A larger buffer than this, in bytes, is given back instead of kept for the next batch.
    static let keptBufferSize = 4 * 1024 * 1024

    private var gzip: GzipInflater?
    private var lz4: LZ4Inflater?
    private var zstd: ZstdInflater?
    private var kept = ByteBuffer()

    /// Costs nothing yet.
    public init() {}

    /// The inflated records of one batch, in a buffer that is reused once the caller has let go of it.
    ///
    /// Throws `malformedCompression`, `inflatesBeyondLimit` when there are more than `limit` bytes, or `codecFailure`
    /// when a library has no memory. Memory is allocated as bytes come out, whatever sizes the input claims. For the
    /// codec `none` it copies.
    public func decompress(
        _ input: UnsafeRawBufferPointer, codec: CompressionCodec, limit: Int = defaultOutputLimit
    ) throws(RecordError) -> ByteBuffer {
        var reusable = self.kept
        self.kept = ByteBuffer()
        // Makes a new buffer if the caller still holds the last one.
        reusable.clear(minimumCapacity: 0)
        var output = InflateBuffer(codec: codec, limit: limit, reusing: reusable)
        reusable = ByteBuffer()
        switch codec {
        case .none:
            try output.reserve(input.count)
            output.bytes.writeBytes(input)
        case .gzip:
            if self.gzip == nil { self.gzip = try GzipInflater() }
            try self.gzip?.inflate(input, into: &output)
        case .snappy:
            try Snappy.inflate(input, into: &output)
        case .lz4:
            if self.lz4 == nil { self.lz4 = try LZ4Inflater() }
            try self.lz4?.inflate(input, into: &output)
        case .zstd:
            if self.zstd == nil { self.zstd = try ZstdInflater() }
            try self.zstd?.inflate(input, into: &output)
        }
        if output.bytes.capacity <= Self.keptBufferSize { self.kept = output.bytes }
        return output.bytes
    }

    /// Inflates the readable bytes of a buffer.
    public func decompress(
        _ input: ByteBuffer, codec: CompressionCodec, limit: Int = defaultOutputLimit
    ) throws(RecordError) -> ByteBuffer {
        try input.withReadableBytes { (bytes) throws(RecordError) in
            try self.decompress(bytes, codec: codec, limit: limit)
        }
    }
}

extension ByteBuffer {
    /// `withUnsafeReadableBytes` with typed throws.
    @inline(__always)
    func withReadableBytes<Value>(
        _ body: (UnsafeRawBufferPointer) throws(RecordError) -> Value
    ) throws(RecordError) -> Value {
        let result: Result<Value, RecordError> = self.withUnsafeReadableBytes { bytes in
            do throws(RecordError) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
