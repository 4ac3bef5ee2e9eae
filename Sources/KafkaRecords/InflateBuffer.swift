// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Where a codec writes what it inflates: grows by doubling as bytes really arrive, up to a limit.
///
/// Sizes that the compressed bytes claim never decide what is allocated, they are at most a hint.
struct InflateBuffer {
    /// The first allocation, in bytes: enough for the batches that most producers send.
    static let initialCapacity = 64 * 1024

    let codec: CompressionCodec
    /// The most bytes that may be inflated.
    let limit: Int
    var bytes: ByteBuffer

    init(codec: CompressionCodec, limit: Int, reusing bytes: ByteBuffer) {
        self.codec = codec
        // One byte more than the limit must still be addressable.
        self.limit = min(max(limit, 0), Int(Int32.max) - 1)
        self.bytes = bytes
    }

    /// Makes room for at least one more byte, or throws when the limit is passed.
    mutating func grow() throws(RecordError) {
        try self.checkLimit()
        guard self.bytes.writableBytes == 0 else { return }
        let wanted = max(Self.initialCapacity, self.bytes.capacity)
        self.bytes.reserveCapacity(minimumWritableBytes: min(wanted, self.limit + 1 - self.bytes.readableBytes))
    }

    /// Makes room for `count` more bytes, or throws when they would pass the limit. The caller has made sure that
    /// the count is plausible.
    mutating func reserve(_ count: Int) throws(RecordError) {
        guard count <= self.limit - self.bytes.readableBytes else { throw self.beyondLimit }
        self.bytes.reserveCapacity(minimumWritableBytes: count)
    }

    /// Throws when there are more bytes than the limit.
    func checkLimit() throws(RecordError) {
        guard self.bytes.readableBytes <= self.limit else { throw self.beyondLimit }
    }

    var beyondLimit: RecordError { .inflatesBeyondLimit(self.codec, limit: self.limit) }

    /// Gives `body` the room that there is, which may end one byte past the limit so that passing it can be seen;
    /// `body` returns how many bytes it wrote.
    @inline(__always)
    mutating func write(_ body: (UnsafeMutableRawBufferPointer) -> Int) {
        let allowed = self.limit + 1 - self.bytes.readableBytes
        self.bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { room in
            body(UnsafeMutableRawBufferPointer(rebasing: room[..<min(room.count, allowed)]))
        }
    }
}
