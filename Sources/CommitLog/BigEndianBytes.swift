// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension UnsafeRawBufferPointer {
    /// An integer in network byte order. The caller has checked that it is inside the buffer.
    @inline(__always)
    func bigEndian<Integer: FixedWidthInteger>(at position: Int, as: Integer.Type) -> Integer {
        Integer(bigEndian: self.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }
}

extension [UInt8] {
    /// Appends an integer in network byte order.
    mutating func appendBigEndian<Integer: FixedWidthInteger>(_ value: Integer) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }
}
