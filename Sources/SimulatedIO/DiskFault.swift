// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import CommitLog

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a `SimulatedFileSystem` does instead of the operation that was asked of it.
public enum DiskFault: Sendable, Hashable {
    /// Nothing of the operation happens, and it throws this error number. A sync that fails gives up what it should
    /// have made durable, as Linux does: no later sync makes up for it. Where a sync of the whole file system fails,
    /// the next sync of each file that lost something fails, too, once.
    case error(Int32)
    /// A write puts so many of its bytes into the file, then throws. Any other operation fails as a whole.
    case partialWrite(byteCount: Int, errorNumber: Int32)
    /// The power goes out: this and every later operation fails, until the test calls `crash` to start the machine
    /// again. A write may still have put so many bytes into the file's cache.
    case powerLoss(afterByteCount: Int = 0)

    /// The disk reports that it cannot read or write: EIO.
    public static let inputOutputError = DiskFault.error(EIO)
    /// The disk is full: ENOSPC.
    public static let noSpace = DiskFault.error(ENOSPC)
}

/// One call of a `SimulatedFileSystem` or of one of its files, as its trace shows it.
public struct DiskOperation: Sendable, Hashable, CustomStringConvertible {
    /// What was asked for.
    public var kind: FileSystemError.Operation
    /// The path as the caller gave it; for files, the path under which they were opened.
    public var path: String
    /// The new path of a rename.
    public var newPath: String?
    /// Byte position of a read or write, new length of a truncation.
    public var position: Int64?
    /// Bytes to read or write.
    public var byteCount: Int?
    /// Whether it changes files or names, or makes them durable. Reads, listings and the like do not.
    public var isChange: Bool
    /// Whether a fault was injected into it.
    public var hasFault = false

    /// One line of a trace: `write data/0.log at 512, 1024 bytes`.
    public var description: String {
        var text = "\(self.kind.rawValue) \(self.path)"
        if let newPath { text += " to \(newPath)" }
        if let position { text += " at \(position)" }
        if let byteCount { text += ", \(byteCount) bytes" }
        return self.hasFault ? text + " (fault)" : text
    }
}

/// How much of what was never synced a loss of power takes.
public enum PowerLoss: Sendable, Hashable, CaseIterable {
    /// Anything that POSIX allows, by the generator's choice: for each file all, nothing, a torn prefix or a random
    /// choice of sectors of what was not synced; for each directory a random choice of its changes.
    case arbitrary
    /// All of it: only what was synced is left.
    case everything
    /// Nothing of it: the caches reached the disk just in time.
    case nothing
}
