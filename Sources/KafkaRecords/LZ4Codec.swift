// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CLZ4
import NIOCore

/// Inflates LZ4 frames with one context. Its own memory is bounded by the largest block size of the format, 4 MiB.
final class LZ4Inflater {
    private let context: OpaquePointer

    init() throws(RecordError) {
        var context: OpaquePointer?
        let status = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
        guard LZ4F_isError(status) == 0, let context else {
            throw .codecFailure(.lz4, reason: String(cString: LZ4F_getErrorName(status)))
        }
        self.context = context
    }

    deinit { LZ4F_freeDecompressionContext(self.context) }

    func inflate(_ input: UnsafeRawBufferPointer, into output: inout InflateBuffer) throws(RecordError) {
        var position = 0
        // An error leaves the context in the middle of a frame.
        LZ4F_resetDecompressionContext(self.context)
        while true {
            try output.grow()
            var status = 0
            var consumed = input.count - position
            var isRoomLeft = false
            output.write { room in
                var written = room.count
                status = LZ4F_decompress(
                    self.context, room.baseAddress, &written, input.baseAddress?.advanced(by: position), &consumed, nil
                )
                guard LZ4F_isError(status) == 0 else { return 0 }
                isRoomLeft = written < room.count
                return written
            }
            guard LZ4F_isError(status) == 0 else {
                throw .malformedCompression(.lz4, reason: String(cString: LZ4F_getErrorName(status)))
            }
            position += consumed
            if status == 0 { break }
            guard !isRoomLeft || (consumed > 0 && position < input.count) else {
                throw .malformedCompression(.lz4, reason: "the frame is cut off")
            }
        }
        try output.checkLimit()
        guard position == input.count else {
            throw .malformedCompression(.lz4, reason: "\(input.count - position) bytes follow the frame")
        }
    }
}

/// Writes LZ4 frames of independent 64 KiB blocks, the only kind that Java's client reads.
final class LZ4Deflater {
    private let context: OpaquePointer

    init() throws(RecordError) {
        var context: OpaquePointer?
        let status = LZ4F_createCompressionContext(&context, UInt32(LZ4F_VERSION))
        guard LZ4F_isError(status) == 0, let context else {
            throw .codecFailure(.lz4, reason: String(cString: LZ4F_getErrorName(status)))
        }
        self.context = context
    }

    deinit { LZ4F_freeCompressionContext(self.context) }

    func deflate(
        _ input: UnsafeRawBufferPointer, level: Int32, appendingTo output: inout ByteBuffer
    ) throws(RecordError) {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.autoFlush = 1
        // Kafka's default level stands for the fast compressor; the library's levels end at 12.
        preferences.compressionLevel = level == CompressionLevels().lz4 ? 0 : min(max(level, 0), 12)
        let bound = LZ4F_compressFrameBound(input.count, &preferences)
        var status = 0
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
            let (written, failure) = self.writeFrame(input, preferences: &preferences, to: room)
            status = failure
            return written
        }
        guard status == 0 else {
            throw .codecFailure(.lz4, reason: String(cString: LZ4F_getErrorName(status)))
        }
    }

    /// Returns the bytes written, and 0 or the library's error.
    private func writeFrame(
        _ input: UnsafeRawBufferPointer, preferences: inout LZ4F_preferences_t, to room: UnsafeMutableRawBufferPointer
    ) -> (written: Int, failure: Int) {
        guard let start = room.baseAddress else { return (0, 0) }
        var written = LZ4F_compressBegin(self.context, start, room.count, &preferences)
        guard LZ4F_isError(written) == 0 else { return (0, written) }
        if let source = input.baseAddress, input.count > 0 {
            let count = LZ4F_compressUpdate(
                self.context, start + written, room.count - written, source, input.count, nil
            )
            guard LZ4F_isError(count) == 0 else { return (0, count) }
            written += count
        }
        let count = LZ4F_compressEnd(self.context, start + written, room.count - written, nil)
        guard LZ4F_isError(count) == 0 else { return (0, count) }
        return (written + count, 0)
    }
}
