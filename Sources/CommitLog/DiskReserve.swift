// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// The file `martlet-reserve` in a data directory: room on the disk that nobody else gets, given back when the disk is
/// full, so that what makes room again (deleting topics and records, and writing that down) is possible then.
///
/// What is in it is of no interest, so it is never synced: after a crash it is made again. How large it should be is
/// `Plan`'s to say; this class is only the file. It may be used from any thread; calls wait for the disk and for one
/// another.
public final class DiskReserve: Sendable {
    static let fileName = "martlet-reserve"

    private let path: String
    private let fileSystem: any FileSystem
    /// The length of the file, nil when it is not known.
    private let size: Mutex<Int64>

    /// Finds what is there of the reserve of a data directory; takes nothing. Throws `storage` when the disk fails.
    public init(fileSystem: any FileSystem, directory: String) throws(LogError) {
        self.path = directory + "/" + Self.fileName
        self.fileSystem = fileSystem
        let path = self.path
        let status = try disk { () throws(FileSystemError) in try fileSystem.status(path) }
        self.size = Mutex(status?.size ?? 0)
    }

    /// Bytes held at this moment.
    public var byteCount: Int64 { self.size.withLock { $0 } }

    /// Gives back or takes room until so many bytes are held. Where there is not room for all of them, part of them is
    /// taken. Throws `storage` when the disk fails otherwise.
    public func resize(to wanted: Int64) throws(LogError) {
        try self.size.withLock { size throws(LogError) in
            if wanted < size { try self.give(&size, downTo: wanted) }
            if wanted > size { try self.take(&size, upTo: wanted) }
        }
    }

    /// Gives half of it back because something that has to be written found no room; the other half is for whoever comes
    /// next. Returns whether there was anything: then it is worth trying again.
    public func give() -> Bool {
        self.size.withLock { size in
            guard size > 0 else { return false }
            let half = size / 2 & ~(Self.blockBytes - 1)
            do throws(LogError) {
                try self.give(&size, downTo: half < Self.leastBytes ? 0 : half)
            } catch {
                return false
            }
            return true
        }
    }

    /// What file systems give room in.
    static let blockBytes: Int64 = 4_096
    /// Less than this helps nobody.
    static let leastBytes: Int64 = 8 * blockBytes

    private func give(_ size: inout Int64, downTo wanted: Int64) throws(LogError) {
        let wanted = max(wanted, 0)
        try disk { () throws(FileSystemError) in
            if wanted == 0 {
                try SmallFile.remove(self.path, from: self.fileSystem)
            } else {
                try self.fileSystem.open(self.path, .readWrite).truncate(to: wanted)
            }
        }
        size = wanted
    }

    private func take(_ size: inout Int64, upTo wanted: Int64) throws(LogError) {
        let before = size
        var more = wanted - before
        while more >= Self.leastBytes {
            do throws(FileSystemError) {
                let file = try self.fileSystem.open(self.path, .create)
                do throws(FileSystemError) {
                    try file.allocate(to: before + more)
                    size = before + more
                    return
                } catch {
                    try file.truncate(to: before)
                    throw error
                }
            } catch {
                guard error.isFull else { throw .storage(error) }
            }
            more = more / 2 & ~(Self.blockBytes - 1)
        }
        if before == 0 { try self.give(&size, downTo: 0) }
    }
}

extension DiskReserve {
    /// Says how large a reserve should be. A value without IO.
    ///
    /// | the disk has | the reserve |
    /// | --- | --- |
    /// | room for the whole of it, and takes records | is whole |
    /// | less left than `nearlyFull` | goes, but for its last quarter |
    /// | room for the last quarter, and `nearlyFull` beside it | is that at least |
    /// | anything else | stays as it is |
    ///
    /// The last quarter is for those that cannot do without: see `give`. So another program that eats up everything does
    /// not get it before a topic can be deleted.
    public struct Plan: Sendable, Hashable {
        /// Bytes of the whole reserve.
        public var whole: Int64

        /// More is of no use: a checkpoint of ten thousand partitions is half a megabyte.
        static let wholeMax: Int64 = 32 << 20
        /// A reserve is at most this part of the file system, so that small volumes are still worth having.
        static let partOfTotal: Int64 = 64

        /// The plan for a file system of so many bytes.
        public init(total: Int64) {
            // Whole blocks.
            self.whole = min(Self.wholeMax, max(total, 0) / Self.partOfTotal) & ~(DiskReserve.blockBytes - 1)
        }

        /// What is kept for those that cannot do without.
        public var last: Int64 { (self.whole / 4) & ~(DiskReserve.blockBytes - 1) }

        /// With less left than this, writes of all kinds are about to fail: as much as recovers a broker's little files.
        public var nearlyFull: Int64 { self.last }

        /// The bytes to hold.
        ///
        /// - Parameters:
        ///   - held: the bytes held now.
        ///   - free: what the file system has left beside them.
        ///   - enough: what it must have left after the reserve has been made whole: that at which records are taken.
        public func size(held: Int64, free: Int64, enough: Int64) -> Int64 {
            if free < self.nearlyFull { return min(held, self.last) }
            if held > self.whole { return self.whole }
            if free - (self.whole - held) >= enough { return self.whole }
            return held < self.last && free - (self.last - held) >= self.nearlyFull ? self.last : held
        }
    }
}
