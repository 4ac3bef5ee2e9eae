// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Files that are read and written as a whole: checkpoints, markers, snapshots.
enum SmallFile {
    /// The most bytes read: a checkpoint of a hundred thousand partitions, or a snapshot of a million producers.
    static let byteCountMax: Int64 = 64 << 20

    static let temporarySuffix = ".tmp"

    /// The bytes of a file, or nil when it does not exist.
    ///
    /// Throws `malformed` when the file is larger than `byteCountMax`.
    static func read(_ path: String, from fileSystem: any FileSystem) throws(LogError) -> [UInt8]? {
        let file: any LogFile
        do {
            file = try fileSystem.open(path, .read)
        } catch {
            if error.isNotFound { return nil }
            throw .storage(error)
        }
        let size = try disk { () throws(FileSystemError) in try file.size() }
        guard size <= self.byteCountMax else {
            throw .malformed(path: path, reason: "\(size) bytes are more than the limit of \(self.byteCountMax)")
        }
        var failure: FileSystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            do throws(FileSystemError) {
                count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            } catch {
                failure = error
            }
        }
        if let failure { throw .storage(failure) }
        return bytes
    }

    /// The text of a file, or nil when it does not exist. Throws `malformed` for bytes that are not UTF-8.
    static func readText(_ path: String, from fileSystem: any FileSystem) throws(LogError) -> String? {
        guard let bytes = try self.read(path, from: fileSystem) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(path: path, reason: "it is not UTF-8 text")
        }
        return text
    }

    /// Replaces a file so that after a crash at any moment it has either its old or its new content, and the new one
    /// once this returns. Without `sync`, that holds as soon as the whole file system has been synced.
    static func replace(
        _ name: String, in directory: String, with text: String, sync: Bool = true, on fileSystem: any FileSystem
    ) throws(LogError) {
        try self.replace(name, in: directory, with: Array(text.utf8), sync: sync, on: fileSystem)
    }

    static func replace(
        _ name: String, in directory: String, with bytes: [UInt8], sync: Bool = true, on fileSystem: any FileSystem
    ) throws(LogError) {
        let path = directory + "/" + name
        do throws(LogError) {
            try self.write(bytes, to: path + self.temporarySuffix, sync: sync, on: fileSystem)
        } catch {
            // Half a file is of no use, and on a full disk its room is.
            try? fileSystem.removeFile(path + self.temporarySuffix)
            throw error
        }
        try disk { () throws(FileSystemError) in
            try fileSystem.rename(path + self.temporarySuffix, to: path)
            if sync { try fileSystem.syncDirectory(directory) }
        }
    }

    /// Writes a file in place. For content that proves itself when it is read, or that a crash may tear.
    static func write(
        _ bytes: [UInt8], to path: String, sync: Bool, on fileSystem: any FileSystem
    ) throws(LogError) {
        let file = try disk { () throws(FileSystemError) in try fileSystem.open(path, .createEmpty) }
        var failure: FileSystemError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileSystemError) {
                if !buffer.isEmpty { try file.write([buffer], at: 0) }
                if sync { try file.syncData() }
            } catch {
                failure = error
            }
        }
        if let failure { throw .storage(failure) }
    }

    /// Removes a file if it is there.
    static func remove(_ path: String, from fileSystem: any FileSystem) throws(FileSystemError) {
        do {
            try fileSystem.removeFile(path)
        } catch {
            if !error.isNotFound { throw error }
        }
    }
}

extension FileSystemError {
    /// There is no room for what was to be written: ENOSPC, EDQUOT or EFBIG. Never true of a failed sync, whatever its
    /// number: what is on the disk after one is not known.
    public var isFull: Bool {
        switch self.operation {
        case .syncData, .syncDirectory, .syncEverything: false
        default: [28, 122, 27].contains(self.errorNumber)
        }
    }

    /// ENOENT: nothing is there under that name.
    var isNotFound: Bool { self.errorNumber == 2 }
}
