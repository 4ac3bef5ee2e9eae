// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Base64 with padding (RFC 4648, section 4), as SCRAM writes salts, proofs and signatures.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    /// The value of each character of the alphabet, by its code; nil for all others.
    private static let values: [UInt32?] = {
        var values = [UInt32?](repeating: nil, count: 256)
        for (value, character) in Self.alphabet.enumerated() { values[Int(character)] = UInt32(value) }
        return values
    }()

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        var iterator = bytes.makeIterator()
        while let first = iterator.next() {
            let second = iterator.next()
            let third = second == nil ? nil : iterator.next()
            let group = UInt32(first) << 16 | UInt32(second ?? 0) << 8 | UInt32(third ?? 0)
            text.append(Self.alphabet[Int(group >> 18)])
            text.append(Self.alphabet[Int(group >> 12 & 63)])
            text.append(second == nil ? Self.padding : Self.alphabet[Int(group >> 6 & 63)])
            text.append(third == nil ? Self.padding : Self.alphabet[Int(group & 63)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for anything that ``encode(_:)`` would not have written: white space, missing padding, loose bits at the end.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 4) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3)
        for start in stride(from: 0, to: characters.count, by: 4) {
            let quad = characters[start..<(start + 4)]
            let isLast = start + 4 == characters.count
            let padded = isLast ? quad.reversed().prefix { $0 == Self.padding }.count : 0
            guard padded <= 2 else { return nil }
            var group: UInt32 = 0
            for character in quad.dropLast(padded) {
                guard let value = Self.values[Int(character)] else { return nil }
                group = group << 6 | value
            }
            group <<= 6 * UInt32(padded)
            guard group & (UInt32(1) << (8 * UInt32(padded)) - 1) == 0 else { return nil }
            bytes.append(UInt8(truncatingIfNeeded: group >> 16))
            if padded < 2 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
            if padded < 1 { bytes.append(UInt8(truncatingIfNeeded: group)) }
        }
        return bytes
    }
}
