// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import KafkaClient

@Suite struct FrameAccumulatorTests {
    private static func frame(_ body: [UInt8]) -> [UInt8] {
        [0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xff)] + body
    }

    @Test("frames come out whole however the bytes are cut", arguments: [1, 2, 3, 5, 7, 64, 1000])
    func anyCut(size: Int) throws {
        let bodies: [[UInt8]] = (0..<20).map { number in
            Array(repeating: UInt8(number), count: 4 + number * 7)
        }
        let bytes = bodies.flatMap(Self.frame)
        var accumulator = FrameAccumulator(frameBytesMax: 1000)
        var frames: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            accumulator.append(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
            while let frame = try accumulator.nextFrame() { frames.append(Array(frame.readableBytesView)) }
        }
        #expect(frames == bodies)
    }

    @Test("a length that cannot be is refused at once", arguments: [-1, 0, 3, 1001, Int32.max, Int32.min])
    func impossibleLengths(length: Int32) {
        var accumulator = FrameAccumulator(frameBytesMax: 1000)
        accumulator.append(ByteBuffer(integer: length))
        #expect(throws: FrameAccumulator.InvalidLength(length: length, limit: 1000)) {
            try accumulator.nextFrame()
        }
    }

    @Test("the largest frame that is allowed comes through")
    func largestFrame() throws {
        var accumulator = FrameAccumulator(frameBytesMax: 1000)
        accumulator.append(ByteBuffer(bytes: Self.frame(Array(repeating: 1, count: 1000))))
        #expect(try accumulator.nextFrame()?.readableBytes == 1000)
        #expect(try accumulator.nextFrame() == nil)
    }
}
