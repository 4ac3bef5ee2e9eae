// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Cuts the bytes of a connection into frames: a length in four bytes, then that many bytes.
///
/// A frame is a slice of what was read wherever it arrived in one piece. Memory grows with the bytes that have come, not
/// with the length that was announced.
struct FrameAccumulator {
    /// What is reserved, in bytes, for a frame that comes in pieces before more of it has come.
    private static let firstReservation = 1024 * 1024

    /// A length that no Kafka broker sends.
    struct InvalidLength: Error, Equatable {
        /// The four bytes as a number.
        var length: Int32
        /// The largest length that is accepted.
        var limit: Int
    }

    let frameBytesMax: Int
    private var buffer = ByteBuffer()
    /// Nobody else holds the storage of `buffer`, so that writing to it copies nothing.
    private var isOwned = false

    init(frameBytesMax: Int) { self.frameBytesMax = frameBytesMax }

    mutating func append(_ bytes: ByteBuffer) {
        guard self.buffer.readableBytes > 0 else {
            self.buffer = bytes
            self.isOwned = false
            return
        }
        if !self.isOwned {
            let needed = self.buffer.readableBytes + bytes.readableBytes
            let announced = self.buffer.getInteger(at: self.buffer.readerIndex, as: Int32.self).map { Int($0) + 4 } ?? 0
            var fresh = ByteBuffer()
            fresh.reserveCapacity(max(needed, min(announced, max(2 * needed, Self.firstReservation))))
            fresh.writeImmutableBuffer(self.buffer)
            self.buffer = fresh
            self.isOwned = true
        }
        self.buffer.writeImmutableBuffer(bytes)
    }

    /// The next whole frame without its length; nil when more bytes have to come. Throws on a length that cannot be;
    /// nothing more can be read then.
    mutating func nextFrame() throws(InvalidLength) -> ByteBuffer? {
        guard let length = self.buffer.getInteger(at: self.buffer.readerIndex, as: Int32.self) else { return nil }
        // Four bytes of correlation id are the smallest answer.
        guard length >= 4, Int(length) <= self.frameBytesMax else {
            throw InvalidLength(length: length, limit: self.frameBytesMax)
        }
        guard self.buffer.readableBytes >= 4 + Int(length) else { return nil }
        self.buffer.moveReaderIndex(forwardBy: 4)
        let frame = self.buffer.readSlice(length: Int(length))
        if self.buffer.readableBytes == 0 { self.buffer = ByteBuffer() }
        self.isOwned = false
        return frame
    }
}
