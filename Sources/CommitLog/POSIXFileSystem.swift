// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The machine's own file system, by plain system calls: interrupted calls are made again, short reads and writes
/// are continued, and no buffer lies between the caller and the kernel.
public struct POSIXFileSystem: FileSystem {
    /// All instances are the same.
    public init() {}

    /// See `FileSystem`.
    public func open(_ path: String, _ mode: OpenMode) throws(FileSystemError) -> any LogFile {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT
            case .createEmpty: O_RDWR | O_CREAT | O_TRUNC
            }
        return POSIXLogFile(path: path, descriptor: try openDescriptor(path, flags, operation: .open))
    }

    /// See `FileSystem`.
    public func status(_ path: String) throws(FileSystemError) -> FileStatus? {
        var info = stat()
        guard systemCall({ stat(path, &info) }) == 0 else {
            if errno == ENOENT { return nil }
            throw lastError(.status, path)
        }
        #if canImport(Darwin)
        let changed = info.st_mtimespec
        #else
        let changed = info.st_mtim
        #endif
        return FileStatus(
            size: Int64(info.st_size),
            modificationTimeMs: Int64(changed.tv_sec) &* 1_000 &+ Int64(changed.tv_nsec) / 1_000_000,
            isDirectory: info.st_mode & S_IFMT == S_IFDIR
        )
    }

    /// See `FileSystem`.
    public func list(_ directory: String) throws(FileSystemError) -> [String] {
        guard let stream = opendir(directory) else { throw lastError(.list, directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw lastError(.list, directory) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee)) {
                    String(cString: $0)
                }
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    /// See `FileSystem`.
    public func createDirectory(_ path: String) throws(FileSystemError) {
        guard systemCall({ mkdir(path, 0o755) }) != 0 else { return }
        if errno == EEXIST, try self.status(path)?.isDirectory == true { return }
        errno = errno == EEXIST ? ENOTDIR : errno
        throw lastError(.createDirectory, path)
    }

    /// See `FileSystem`.
    public func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        #if canImport(Glibc)
        let result = systemCall { Glibc.rename(path, newPath) }
        #elseif canImport(Musl)
        let result = systemCall { Musl.rename(path, newPath) }
        #else
        let result = systemCall { Darwin.rename(path, newPath) }
        #endif
        guard result == 0 else { throw lastError(.rename, path) }
    }

    /// See `FileSystem`.
    public func removeFile(_ path: String) throws(FileSystemError) {
        guard systemCall({ unlink(path) }) == 0 else { throw lastError(.removeFile, path) }
    }

    /// See `FileSystem`.
    public func removeDirectory(_ path: String) throws(FileSystemError) {
        guard systemCall({ rmdir(path) }) == 0 else { throw lastError(.removeDirectory, path) }
    }

    /// See `FileSystem`.
    public func syncDirectory(_ path: String) throws(FileSystemError) {
        let descriptor = try openDescriptor(path, O_RDONLY | O_DIRECTORY, operation: .syncDirectory)
        defer { close(descriptor) }
        guard systemCall({ fsync(descriptor) }) == 0 else { throw lastError(.syncDirectory, path) }
    }

    /// See `FileSystem`.
    public func syncEverything(_ path: String) throws(FileSystemError) -> Bool {
        #if canImport(Darwin)
        return false
        #else
        let descriptor = try openDescriptor(path, O_RDONLY | O_DIRECTORY, operation: .syncEverything)
        defer { close(descriptor) }
        guard systemCall({ syncfs(descriptor) }) == 0 else { throw lastError(.syncEverything, path) }
        return true
        #endif
    }

    /// See `FileSystem`.
    public func freeSpace(_ path: String) throws(FileSystemError) -> Int64 {
        var info = statvfs()
        guard systemCall({ statvfs(path, &info) }) == 0 else { throw lastError(.freeSpace, path) }
        let (bytes, overflow) = UInt64(info.f_bavail).multipliedReportingOverflow(by: UInt64(info.f_frsize))
        return overflow ? .max : Int64(clamping: bytes)
    }

    /// See `FileSystem`.
    public func lock(_ path: String) throws(FileSystemError) -> (any FileLock)? {
        let descriptor = try openDescriptor(path, O_RDWR | O_CREAT, operation: .lock)
        guard systemCall({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let reason = errno
            close(descriptor)
            errno = reason
            if reason == EWOULDBLOCK { return nil }
            throw lastError(.lock, path)
        }
        return POSIXFileLock(descriptor: descriptor)
    }
}

/// A file of `POSIXFileSystem`.
final class POSIXLogFile: LogFile {
    let path: String
    private let fileDescriptor: Int32

    /// The most bytes asked of one system call: Linux moves no more than 0x7ffff000.
    private static let byteCountMax = 1 << 30

    /// The most parts of one vectored write, Linux's IOV_MAX.
    private static let vectorCountMax = 1_024

    init(path: String, descriptor: Int32) {
        self.path = path
        self.fileDescriptor = descriptor
    }

    deinit { close(self.fileDescriptor) }

    var descriptor: Int32? { self.fileDescriptor }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        var done = 0
        while done < buffer.count {
            let wanted = min(buffer.count - done, Self.byteCountMax)
            let count = systemCall {
                pread(self.fileDescriptor, buffer.baseAddress! + done, wanted, off_t(position) + off_t(done))
            }
            guard count >= 0 else { throw lastError(.read, self.path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func readCached(
        into buffer: UnsafeMutableRawBufferPointer, at position: Int64
    ) throws(FileSystemError) -> Int? {
        #if canImport(Darwin)
        return nil
        #else
        var done = 0
        // A short count may mean the end of the file or of what is in memory; the next call tells.
        while done < buffer.count {
            var vector = iovec(
                iov_base: buffer.baseAddress! + done, iov_len: min(buffer.count - done, Self.byteCountMax))
            let count = systemCall {
                preadv2(self.fileDescriptor, &vector, 1, off_t(position) + off_t(done), readWithoutWaiting)
            }
            if count == 0 { break }
            if count < 0 {
                // Not every file system can tell; those that cannot are read as if nothing were in memory.
                if errno == EAGAIN || errno == EOPNOTSUPP { return nil }
                throw lastError(.read, self.path)
            }
            done += count
        }
        return done
        #endif
    }

    #if !canImport(Darwin)
    func readOnce(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        // Read ahead, the next piece would look as if somebody else wanted it.
        _ = posix_fadvise(self.fileDescriptor, 0, 0, POSIX_FADV_RANDOM)
        if let count = try self.readCached(into: buffer, at: position) { return count }
        let count = try self.read(into: buffer, at: position)
        // An advice: where the system does not take it, the pages age as others do.
        _ = posix_fadvise(self.fileDescriptor, off_t(position), off_t(count), POSIX_FADV_DONTNEED)
        return count
    }
    #endif

    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError) {
        var vectors: [iovec] = []
        vectors.reserveCapacity(parts.count)
        for part in parts where !part.isEmpty {
            vectors.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: part.baseAddress!), iov_len: part.count))
        }
        var next = 0
        var position = position
        while next < vectors.count {
            let count = min(vectors.count - next, Self.vectorCountMax)
            let written = vectors.withUnsafeBufferPointer { all in
                systemCall { pwritev(self.fileDescriptor, all.baseAddress! + next, Int32(count), off_t(position)) }
            }
            guard written >= 0 else { throw lastError(.write, self.path) }
            if written == 0 {
                // No progress and no reason: no file system does this to a non-empty write of a regular file.
                throw FileSystemError(.write, path: self.path, errorNumber: EIO, message: "nothing was written")
            }
            position += Int64(written)
            var left = written
            while next < vectors.count, left >= vectors[next].iov_len {
                left -= vectors[next].iov_len
                next += 1
            }
            if left > 0 {
                vectors[next].iov_base += left
                vectors[next].iov_len -= left
            }
        }
    }

    func size() throws(FileSystemError) -> Int64 {
        var info = stat()
        guard systemCall({ fstat(self.fileDescriptor, &info) }) == 0 else { throw lastError(.size, self.path) }
        return Int64(info.st_size)
    }

    func truncate(to size: Int64) throws(FileSystemError) {
        guard systemCall({ ftruncate(self.fileDescriptor, off_t(size)) }) == 0 else {
            throw lastError(.truncate, self.path)
        }
    }

    #if !canImport(Darwin)
    func allocate(to size: Int64) throws(FileSystemError) {
        let present = try self.size()
        guard size > present else { return }
        // Unlike most calls it returns the error. File systems without it get their zeros from the C library.
        var number: Int32
        repeat {
            number = posix_fallocate(self.fileDescriptor, off_t(present), off_t(size - present))
        } while number == EINTR
        guard number == 0 else {
            errno = number
            throw lastError(.write, self.path)
        }
    }
    #endif

    func syncData() throws(FileSystemError) {
        #if canImport(Darwin)
        // Darwin's fsync leaves the data in the drive's cache.
        let result = systemCall { fcntl(self.fileDescriptor, F_FULLFSYNC) }
        #else
        let result = systemCall { fdatasync(self.fileDescriptor) }
        #endif
        guard result == 0 else { throw lastError(.syncData, self.path) }
    }
}

/// An exclusive `flock`, given back with its descriptor.
final class POSIXFileLock: FileLock {
    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(self.descriptor) }
}

#if !canImport(Darwin)
/// The C library has it, and Swift's view of its headers leaves it out, since they ask for `_GNU_SOURCE`.
@_silgen_name("syncfs")
private func syncfs(_ descriptor: Int32) -> Int32

/// Hidden for the same reason.
@_silgen_name("preadv2")
private func preadv2(
    _ descriptor: Int32, _ vectors: UnsafePointer<iovec>, _ count: Int32, _ position: off_t, _ flags: Int32
) -> Int

/// RWF_NOWAIT: fail with EAGAIN where the bytes are not in the page cache.
private let readWithoutWaiting: Int32 = 8
#endif

/// Makes a call again for as long as a signal interrupts it.
private func systemCall<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

private func openDescriptor(
    _ path: String, _ flags: Int32, operation: FileSystemError.Operation
) throws(FileSystemError) -> Int32 {
    #if canImport(Glibc)
    let descriptor = systemCall { Glibc.open(path, flags | O_CLOEXEC, 0o644) }
    #elseif canImport(Musl)
    let descriptor = systemCall { Musl.open(path, flags | O_CLOEXEC, 0o644) }
    #else
    let descriptor = systemCall { Darwin.open(path, flags | O_CLOEXEC, 0o644) }
    #endif
    guard descriptor >= 0 else { throw lastError(operation, path) }
    return descriptor
}

private func lastError(_ operation: FileSystemError.Operation, _ path: String) -> FileSystemError {
    let number = errno
    return FileSystemError(operation, path: path, errorNumber: number, message: String(cString: strerror(number)))
}
