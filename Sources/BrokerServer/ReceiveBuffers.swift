// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Chooses the memory that each read of a socket fills, so that a large frame is received straight into the one buffer
/// in which it is decoded: the socket read is the only copy of record bytes that the broker makes.
///
/// NIO asks for a buffer before each read and hands it on filled. Here the buffer may already hold the beginning of a
/// frame; the read then goes on where the last one ended.
///
/// - Between frames a buffer of the size that recent reads have filled is given, up to `maxReadAhead`: a producer of
///   small batches gets many frames out of one read. After a large frame only `peekSize` bytes are read, enough to learn
///   the next frame's length without having to move much of it.
/// - Inside a frame a buffer with room for the rest of it is given.
///
/// Owned by one connection and used on its event loop only.
final class ReceiveBuffers {
    /// Bytes of the first read of a connection, and the least of any.
    static let minReadAhead = 2 * 1024
    /// Bytes of a read between frames at the most, where memory is no matter. Fewer system calls do not pay any more from
    /// here on.
    static let maxReadAhead = 1024 * 1024
    /// Bytes to read first where large frames are expected; they are moved into the frame's own buffer.
    static let peekSize = 16 * 1024
    /// A frame of more bytes than this is large.
    static let largeFrame = 256 * 1024
    /// A frame may announce more than ever comes. Beyond this size memory is only allocated for twice what is there.
    static let trustedFrame = 2 * 1024 * 1024

    private let maxReadAhead: Int
    private var readAhead = ReceiveBuffers.minReadAhead
    private var expectsLargeFrame = false
    /// The beginning of a frame, received but not complete, in a buffer with room for more.
    private var partial: ByteBuffer?
    /// Bytes at the front of the buffer that NIO was given last: they were received before.
    private var lentByteCount = 0

    /// - Parameter maxReadAhead: bytes of a read between frames at the most.
    init(maxReadAhead: Int = ReceiveBuffers.maxReadAhead) {
        self.maxReadAhead = max(maxReadAhead, Self.minReadAhead)
    }

    /// Bytes of the frame that has begun, as far as they are here.
    var partialByteCount: Int { self.partial?.readableBytes ?? 0 }

    /// The buffer for the next read. What is partial moves into it, so that it is the only owner of its memory.
    func next(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        if let buffer = self.partial.take() {
            self.lentByteCount = buffer.readableBytes
            return buffer
        }
        self.lentByteCount = 0
        let size = self.expectsLargeFrame ? min(Self.peekSize, self.readAhead) : self.readAhead
        return allocator.buffer(capacity: max(size, Self.minReadAhead))
    }

    /// Notes how many bytes a read brought.
    func didRead(_ byteCount: Int) {
        if self.expectsLargeFrame { return }
        if byteCount >= self.readAhead {
            self.readAhead = min(self.readAhead * 4, self.maxReadAhead)
        } else if byteCount < self.readAhead / 8 {
            self.readAhead = max(self.readAhead / 2, Self.minReadAhead)
        }
    }

    /// Takes what a read brought, which begins with what was lent for it.
    ///
    /// - Throws: when a lent beginning did not come back: a read failed in a way that loses bytes of the stream.
    func received(_ buffer: ByteBuffer) throws(FrameError) -> ByteBuffer {
        guard self.partial == nil, buffer.readableBytes >= self.lentByteCount else { throw .lostBytes }
        self.lentByteCount = 0
        return buffer
    }

    /// Keeps the beginning of a frame for the next read to go on with.
    ///
    /// - Parameter frameSize: bytes of the whole frame with its length field, or nil while that is not known.
    func keep(_ rest: ByteBuffer, frameSize: Int?, _ allocator: ByteBufferAllocator) {
        let held = rest.readableBytes
        let frameSize = frameSize ?? held + 1
        if frameSize > Self.largeFrame { self.expectsLargeFrame = true }
        // Slices that were handed out share the memory of a buffer whose reader has moved.
        if rest.readerIndex == 0, rest.capacity >= frameSize || rest.writableBytes >= Self.largeFrame {
            self.partial = rest
            return
        }
        let trusted = min(frameSize, max(Self.trustedFrame, 2 * held))
        let size = frameSize > Self.largeFrame ? trusted : max(trusted, self.readAhead)
        var moved = Self.exactBuffer(capacity: size, allocator)
        moved.writeImmutableBuffer(rest)
        self.partial = moved
    }

    /// An empty buffer with room for exactly so many bytes.
    ///
    /// The allocator rounds sizes up to a power of two, and a read would fill the room at the end with the beginning of
    /// the next frame, which would then have to be moved. A slice keeps the exact size.
    private static func exactBuffer(capacity: Int, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: capacity)
        buffer.moveWriterIndex(to: capacity)
        guard var exact = buffer.readSlice(length: capacity) else { return allocator.buffer(capacity: capacity) }
        exact.moveWriterIndex(to: 0)
        return exact
    }

    /// Notes the size of a whole frame.
    func didComplete(frameSize: Int) {
        self.expectsLargeFrame = frameSize > Self.largeFrame
    }
}

/// Gives NIO the buffers of a connection's `ReceiveBuffers`.
struct FrameReceiveAllocator: RecvByteBufferAllocator {
    // Used on the connection's event loop only, as NIO's channel and the frame decoder both are.
    private nonisolated(unsafe) let buffers: ReceiveBuffers

    init(_ buffers: ReceiveBuffers) {
        self.buffers = buffers
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { self.buffers.next(allocator) }

    /// No hint: with one, NIO would keep buffers and hand out old ones.
    func nextBufferSize() -> Int? { nil }

    /// Always true, "the next buffer may be larger": so NIO asks for a new one instead of using the last one again.
    mutating func record(actualReadBytes: Int) -> Bool {
        self.buffers.didRead(actualReadBytes)
        return true
    }
}

/// Why the byte stream of a connection cannot go on.
enum FrameError: Error, CustomStringConvertible {
    case negativeLength(Int32)
    case tooLarge(length: Int32, limit: Int)
    case lostBytes

    var description: String {
        switch self {
        case .negativeLength(let length): "a frame announced \(length) bytes; this is not the Kafka protocol"
        case .tooLarge(let length, let limit):
            "a frame announced \(length) bytes, more than socket.request.max.bytes (\(limit)) allows"
        case .lostBytes: "bytes received from the socket were lost"
        }
    }
}
