// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CZlib
import NIOCore

/// zlib keeps a pointer back to its stream, so the stream lives at one address.
private func allocateStream() -> UnsafeMutablePointer<z_stream> {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    return stream
}

/// 15 bits of window, and 16 for the gzip wrapper: RFC 1952.
private let gzipWindowBits: Int32 = 15 + 16

/// Inflates gzip members with one zlib stream.
final class GzipInflater {
    private let stream: UnsafeMutablePointer<z_stream>

    init() throws(RecordError) {
        self.stream = allocateStream()
        let status = inflateInit2_(self.stream, gzipWindowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            self.stream.deallocate()
            throw .codecFailure(.gzip, reason: "zlib status \(status)")
        }
    }

    deinit {
        inflateEnd(self.stream)
        self.stream.deallocate()
    }

    func inflate(_ input: UnsafeRawBufferPointer, into output: inout InflateBuffer) throws(RecordError) {
        guard inflateReset(self.stream) == Z_OK, input.count <= Int(Int32.max) else {
            throw .codecFailure(.gzip, reason: "zlib does not take \(input.count) bytes")
        }
        self.stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        )
        self.stream.pointee.avail_in = UInt32(input.count)
        while true {
            try output.grow()
            var status = Z_OK
            output.write { room in
                self.stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
                self.stream.pointee.avail_out = UInt32(room.count)
                status = CZlib.inflate(self.stream, Z_NO_FLUSH)
                return room.count &- Int(self.stream.pointee.avail_out)
            }
            switch status {
            case Z_STREAM_END:
                try output.checkLimit()
                let trailing = self.stream.pointee.avail_in
                guard trailing == 0 else {
                    throw .malformedCompression(.gzip, reason: "\(trailing) bytes follow the stream")
                }
                return
            case Z_OK, Z_BUF_ERROR:
                // All room used: perhaps there is more to come. Room left: the input is used up.
                guard self.stream.pointee.avail_out == 0 else {
                    throw .malformedCompression(.gzip, reason: "the stream is cut off")
                }
            case Z_MEM_ERROR:
                throw .codecFailure(.gzip, reason: "out of memory")
            default:
                let reason = self.stream.pointee.msg.map { String(cString: $0) } ?? "zlib status \(status)"
                throw .malformedCompression(.gzip, reason: reason)
            }
        }
    }
}

/// Writes gzip members with one zlib stream.
final class GzipDeflater {
    /// The level that was asked for, before it was clamped.
    let level: Int32
    private let stream: UnsafeMutablePointer<z_stream>

    init(level: Int32) throws(RecordError) {
        self.level = level
        self.stream = allocateStream()
        let clamped = min(max(level, Z_DEFAULT_COMPRESSION), Z_BEST_COMPRESSION)
        let memoryLevel: Int32 = 8
        let status = deflateInit2_(
            self.stream, clamped, Z_DEFLATED, gzipWindowBits, memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard status == Z_OK else {
            self.stream.deallocate()
            throw .codecFailure(.gzip, reason: "zlib status \(status)")
        }
    }

    deinit {
        deflateEnd(self.stream)
        self.stream.deallocate()
    }

    func deflate(_ input: UnsafeRawBufferPointer, appendingTo output: inout ByteBuffer) throws(RecordError) {
        guard deflateReset(self.stream) == Z_OK else { throw .codecFailure(.gzip, reason: "zlib cannot start again") }
        let bound = Int(deflateBound(self.stream, UInt(input.count)))
        var status = Z_OK
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { room in
            let room = UnsafeMutableRawBufferPointer(rebasing: room[..<bound])
            self.stream.pointee.next_in = UnsafeMutablePointer(
                mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
            )
            self.stream.pointee.avail_in = UInt32(input.count)
            self.stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
            self.stream.pointee.avail_out = UInt32(room.count)
            status = CZlib.deflate(self.stream, Z_FINISH)
            return room.count &- Int(self.stream.pointee.avail_out)
        }
        guard status == Z_STREAM_END else { throw .codecFailure(.gzip, reason: "zlib status \(status)") }
    }
}
