// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import BrokerServer

@Suite("Cutting frames out of a byte stream")
struct FrameDecoderTests {
    private let allocator = ByteBufferAllocator()

    /// Plays the socket: fills the buffers that the decoder asks for from `stream`, at most `chunk` bytes a read.
    private func decode(_ stream: [UInt8], chunk: Int, maxFrameSize: Int = 100 << 20) throws -> [[UInt8]] {
        var decoder = FrameDecoder(maxFrameSize: maxFrameSize)
        var receiveAllocator = FrameReceiveAllocator(decoder.buffers)
        var rest = stream[...]
        var frames: [[UInt8]] = []
        while !rest.isEmpty {
            var buffer = receiveAllocator.buffer(allocator: self.allocator)
            let count = min(chunk, buffer.writableBytes, rest.count)
            #expect(count > 0, "a buffer without room was handed out")
            buffer.writeBytes(rest.prefix(count))
            rest = rest.dropFirst(count)
            _ = receiveAllocator.record(actualReadBytes: count)
            try decoder.receive(buffer)
            while let frame = try decoder.nextFrame(self.allocator) { frames.append(Array(frame.readableBytesView)) }
        }
        return frames
    }

    private func stream(_ frames: [[UInt8]]) -> [UInt8] {
        frames.flatMap { frame in withUnsafeBytes(of: Int32(frame.count).bigEndian, Array.init) + frame }
    }

    @Test("frames come out whole however the bytes arrive", arguments: [1, 3, 7, 100, 4_096, 70_000, 5_000_000])
    func anyChunks(_ chunk: Int) throws {
        var sizes = [0, 1, 5, 16_384, 3, 300]
        if chunk > 1_000 { sizes += [1_048_700, 9, 1_048_700, 1_048_700, 3_000_000, 2, 16_384, 16_384] }
        let frames = sizes.enumerated().map { index, size in (0..<size).map { UInt8(truncatingIfNeeded: $0 &+ index) } }
        #expect(try self.decode(self.stream(frames), chunk: chunk) == frames)
    }

    @Test("frames handed out keep their bytes when later reads come")
    func framesAreNotOverwritten() throws {
        var decoder = FrameDecoder(maxFrameSize: 1_000)
        let receiveAllocator = FrameReceiveAllocator(decoder.buffers)
        var kept: [ByteBuffer] = []
        for round in 0..<50 {
            var buffer = receiveAllocator.buffer(allocator: self.allocator)
            buffer.writeBytes(self.stream([[UInt8(round), 1, 2]]))
            // The first half of the next frame, which the next read completes.
            try decoder.receive(buffer)
            while let frame = try decoder.nextFrame(self.allocator) { kept.append(frame) }
        }
        #expect(
            kept.enumerated().allSatisfy { index, frame in Array(frame.readableBytesView) == [UInt8(index), 1, 2] })
    }

    @Test("what arrives before the last frames were taken out is kept behind them")
    func receivesUnasked() throws {
        var decoder = FrameDecoder(maxFrameSize: 1_000)
        let receiveAllocator = FrameReceiveAllocator(decoder.buffers)
        let stream = self.stream([[1], [2, 2], [3, 3, 3]])
        for part in [stream[..<7], stream[7..<12], stream[12...]] {
            var buffer = receiveAllocator.buffer(allocator: self.allocator)
            buffer.writeBytes(part)
            try decoder.receive(buffer)
        }
        var frames: [[UInt8]] = []
        while let frame = try decoder.nextFrame(self.allocator) { frames.append(Array(frame.readableBytesView)) }
        #expect(frames == [[1], [2, 2], [3, 3, 3]])
        #expect(!decoder.hasUnread)
    }

    @Test("a large frame is received in one piece: its bytes are not moved after the first peek")
    func largeFrameStaysInPlace() throws {
        var decoder = FrameDecoder(maxFrameSize: 100 << 20)
        let receiveAllocator = FrameReceiveAllocator(decoder.buffers)
        let size = 1_048_576
        var first = receiveAllocator.buffer(allocator: self.allocator)
        first.writeInteger(Int32(size))
        first.writeRepeatingByte(7, count: first.writableBytes)
        let peeked = first.readableBytes
        try decoder.receive(first)
        #expect(try decoder.nextFrame(self.allocator) == nil)

        var second = receiveAllocator.buffer(allocator: self.allocator)
        #expect(second.readableBytes == peeked)
        #expect(second.writableBytes == size + 4 - peeked, "the read must end where the frame ends")
        let address = second.withUnsafeReadableBytes { $0.baseAddress }
        second.writeRepeatingByte(7, count: second.writableBytes)
        try decoder.receive(second)
        let frame = try #require(try decoder.nextFrame(self.allocator))
        #expect(frame.readableBytes == size)
        #expect(frame.withUnsafeReadableBytes { $0.baseAddress } == address.map { $0 + 4 })
    }

    @Test("a negative length ends the connection")
    func negativeLength() {
        #expect(throws: FrameError.self) { try self.decode([0xff, 0xff, 0xff, 0xff], chunk: 4) }
    }

    @Test("a frame above socket.request.max.bytes is refused by its length, before anything is allocated for it")
    func tooLarge() {
        let http = Array("GET / HTTP/1.1\r\n".utf8)
        #expect(throws: FrameError.self) { try self.decode(http, chunk: 100) }
        #expect(throws: FrameError.self) { try self.decode([0, 0, 4, 1], chunk: 4, maxFrameSize: 1_024) }
    }

    @Test("a frame that only announces much gets little memory")
    func announcedIsNotAllocated() throws {
        var decoder = FrameDecoder(maxFrameSize: 100 << 20)
        let receiveAllocator = FrameReceiveAllocator(decoder.buffers)
        var buffer = receiveAllocator.buffer(allocator: self.allocator)
        buffer.writeInteger(Int32(90 << 20))
        try decoder.receive(buffer)
        #expect(try decoder.nextFrame(self.allocator) == nil)
        #expect(receiveAllocator.buffer(allocator: self.allocator).capacity <= ReceiveBuffers.trustedFrame)
    }

    @Test("bytes that were lent for a read and did not come back are noticed")
    func lostBytes() throws {
        var decoder = FrameDecoder(maxFrameSize: 1_000)
        let receiveAllocator = FrameReceiveAllocator(decoder.buffers)
        var buffer = receiveAllocator.buffer(allocator: self.allocator)
        buffer.writeBytes([0, 0, 0, 9, 1, 2])
        try decoder.receive(buffer)
        #expect(try decoder.nextFrame(self.allocator) == nil)
        _ = receiveAllocator.buffer(allocator: self.allocator)
        var other = self.allocator.buffer(capacity: 4)
        other.writeBytes([3])
        #expect(throws: FrameError.self) { try decoder.receive(other) }
    }
}
