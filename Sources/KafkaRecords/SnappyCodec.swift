// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CSnappy
import NIOCore

/// Snappy, in the two forms that are found in batches.
///
/// - Raw: one snappy block, as librdkafka writes it.
/// - Framed: the eight bytes `82 53 4e 41 50 50 59 00`, two 32-bit versions, then any number of snappy blocks, each
///   after its length as a 32-bit big-endian integer. Java's producer writes it.
///
/// Both are read. The framed form is written: every client reads it, because Java's producer has never written
/// anything else, and a reader can inflate it block by block.
enum Snappy {
    private static let magic: [UInt8] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
    /// The magic, the version, and the oldest version that can read it.
    private static let frameHeaderSize = 16
    /// The uncompressed bytes of a block that we write: what Java's default is.
    private static let blockSize = 32 * 1024
    /// No snappy element makes more than 64 bytes of 3, so a block that claims more than this lies.
    private static let largestRatio = 22

    static func inflate(_ input: UnsafeRawBufferPointer, into output: inout InflateBuffer) throws(RecordError) {
        guard self.hasFrameHeader(input, at: 0) else { return try self.inflateBlock(input, into: &output) }
        var position = self.frameHeaderSize
        while position < input.count {
            // Streams that were put one after the other: a header stands where a length could.
            if self.hasFrameHeader(input, at: position) {
                position += self.frameHeaderSize
                continue
            }
            guard input.count - position >= 4 else {
                throw .malformedCompression(.snappy, reason: "the length of a block is cut off")
            }
            let length = Int(input.bigEndian(at: position, as: Int32.self))
            position += 4
            guard length > 0, length <= input.count - position else {
                throw .malformedCompression(
                    .snappy, reason: "a block of \(length) bytes where \(input.count - position) are left"
                )
            }
            let block = UnsafeRawBufferPointer(rebasing: input[position..<position + length])
            try self.inflateBlock(block, into: &output)
            position += length
        }
    }

    private static func hasFrameHeader(_ input: UnsafeRawBufferPointer, at position: Int) -> Bool {
        input.count - position >= self.frameHeaderSize
            && input[position..<position + self.magic.count].elementsEqual(self.magic)
    }

    private static func inflateBlock(
        _ block: UnsafeRawBufferPointer, into output: inout InflateBuffer
    ) throws(RecordError) {
        let source = block.baseAddress?.assumingMemoryBound(to: CChar.self)
        var claimed = 0
        guard block.count > 0, snappy_uncompressed_length(source, block.count, &claimed) == SNAPPY_OK else {
            throw .malformedCompression(.snappy, reason: "a block has no length")
        }
        guard claimed <= block.count * self.largestRatio else {
            throw .malformedCompression(.snappy, reason: "a block of \(block.count) bytes claims to hold \(claimed)")
        }
        try output.reserve(claimed)
        var status = SNAPPY_OK
        output.write { room in
            var written = claimed
            status = snappy_uncompress(
                source, block.count, room.baseAddress?.assumingMemoryBound(to: CChar.self), &written
            )
            return status == SNAPPY_OK ? written : 0
        }
        guard status == SNAPPY_OK else { throw .malformedCompression(.snappy, reason: "a block is damaged") }
    }

    static func deflate(_ input: UnsafeRawBufferPointer, appendingTo output: inout ByteBuffer) throws(RecordError) {
        output.writeBytes(self.magic)
        output.writeInteger(Int32(1))
        output.writeInteger(Int32(1))
        var position = 0
        while position < input.count {
            let count = min(self.blockSize, input.count - position)
            let source = input.baseAddress?.advanced(by: position).assumingMemoryBound(to: CChar.self)
            let bound = snappy_max_compressed_length(count)
            var status = SNAPPY_OK
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: 4 + bound) { room in
                var written = room.count - 4
                let target = room.baseAddress?.advanced(by: 4).assumingMemoryBound(to: CChar.self)
                status = snappy_compress(source, count, target, &written)
                guard status == SNAPPY_OK else { return 0 }
                room.storeBigEndian(Int32(truncatingIfNeeded: written), at: 0)
                return 4 + written
            }
            guard status == SNAPPY_OK else { throw .codecFailure(.snappy, reason: "status \(status.rawValue)") }
            position += count
        }
    }
}
