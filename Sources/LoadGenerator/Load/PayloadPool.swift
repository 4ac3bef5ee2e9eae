// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// The values of a producer's records, made beforehand: chance is too slow for the moment of sending.
///
/// Each is a buffer of its own, so that a stamp can be written into it where it is, without a copy.
struct PayloadPool {
    /// How many there may be.
    static let countMax = 1_000_000
    /// How much memory all pools of a run take, in bytes, unless their records are larger.
    static let bytesMax = 64 << 20

    private(set) var values: [ByteBuffer]

    /// - Parameter share: which part of the memory is for this pool.
    init(_ workload: Workload, share: Double, using generator: inout some RandomNumberGenerator) {
        var left = Int(Double(Self.bytesMax) * share)
        self.values = []
        repeat {
            let size = workload.size.sample(using: &generator)
            self.values.append(Self.value(size, workload, using: &generator))
            left -= size
        } while self.values.count < workload.payloadPoolSize && left > 0
    }

    private static func value(
        _ size: Int, _ workload: Workload, using generator: inout some RandomNumberGenerator
    ) -> ByteBuffer {
        var value = ByteBuffer()
        value.reserveCapacity(size)
        if let payload = workload.payload, !payload.isEmpty {
            while value.readableBytes < size {
                value.writeBytes(payload.prefix(size - value.readableBytes))
            }
            return value
        }
        let randomCount = Int((Double(size) * workload.randomBytesRatio).rounded())
        for _ in 0..<randomCount / 8 { value.writeInteger(generator.next()) }
        for _ in 0..<randomCount % 8 { value.writeInteger(UInt8.random(in: 0...255, using: &generator)) }
        value.writeRepeatingByte(0, count: size - randomCount)
        return value
    }

    /// Writes a stamp into a value, which nobody else may hold.
    mutating func stamp(_ index: Int, _ stamp: RecordStamp) { stamp.write(to: &self.values[index]) }
}
