// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Standard base64 with padding (RFC 4648, section 4): how bytes that are no text travel in JSON.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    static func encode(_ bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        output.reserveCapacity(minimumWritableBytes: (bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let count = min(3, bytes.count - index)
            var group: UInt32 = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(bytes[index + offset]) : 0) }
            for position in 0..<4 {
                let digit = Self.alphabet[Int(group >> UInt32(18 - 6 * position) & 0x3f)]
                output.writeInteger(position <= count ? digit : Self.padding)
            }
            index += 3
        }
    }

    /// Nil for anything but padded base64.
    static func decode(_ text: String) -> ByteBuffer? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 4) else { return nil }
        let paddingCount = digits.reversed().prefix { $0 == Self.padding }.count
        guard paddingCount <= 2 else { return nil }
        var output = ByteBuffer()
        var group: UInt32 = 0
        for (index, digit) in digits.enumerated() {
            let isPadding = index >= digits.count - paddingCount
            guard let value = isPadding ? 0 : Self.value(of: digit) else { return nil }
            group = group << 6 | value
            guard index % 4 == 3 else { continue }
            output.writeInteger(UInt8(truncatingIfNeeded: group >> 16))
            output.writeInteger(UInt8(truncatingIfNeeded: group >> 8))
            output.writeInteger(UInt8(truncatingIfNeeded: group))
            group = 0
        }
        return output.readSlice(length: output.readableBytes - paddingCount)
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
