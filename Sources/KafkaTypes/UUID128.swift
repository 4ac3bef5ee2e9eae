// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A 128-bit UUID as the protocol carries it: sixteen bytes, most significant first.
///
/// Its text form is Kafka's: unpadded URL-safe base64, 22 characters.
public struct UUID128: Hashable, Sendable, Comparable {
    /// The first eight bytes, most significant first.
    public var high: UInt64
    /// The last eight bytes.
    public var low: UInt64

    /// Any 128 bits; whether they are a proper UUID is not checked.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// All bits zero: "no id" wherever an id may be absent.
    public static let zero = UUID128(high: 0, low: 0)

    /// A random (version 4) UUID whose text form does not begin with a dash, so that it can stand on a command line.
    public static func random(using generator: inout some RandomNumberGenerator) -> UUID128 {
        while true {
            let high = generator.next() & 0xffff_ffff_ffff_0fff | 0x4000
            let low = generator.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
            let id = UUID128(high: high, low: low)
            if id.base64.first != "-" { return id }
        }
    }

    /// In the order of the bytes.
    public static func < (lhs: UUID128, rhs: UUID128) -> Bool { (lhs.high, lhs.low) < (rhs.high, rhs.low) }
}

extension UUID128: CustomStringConvertible {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// 22 characters of URL-safe base64 without padding, as Kafka's tools print ids.
    public var base64: String {
        String(unsafeUninitializedCapacity: 22) { text in
            for index in 0..<22 {
                // 128 bits in groups of six from the top; the last group holds two bits and four zeros.
                let shift = 122 - 6 * index
                let bits = shift >= 0 ? self.bits(from: shift) : (self.low << 4) & 0x3f
                text[index] = Self.alphabet[Int(bits & 0x3f)]
            }
            return 22
        }
    }

    /// The 128 bits shifted right by `shift`, of which the lowest six are of use.
    private func bits(from shift: Int) -> UInt64 {
        if shift >= 64 { return self.high >> UInt64(shift - 64) }
        if shift == 0 { return self.low }
        return self.low >> UInt64(shift) | self.high << UInt64(64 - shift)
    }

    /// Reads the 22-character form; nil for anything else.
    public init?(base64 text: String) {
        guard text.utf8.count == 22 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, character) in text.utf8.enumerated() {
            guard let value = Self.alphabet.firstIndex(of: character) else { return nil }
            if index < 21 {
                high = high << 6 | low >> 58
                low = low << 6 | UInt64(value)
            } else {
                guard value & 0xf == 0 else { return nil }
                high = high << 2 | low >> 62
                low = low << 2 | UInt64(value >> 4)
            }
        }
        self.init(high: high, low: low)
    }

    /// The 22-character form.
    public var description: String { self.base64 }
}

/// The identity of a topic for its whole life (KIP-516): a topic deleted and made again has another one.
public typealias TopicID = UUID128
