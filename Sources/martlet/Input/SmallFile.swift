// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file of settings: read at once, and written so that it is there as it was or as it is to be, never in between.
///
/// Without Foundation, whose loading would take longer than the rest of the start.
struct SmallFile {
    /// No file of settings is longer, in bytes: what is was named by mistake.
    static let bytesMax = 1 << 20

    let path: String

    init(_ path: String) { self.path = path }

    /// The contents; nil when there is no such file. Throws `CommandFailure` for what cannot be read.
    func text() throws -> String? {
        let descriptor = open(self.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw self.failure("cannot be read")
        }
        defer { _ = close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw self.failure("cannot be read") }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= Self.bytesMax else {
                throw CommandFailure(
                    "\(self.path) has more than \(Self.bytesMax) bytes: that is no file of settings", status: .usage)
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("\(self.path) is not text in UTF-8", status: .usage)
        }
        return text
    }

    /// Others than the owner may read it. False when there is no such file.
    var isOpenToOthers: Bool {
        var status = stat()
        return stat(self.path, &status) == 0 && status.st_mode & 0o077 != 0
    }

    /// Puts this text in its place, for the owner's eyes only (0600), in a directory that is made if it is missing. The
    /// text is on the disk when this returns.
    ///
    /// A symbolic link stays one: what it points to is replaced.
    func replace(with text: String) throws {
        if let target = realpath(self.path, nil) {
            defer { free(target) }
            let file = Self(String(cString: target))
            if file.path != self.path { return try file.replace(with: text) }
        }
        try Self.makeDirectory(Self.parent(self.path))
        let draft = "\(self.path).\(getpid()).new"
        // One that stands there is of a process that died.
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self(draft).failure("cannot be written") }
        do {
            try Self(draft).write(Array(text.utf8), to: descriptor)
            guard close(descriptor) == 0 else { throw Self(draft).failure("cannot be written") }
            guard rename(draft, self.path) == 0 else { throw self.failure("cannot be replaced") }
        } catch {
            unlink(draft)
            throw error
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        do {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw self.failure("cannot be written") }
                rest = rest.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw self.failure("cannot be written") }
        } catch {
            _ = close(descriptor)
            throw error
        }
    }

    private static func makeDirectory(_ path: String) throws {
        guard !path.isEmpty, mkdir(path, 0o700) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, path != "/" else { throw Self(path).failure("cannot be made") }
        try Self.makeDirectory(Self.parent(path))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self(path).failure("cannot be made") }
    }

    /// The directory that a path is in; empty for the current one.
    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private func failure(_ what: String) -> CommandFailure {
        CommandFailure("\(self.path) \(what): \(String(cString: strerror(errno)))")
    }
}

/// `write`, where the name means something else.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
