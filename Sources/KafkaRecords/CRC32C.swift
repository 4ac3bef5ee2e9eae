// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CISAL

/// The CRC-32C (Castagnoli) of `bytes`, as record batches carry it.
///
/// Linear in the bytes, at several bytes per clock cycle on x86 and Arm. A checksum over several pieces is made by
/// passing the result for the first as the `seed` of the second.
public func crc32c(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    guard let start = bytes.baseAddress else { return seed }
    var register = ~seed
    var position = 0
    while position < bytes.count {
        // The library counts bytes in a C int.
        let count = min(bytes.count &- position, Int(Int32.max))
        let piece = start.advanced(by: position).assumingMemoryBound(to: UInt8.self)
        // It takes a mutable pointer and only reads through it.
        register = crc32_iscsi(UnsafeMutablePointer(mutating: piece), Int32(count), register)
        position &+= count
    }
    return ~register
}
