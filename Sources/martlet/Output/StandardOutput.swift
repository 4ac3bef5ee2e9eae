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

/// Nobody reads the output any more: `| head` has seen enough. Not a failure.
struct OutputClosed: Error {}

/// Collects output and writes it in large pieces.
///
/// Writing blocks the thread that calls: the commands have nothing else to do while nobody takes their output.
struct StandardOutput {
    /// `buffer` is written when it has so many bytes.
    static let flushBytes = 128 * 1024

    /// What was not written yet. Append to it, then call `flushIfLarge` or `flush`.
    var buffer = ByteBuffer()
    private let descriptor: Int32

    init(descriptor: Int32 = STDOUT_FILENO) { self.descriptor = descriptor }

    mutating func print(_ line: String) {
        self.buffer.writeString(line)
        self.buffer.writeInteger(UInt8(ascii: "\n"))
    }

    @inline(__always)
    mutating func flushIfLarge() throws {
        if self.buffer.readableBytes >= Self.flushBytes { try self.flush() }
    }

    /// Writes everything. Throws `OutputClosed` when nobody reads it, `CommandFailure` for a full disk and the like.
    mutating func flush() throws {
        while self.buffer.readableBytes > 0 {
            let descriptor = self.descriptor
            let written = self.buffer.readWithUnsafeReadableBytes { bytes in
                let count = write(descriptor, bytes.baseAddress, bytes.count)
                return (max(count, 0), count)
            }
            guard written < 0 else { continue }
            switch errno {
            case EINTR:
                continue
            case EAGAIN:
                var descriptor = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&descriptor, 1, -1)
            case EPIPE:
                throw OutputClosed()
            default:
                throw CommandFailure("the output cannot be written: \(String(cString: strerror(errno)))")
            }
        }
        self.buffer.clear(minimumCapacity: min(self.buffer.capacity, 2 * Self.flushBytes))
    }
}

/// Lines for people who watch: errors, warnings, questions.
enum StandardError {
    static func print(_ line: String, terminator: String = "\n") {
        var text = line + terminator
        text.withUTF8 { bytes in
            // There is nobody left to tell when this fails.
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
