// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Cuts a stream of bytes into lines, without copying a line that came in one piece. Linear in the bytes.
struct LineSplitter {
    /// The longest line, in bytes: more does not fit into a request to a broker as it is configured by default.
    static let lineBytesMax = 100 * 1024 * 1024

    private var buffer = ByteBuffer()
    /// So many readable bytes have no line end in them.
    private var searched = 0
    /// No line that was handed out shares the storage, so that appending copies nothing that is there.
    private var isOwned = false

    mutating func append(_ bytes: ByteBuffer) {
        guard self.buffer.readableBytes > 0 else {
            self.buffer = bytes
            self.searched = 0
            self.isOwned = false
            return
        }
        if !self.isOwned {
            var fresh = ByteBuffer()
            fresh.reserveCapacity(2 * (self.buffer.readableBytes + bytes.readableBytes))
            fresh.writeImmutableBuffer(self.buffer)
            self.buffer = fresh
            self.isOwned = true
        }
        self.buffer.writeImmutableBuffer(bytes)
    }

    /// The next line without its end; nil when more bytes have to come. Throws for a line that is too long.
    mutating func nextLine() throws -> ByteBuffer? {
        let searched = self.searched
        let end = self.buffer.withUnsafeReadableBytes { bytes -> Int? in
            guard let base = bytes.baseAddress, bytes.count > searched,
                let found = memchr(base + searched, 0x0a, bytes.count - searched)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
        guard let end else {
            self.searched = self.buffer.readableBytes
            guard self.searched <= Self.lineBytesMax else {
                throw CommandFailure("a line of the input has more than \(Self.lineBytesMax) bytes")
            }
            return nil
        }
        self.searched = 0
        self.isOwned = false
        let line = self.buffer.readSlice(length: end)
        self.buffer.moveReaderIndex(forwardBy: 1)
        return line
    }

    /// What came after the last line end; nil when that was the end of the input.
    mutating func lastLine() -> ByteBuffer? {
        guard self.buffer.readableBytes > 0 else { return nil }
        return self.buffer.readSlice(length: self.buffer.readableBytes)
    }
}
