// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CZstd
import NIOCore

/// Inflates Zstandard frames with one context.
///
/// It inflates in one go, because the streaming form allocates the window that the frame asks for before the first
/// byte comes out. When the room turns out too small it starts again with four times as much, which costs a third
/// more than knowing the size at worst.
final class ZstdInflater {
    /// How far the content size of a frame is believed: this many times the compressed size.
    private static let believedRatio = 64

    private let context: OpaquePointer

    init() throws(RecordError) {
        guard let context = ZSTD_createDCtx() else { throw .codecFailure(.zstd, reason: "out of memory") }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(self.context) }

    func inflate(_ input: UnsafeRawBufferPointer, into output: inout InflateBuffer) throws(RecordError) {
        // Both "unknown" and "damaged" are the two largest numbers; inflating tells them apart.
        let claimed = ZSTD_getFrameContentSize(input.baseAddress, input.count)
        let isSizeKnown = claimed < UInt64.max - 1
        if isSizeKnown, claimed > UInt64(output.limit) { throw output.beyondLimit }
        let hint = isSizeKnown ? min(Int(claimed), input.count * Self.believedRatio) : 0
        var room = max(InflateBuffer.initialCapacity, hint, output.bytes.capacity)
        while true {
            room = min(room, output.limit)
            try output.reserve(room)
            var result = 0
            output.write { bytes in
                result = ZSTD_decompressDCtx(
                    self.context, bytes.baseAddress, bytes.count, input.baseAddress, input.count
                )
                return ZSTD_isError(result) == 0 ? result : 0
            }
            if ZSTD_isError(result) == 0 { return try output.checkLimit() }
            guard ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall else {
                throw .malformedCompression(.zstd, reason: String(cString: ZSTD_getErrorName(result)))
            }
            guard room < output.limit else { throw output.beyondLimit }
            room *= 4
        }
    }
}

/// Writes Zstandard frames, with their content size, with one context.
final class ZstdDeflater {
    private let context: OpaquePointer

    init() throws(RecordError) {
        guard let context = ZSTD_createCCtx() else { throw .codecFailure(.zstd, reason: "out of memory") }
        self.context = context
    }

    deinit { ZSTD_freeCCtx(self.context) }

    func deflate(
        _ input: UnsafeRawBufferPointer, level: Int32, appendingTo output: inout ByteBuffer
    ) throws(RecordError) {
        let clamped = min(max(level, ZSTD_minCLevel()), ZSTD_maxCLevel())
        ZSTD_CCtx_setParameter(self.context, ZSTD_c_compressionLevel, clamped)
        var result = 0
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: ZSTD_compressBound(input.count)) { room in
            result = ZSTD_compress2(self.context, room.baseAddress, room.count, input.baseAddress, input.count)
            return ZSTD_isError(result) == 0 ? result : 0
        }
        guard ZSTD_isError(result) == 0 else {
            throw .codecFailure(.zstd, reason: String(cString: ZSTD_getErrorName(result)))
        }
    }
}
