// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What stands for a record's key in an `OffsetMap`: 128 bits, so that two keys of one log never share them by chance.
struct KeyHash: Hashable, Sendable {
    var low: UInt64
    var high: UInt64
}

/// SipHash-2-4 with 128 bits of output.
///
/// Two keys with one hash would be taken for one, and the older value lost. With a secret seed nobody who writes to a
/// topic can look for such keys.
struct KeyHasher: Sendable {
    private let first: UInt64
    private let second: UInt64

    init(seed: CompactionSeed) {
        self.first = seed.first
        self.second = seed.second
    }

    /// Linear in the bytes.
    func hash(_ bytes: UnsafeRawBufferPointer) -> KeyHash {
        var state = State(self.first, self.second)
        let wholeWords = bytes.count & ~7
        var position = 0
        while position < wholeWords {
            state.take(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
            position &+= 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        var shift: UInt64 = 0
        while position < bytes.count {
            last |= UInt64(bytes[position]) << shift
            shift &+= 8
            position &+= 1
        }
        state.take(last)
        return state.finish()
    }

    private struct State {
        var v0: UInt64
        var v1: UInt64
        var v2: UInt64
        var v3: UInt64

        init(_ first: UInt64, _ second: UInt64) {
            self.v0 = first ^ 0x736f_6d65_7073_6575
            self.v1 = second ^ 0x646f_7261_6e64_6f6d ^ 0xee
            self.v2 = first ^ 0x6c79_6765_6e65_7261
            self.v3 = second ^ 0x7465_6462_7974_6573
        }

        @inline(__always)
        mutating func take(_ word: UInt64) {
            self.v3 ^= word
            self.round()
            self.round()
            self.v0 ^= word
        }

        @inline(__always)
        mutating func round() {
            self.v0 = self.v0 &+ self.v1
            self.v1 = Self.rotate(self.v1, 13) ^ self.v0
            self.v0 = Self.rotate(self.v0, 32)
            self.v2 = self.v2 &+ self.v3
            self.v3 = Self.rotate(self.v3, 16) ^ self.v2
            self.v0 = self.v0 &+ self.v3
            self.v3 = Self.rotate(self.v3, 21) ^ self.v0
            self.v2 = self.v2 &+ self.v1
            self.v1 = Self.rotate(self.v1, 17) ^ self.v2
            self.v2 = Self.rotate(self.v2, 32)
        }

        mutating func finish() -> KeyHash {
            self.v2 ^= 0xee
            for _ in 0..<4 { self.round() }
            let low = self.v0 ^ self.v1 ^ self.v2 ^ self.v3
            self.v1 ^= 0xdd
            for _ in 0..<4 { self.round() }
            return KeyHash(low: low, high: self.v0 ^ self.v1 ^ self.v2 ^ self.v3)
        }

        @inline(__always)
        private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
            value &<< count | value &>> (64 &- count)
        }
    }
}

/// Two random numbers that seed the hashes of keys. Hashes live no longer than one cleaning.
public struct CompactionSeed: Sendable {
    let first: UInt64
    let second: UInt64

    /// Both should be random and known to nobody.
    public init(_ first: UInt64, _ second: UInt64) {
        self.first = first
        self.second = second
    }
}
