// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Everything that a simulated machine keeps on its disk. A value: a copy is another machine in the same state.
///
/// Functions throw a bare `errno`; the file system adds operation and path.
struct SimulatedDisk: Sendable {
    struct ErrorNumber: Error {
        var number: Int32

        init(_ number: Int32) { self.number = number }
    }

    enum Inode: Sendable {
        case file(SimulatedFile)
        case directory(SimulatedDirectory)
    }

    static let root = 0

    private(set) var inodes: [Int: Inode] = [Self.root: .directory(SimulatedDirectory())]
    private var nextInode = 1
    private var nextTransaction = 0
    /// Inodes that a process has open, with the number of its handles: they live on without a name.
    private var handles: [Int: Int] = [:]
    /// Bytes that all files together may hold; nil means no limit.
    var capacityBytes: Int64?

    // MARK: Names

    private static func parts(of path: String) -> [String] {
        // Bytes: many a test spends most of its time here, and characters take five times as long.
        path.utf8.split(separator: UInt8(ascii: "/")).compactMap { String($0) }.filter { $0 != "." }
    }

    /// The inode of a path, or nil when nothing is there.
    func inode(of path: String) throws(ErrorNumber) -> Int? {
        var inode = Self.root
        for part in Self.parts(of: path) {
            guard case .directory(let directory) = self.inodes[inode] else { throw ErrorNumber(ENOTDIR) }
            guard let next = directory.current[part] else { return nil }
            inode = next
        }
        return inode
    }

    func existingInode(of path: String) throws(ErrorNumber) -> Int {
        guard let inode = try self.inode(of: path) else { throw ErrorNumber(ENOENT) }
        return inode
    }

    /// The directory that holds a path's last part, and that part.
    private func parent(of path: String) throws(ErrorNumber) -> (inode: Int, name: String) {
        var parts = Self.parts(of: path)
        guard let name = parts.popLast() else { throw ErrorNumber(EBUSY) }
        let inode = try self.existingInode(of: parts.joined(separator: "/"))
        guard case .directory = self.inodes[inode] else { throw ErrorNumber(ENOTDIR) }
        return (inode, name)
    }

    func names(in path: String) throws(ErrorNumber) -> [String] {
        guard case .directory(let directory) = self.inodes[try self.existingInode(of: path)] else {
            throw ErrorNumber(ENOTDIR)
        }
        return directory.current.keys.sorted()
    }

    mutating func createFile(_ path: String, modificationTimeMs: Int64) throws(ErrorNumber) -> Int {
        try self.add(.file(SimulatedFile(modificationTimeMs: modificationTimeMs)), at: path)
    }

    mutating func createDirectory(_ path: String) throws(ErrorNumber) {
        if let inode = try self.inode(of: path) {
            guard case .directory = self.inodes[inode] else { throw ErrorNumber(ENOTDIR) }
            return
        }
        _ = try self.add(.directory(SimulatedDirectory()), at: path)
    }

    private mutating func add(_ node: Inode, at path: String) throws(ErrorNumber) -> Int {
        let parent = try self.parent(of: path)
        let inode = self.nextInode
        self.nextInode += 1
        self.inodes[inode] = node
        self.change(parent.inode, .add(parent.name, inode: inode), transaction: self.beginTransaction())
        return inode
    }

    mutating func rename(_ path: String, to newPath: String) throws(ErrorNumber) {
        let inode = try self.existingInode(of: path)
        let old = try self.parent(of: path)
        let new = try self.parent(of: newPath)
        if let replaced = try self.inode(of: newPath) {
            if replaced == inode { return }
            switch (self.inodes[inode], self.inodes[replaced]) {
            case (.file, .directory): throw ErrorNumber(EISDIR)
            case (.directory, .file): throw ErrorNumber(ENOTDIR)
            case (.directory, .directory(let directory)) where !directory.current.isEmpty: throw ErrorNumber(ENOTEMPTY)
            default: break
            }
        }
        let transaction = self.beginTransaction()
        if old.inode == new.inode {
            self.change(old.inode, .rename(old.name, to: new.name, inode: inode), transaction: transaction)
        } else {
            self.change(new.inode, .add(new.name, inode: inode), transaction: transaction)
            self.change(old.inode, .remove(old.name, inode: inode), transaction: transaction)
        }
    }

    mutating func removeFile(_ path: String) throws(ErrorNumber) {
        let inode = try self.existingInode(of: path)
        guard case .file = self.inodes[inode] else { throw ErrorNumber(EISDIR) }
        let parent = try self.parent(of: path)
        self.change(parent.inode, .remove(parent.name, inode: inode), transaction: self.beginTransaction())
    }

    mutating func removeDirectory(_ path: String) throws(ErrorNumber) {
        let inode = try self.existingInode(of: path)
        guard case .directory(let directory) = self.inodes[inode] else { throw ErrorNumber(ENOTDIR) }
        guard directory.current.isEmpty else { throw ErrorNumber(ENOTEMPTY) }
        let parent = try self.parent(of: path)
        self.change(parent.inode, .remove(parent.name, inode: inode), transaction: self.beginTransaction())
    }

    mutating func syncDirectory(_ path: String, fails: Bool = false) throws(ErrorNumber) {
        let inode = try self.existingInode(of: path)
        guard case .directory(var directory) = self.inodes[inode] else { throw ErrorNumber(ENOTDIR) }
        var mayOrphan = false
        let tellsError = directory.takeUntoldError()
        if fails || tellsError { directory.failSync() } else { mayOrphan = directory.sync() }
        self.inodes[inode] = .directory(directory)
        if tellsError { throw ErrorNumber(EIO) }
        if mayOrphan { self.collectGarbage() }
    }

    /// Every file and every directory.
    mutating func syncEverything(fails: Bool = false) {
        for (inode, node) in self.inodes {
            switch node {
            case .file(var file):
                if fails { file.failSyncUntold() } else { file.sync() }
                self.inodes[inode] = .file(file)
            case .directory(var directory):
                if fails { directory.failSyncUntold() } else { directory.sync() }
                self.inodes[inode] = .directory(directory)
            }
        }
        self.collectGarbage()
    }

    private mutating func beginTransaction() -> Int {
        self.nextTransaction += 1
        return self.nextTransaction
    }

    private mutating func change(_ inode: Int, _ change: SimulatedDirectory.Change, transaction: Int) {
        guard case .directory(var directory) = self.inodes[inode] else { return }
        directory.apply(change, transaction: transaction)
        self.inodes[inode] = .directory(directory)
    }

    // MARK: Files

    func file(_ inode: Int) throws(ErrorNumber) -> SimulatedFile {
        switch self.inodes[inode] {
        case .file(let file): return file
        case .directory: throw ErrorNumber(EISDIR)
        case nil: throw ErrorNumber(EBADF)
        }
    }

    mutating func withFile(_ inode: Int, _ body: (inout SimulatedFile) -> Void) throws(ErrorNumber) {
        var file = try self.file(inode)
        // The dictionary lets go of its reference, so that the bytes are changed where they are.
        self.inodes[inode] = nil
        body(&file)
        self.inodes[inode] = .file(file)
    }

    /// How many of a write's bytes fit onto the disk: all, unless there is a capacity.
    func room(forWriting byteCount: Int, at position: Int, in inode: Int) throws(ErrorNumber) -> Int {
        guard self.capacityBytes != nil else { return byteCount }
        let end = Int64(try self.file(inode).current.count) + self.freeBytes
        return Int(clamping: min(Int64(byteCount), max(0, end - Int64(position))))
    }

    /// Bytes left of the capacity.
    var freeBytes: Int64 {
        guard let capacityBytes else { return .max }
        let used = self.inodes.values.reduce(Int64(0)) { sum, node in
            if case .file(let file) = node { sum + Int64(file.current.count) } else { sum }
        }
        return max(0, capacityBytes - used)
    }

    mutating func openHandle(_ inode: Int) { self.handles[inode, default: 0] += 1 }

    mutating func closeHandle(_ inode: Int) {
        let count = self.handles[inode, default: 1] - 1
        self.handles[inode] = count > 0 ? count : nil
    }

    // MARK: Crashes

    mutating func closeAllHandles() {
        self.handles = [:]
        self.collectGarbage()
    }

    mutating func losePower(_ loss: PowerLoss, using generator: inout some RandomNumberGenerator) {
        let odds = Int.random(in: 0...10, using: &generator)
        var survivors: [Int: Bool] = [:]
        // In the order of their numbers, so that one seed always gives one outcome.
        for inode in self.inodes.keys.sorted() {
            switch self.inodes[inode] {
            case .directory(var directory):
                directory.losePower { transaction in
                    if loss != .arbitrary { return loss == .nothing }
                    if let survives = survivors[transaction] { return survives }
                    let survives = Int.random(in: 0..<10, using: &generator) < odds
                    survivors[transaction] = survives
                    return survives
                }
                self.inodes[inode] = .directory(directory)
            case .file(var file):
                file.losePower(loss, using: &generator)
                self.inodes[inode] = .file(file)
            case nil: break
            }
        }
        self.closeAllHandles()
    }

    /// Forgets inodes that no name leads to any more, not even after a loss of power, and that nobody has open.
    private mutating func collectGarbage() {
        var reachable: Set<Int> = [Self.root]
        var waiting = [Self.root] + self.handles.keys
        reachable.formUnion(waiting)
        while let inode = waiting.popLast() {
            guard case .directory(let directory) = self.inodes[inode] else { continue }
            for child in directory.inodes where reachable.insert(child).inserted { waiting.append(child) }
        }
        for inode in self.inodes.keys where !reachable.contains(inode) { self.inodes[inode] = nil }
    }
}
