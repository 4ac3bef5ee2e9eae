// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads a file descriptor on a thread that may block, so that answers of the cluster are handled meanwhile.
struct InputReader {
    enum Event: Sendable {
        case bytes(ByteBuffer)
        /// Nothing came for as long as the caller wanted to wait.
        case idle
        case end
    }

    /// The most that one read brings, in bytes.
    static let readBytes = 256 * 1024

    let descriptor: Int32

    init(descriptor: Int32 = STDIN_FILENO) { self.descriptor = descriptor }

    /// What comes next; with `patience`, no later than after so many milliseconds.
    func next(patience: Int32? = nil) async throws -> Event {
        let descriptor = self.descriptor
        return try await NIOThreadPool.singleton.runIfActive {
            if let patience {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                if poll(&waiting, 1, patience) == 0 { return .idle }
            }
            return try Self.read(descriptor)
        }
    }

    private static func read(_ descriptor: Int32) throws -> Event {
        var buffer = ByteBuffer()
        while true {
            var failure: Int32 = 0
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.readBytes) { room in
                let count = systemRead(descriptor, room.baseAddress, room.count)
                failure = count < 0 ? errno : 0
                return max(count, 0)
            }
            if count > 0 { return .bytes(buffer) }
            if failure == 0 { return .end }
            guard failure == EINTR else {
                throw CommandFailure("the input cannot be read: \(String(cString: strerror(failure)))")
            }
        }
    }

    /// A whole file.
    static func contents(of path: String) async throws -> ByteBuffer {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else {
            throw CommandFailure(
                "\(path) cannot be read: \(String(cString: strerror(errno)))",
                status: errno == ENOENT ? .notFound : .failure)
        }
        defer { _ = close(descriptor) }
        let reader = InputReader(descriptor: descriptor)
        var contents = ByteBuffer()
        while case .bytes(var bytes) = try await reader.next() { contents.writeBuffer(&bytes) }
        return contents
    }
}

/// An input of lines: the standard input, or a file.
struct InputFile: Sendable {
    /// Nil for the standard input.
    let name: String?
    let reader: InputReader
    /// The bytes that are left of a regular file; nil for a pipe or a terminal.
    let size: Int64?

    private init(name: String?, descriptor: Int32) {
        self.name = name
        self.reader = InputReader(descriptor: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            self.size = nil
            return
        }
        self.size = max(Int64(status.st_size) - Int64(max(lseek(descriptor, 0, SEEK_CUR), 0)), 0)
    }

    /// Opens all of them, so that a name that is wrong is told before anything is written; `-` and no names at all are
    /// the standard input. Throws `CommandFailure`.
    static func open(_ paths: [String]) throws -> [InputFile] {
        guard !paths.isEmpty else { return [InputFile(name: nil, descriptor: STDIN_FILENO)] }
        var files: [InputFile] = []
        do {
            for path in paths {
                guard path != "-" else {
                    files.append(InputFile(name: nil, descriptor: STDIN_FILENO))
                    continue
                }
                let descriptor = systemOpen(path)
                guard descriptor >= 0 else {
                    throw CommandFailure(
                        "\(path) cannot be read: \(String(cString: strerror(errno)))",
                        status: errno == ENOENT ? .notFound : .failure)
                }
                files.append(InputFile(name: path, descriptor: descriptor))
            }
        } catch {
            for file in files { file.close() }
            throw error
        }
        return files
    }

    func close() {
        if self.reader.descriptor != STDIN_FILENO { systemClose(self.reader.descriptor) }
    }
}

/// `open` and `close` of the C library, where the names are taken.
private func systemOpen(_ path: String) -> Int32 { open(path, O_RDONLY | O_CLOEXEC) }
private func systemClose(_ descriptor: Int32) { _ = close(descriptor) }

/// `read` of the C library, where the name is taken.
private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
