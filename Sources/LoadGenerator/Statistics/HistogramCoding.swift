// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// HdrHistogram's encoding V2 without compression, in base64: other libraries of HdrHistogram read it.
///
/// Integers are big-endian: a cookie, the length of what follows the header, an offset that is always 0, the number of
/// significant digits, lowest and highest value, and a factor for floating point; then the counts from the lowest value
/// on, each a zigzag LEB128 number, where a negative one stands for so many zeros.
extension LatencyHistogram {
    private static let cookie: UInt32 = 0x1c84_9303 | 0x10
    private static let headerBytes = 40
    private static let digits: UInt32 = 3
    /// Counts of the bucket that is exact to the lowest value, and those that each further one adds.
    private static let firstBucketCounts = 2048
    /// Powers of two of a step: `lowest` rounded down to one.
    private static let unitMagnitude = 9
    /// More records than any run has.
    private static let countMax = 1 << 53
    /// The largest text that is decoded, in characters: one with all counts in use and as large as can be has fewer.
    static let encodedMax = 1 << 20

    /// The counts by value, as text.
    var encoded: String {
        var counts: [UInt8] = []
        var next = 0
        for (value, count) in self.recorded {
            let index = Self.index(of: UInt64(value))
            if index > next { Self.write(-(index - next), to: &counts) }
            Self.write(count, to: &counts)
            next = index + 1
        }
        var bytes = Data()
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
        }
        append(Self.cookie)
        append(UInt32(counts.count))
        append(UInt32(0))
        append(Self.digits)
        append(Self.lowest)
        append(Self.highest)
        append(Double(1).bitPattern)
        bytes.append(contentsOf: counts)
        return bytes.base64EncodedString()
    }

    /// Nil for a text that is none, and for a histogram with another range or precision.
    init?(encoded: String) {
        guard encoded.utf8.count <= Self.encodedMax, let data = Data(base64Encoded: encoded),
            data.count >= Self.headerBytes
        else { return nil }
        let bytes = Array(data)
        func integer<Integer: FixedWidthInteger>(at offset: Int, as: Integer.Type) -> Integer {
            bytes[offset..<offset + MemoryLayout<Integer>.size].reduce(0) { $0 << 8 | Integer($1) }
        }
        guard integer(at: 0, as: UInt32.self) == Self.cookie, integer(at: 12, as: UInt32.self) == Self.digits,
            integer(at: 16, as: UInt64.self) == Self.lowest, integer(at: 24, as: UInt64.self) == Self.highest,
            Int(integer(at: 4, as: UInt32.self)) == bytes.count - Self.headerBytes
        else { return nil }
        self.init()
        var rest = bytes[Self.headerBytes...]
        var index = 0
        var total = 0
        let indexMax = Self.index(of: Self.highest)
        while !rest.isEmpty {
            guard let count = Self.read(from: &rest) else { return nil }
            if count < 0 {
                guard count >= -indexMax else { return nil }
                index += -count
            } else {
                guard index <= indexMax, count <= Self.countMax - total else { return nil }
                total += count
                if count > 0 { self.record(Int64(Self.value(at: index)), count: count) }
                index += 1
            }
        }
    }

    /// The position of the count that a value belongs to.
    static func index(of value: UInt64) -> Int {
        let steps = Int(value >> UInt64(Self.unitMagnitude))
        guard steps >= Self.firstBucketCounts else { return steps }
        // Each bucket has steps twice as wide, and only its upper half is not covered by the one before.
        let bucket = Int.bitWidth - steps.leadingZeroBitCount - Self.firstBucketCounts.trailingZeroBitCount
        return bucket * (Self.firstBucketCounts / 2) + steps >> bucket
    }

    /// The smallest value of a position.
    static func value(at index: Int) -> UInt64 {
        guard index >= Self.firstBucketCounts else { return UInt64(index) << UInt64(Self.unitMagnitude) }
        let half = Self.firstBucketCounts / 2
        let bucket = index / half - 1
        return UInt64(index - bucket * half) << UInt64(bucket + Self.unitMagnitude)
    }

    private static func write(_ value: Int, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: Int64(value << 1 ^ value >> 63))
        // Nine bytes at most: the last one has eight bits.
        for _ in 0..<8 {
            guard rest >= 0x80 else { break }
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func read(from bytes: inout ArraySlice<UInt8>) -> Int? {
        var value: UInt64 = 0
        for position in 0..<9 {
            guard let byte = bytes.popFirst() else { return nil }
            if position == 8 {
                value |= UInt64(byte) << 56
                break
            }
            value |= UInt64(byte & 0x7f) << UInt64(7 * position)
            if byte < 0x80 { break }
        }
        return Int(Int64(bitPattern: value >> 1)) ^ -Int(value & 1)
    }
}
