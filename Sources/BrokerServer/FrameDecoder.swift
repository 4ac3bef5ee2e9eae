// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Cuts the byte stream of a connection into frames: a four-byte length, then so many bytes.
///
/// Frames are slices of the buffers they were received in. The length is checked before anything is allocated for it.
/// Owned by one connection and used on its event loop only.
struct FrameDecoder {
    private static let lengthSize = MemoryLayout<Int32>.size

    let buffers: ReceiveBuffers
    private let maxFrameSize: Int
    /// Received and not yet handed out.
    private var unread: ByteBuffer?

    /// Bytes of the frame that has begun and is not complete, with its length field; nil while that is not known.
    private(set) var announcedFrameSize: Int?

    /// - Parameters:
    ///   - maxFrameSize: bytes of a frame at the most: the config `socket.request.max.bytes`.
    ///   - maxReadAhead: bytes of a read between frames at the most.
    init(maxFrameSize: Int, maxReadAhead: Int = ReceiveBuffers.maxReadAhead) {
        self.maxFrameSize = maxFrameSize
        self.buffers = ReceiveBuffers(maxReadAhead: maxReadAhead)
    }

    /// Something was received that no frame has been taken from yet: more is not to be asked for until then.
    var hasUnread: Bool { self.unread != nil }

    /// Takes what was read from the socket.
    ///
    /// More may come although there are frames left: when the peer closes its side, everything it has sent is read
    /// whether it was asked for or not. It is kept behind them; it is no more than the system's buffer of a socket.
    mutating func receive(_ buffer: ByteBuffer) throws(FrameError) {
        let received = try self.buffers.received(buffer)
        if self.unread == nil {
            self.unread = received
        } else {
            self.unread?.writeImmutableBuffer(received)
        }
    }

    /// The next whole frame, without its length field; nil when more has to be received first.
    mutating func nextFrame(_ allocator: ByteBufferAllocator) throws(FrameError) -> ByteBuffer? {
        guard var buffer = self.unread.take() else { return nil }
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else {
            if buffer.readableBytes > 0 { self.buffers.keep(buffer, frameSize: nil, allocator) }
            return nil
        }
        if length < 0 { throw .negativeLength(length) }
        if Int(length) > self.maxFrameSize { throw .tooLarge(length: length, limit: self.maxFrameSize) }
        let frameSize = Self.lengthSize + Int(length)
        if buffer.readableBytes < frameSize {
            self.announcedFrameSize = frameSize
            self.buffers.keep(buffer, frameSize: frameSize, allocator)
            return nil
        }
        buffer.moveReaderIndex(forwardBy: Self.lengthSize)
        let frame = buffer.readSlice(length: Int(length))
        self.announcedFrameSize = nil
        self.buffers.didComplete(frameSize: frameSize)
        if buffer.readableBytes > 0 { self.unread = buffer }
        return frame
    }
}
