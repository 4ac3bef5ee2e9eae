// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Random numbers that a test can have again: the same seed gives the same sequence on every platform.
///
/// The algorithm is xoshiro256**, its state filled by SplitMix64, so that seeds next to each other give sequences that
/// have nothing in common. Not for secrets. Put it into a test's failure comment: its description is its seed.
public struct SeededGenerator: RandomNumberGenerator, Sendable, CustomStringConvertible {
    /// The seed that this generator began with.
    public let seed: UInt64
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Makes the generator of a seed; any value will do.
    public init(seed: UInt64) {
        self.seed = seed
        var mixer = SplitMix(state: seed)
        self.state = (mixer.next(), mixer.next(), mixer.next(), mixer.next())
    }

    /// The next 64 bits of the sequence.
    public mutating func next() -> UInt64 {
        let result = Self.rotate(self.state.1 &* 5, by: 7) &* 9
        let shifted = self.state.1 << 17
        self.state.2 ^= self.state.0
        self.state.3 ^= self.state.1
        self.state.1 ^= self.state.2
        self.state.0 ^= self.state.3
        self.state.2 ^= shifted
        self.state.3 = Self.rotate(self.state.3, by: 45)
        return result
    }

    /// Bytes of the sequence, for payloads.
    public mutating func bytes(count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            withUnsafeBytes(of: self.next().littleEndian) { bytes.append(contentsOf: $0.prefix(count - bytes.count)) }
        }
        return bytes
    }

    /// True in one of `count` cases, on average.
    public mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<max(count, 1), using: &self) == 0 }

    /// The seed, as a test takes it to run again: `seed 42`.
    public var description: String { "seed \(self.seed)" }

    private static func rotate(_ value: UInt64, by count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }
}

/// SplitMix64: good enough to spread a seed over a larger state.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
