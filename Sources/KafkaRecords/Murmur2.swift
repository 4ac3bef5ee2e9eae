// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

/// The 32-bit MurmurHash2 with the seed that Java's producer uses: which partition a key goes to depends on it.
public func murmur2(_ bytes: UnsafeRawBufferPointer) -> Int32 {
    let multiplier: UInt32 = 0x5bd1_e995
    var hash: UInt32 = 0x9747_b28c ^ UInt32(truncatingIfNeeded: bytes.count)
    let wordsEnd = bytes.count & ~3
    var position = 0
    while position < wordsEnd {
        var word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
        word = word &* multiplier
        word ^= word >> 24
        hash = (hash &* multiplier) ^ (word &* multiplier)
        position &+= 4
    }
    if wordsEnd < bytes.count {
        for index in wordsEnd..<bytes.count { hash ^= UInt32(bytes[index]) << (8 * UInt32(index - wordsEnd)) }
        hash = hash &* multiplier
    }
    hash ^= hash >> 13
    hash = hash &* multiplier
    hash ^= hash >> 15
    return Int32(bitPattern: hash)
}

/// The hash of the readable bytes of a buffer.
public func murmur2(_ bytes: ByteBuffer) -> Int32 { bytes.withUnsafeReadableBytes { murmur2($0) } }

/// The partition that producers put a key in by default, of a topic with `count` partitions; `count` is at least 1.
public func partition(of key: ByteBuffer, count: Int32) -> PartitionIndex {
    precondition(count > 0, "a topic has at least one partition")
    return PartitionIndex((murmur2(key) & 0x7fff_ffff) % count)
}
