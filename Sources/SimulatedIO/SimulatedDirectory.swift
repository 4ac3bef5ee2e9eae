// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The names in one directory of a simulated disk: as processes see them, and as a loss of power would leave them.
struct SimulatedDirectory: Sendable {
    /// What listings see: names to inode numbers.
    private(set) var current: [String: Int] = [:]
    /// What is on stable storage.
    private(set) var durable: [String: Int] = [:]
    /// The changes between the two, oldest first.
    private(set) var unsynced: [UnsyncedChange] = []
    private var hasUntoldError = false

    struct UnsyncedChange: Sendable {
        var change: Change
        /// Both halves of a rename from one directory to another have the same number: they survive together.
        var transaction: Int
        /// A sync of it failed: no later one makes it durable, although a loss of power may leave it in place.
        var isAbandoned = false
    }

    enum Change: Sendable {
        case add(String, inode: Int)
        case remove(String, inode: Int)
        case rename(String, to: String, inode: Int)
    }

    /// Every inode that a name leads to, or may lead to after a loss of power.
    var inodes: [Int] {
        self.current.values.map { $0 } + self.durable.values.map { $0 }
            + self.unsynced.map {
                switch $0.change {
                case .add(_, let inode), .remove(_, let inode), .rename(_, to: _, let inode): inode
                }
            }
    }

    mutating func apply(_ change: Change, transaction: Int) {
        Self.apply(change, to: &self.current)
        self.unsynced.append(UnsyncedChange(change: change, transaction: transaction))
    }

    /// Returns whether there may be inodes now that no name leads to any more.
    @discardableResult
    mutating func sync() -> Bool {
        var mayOrphan = false
        for unsynced in self.unsynced where !unsynced.isAbandoned {
            Self.apply(unsynced.change, to: &self.durable)
            if case .add = unsynced.change { continue }
            mayOrphan = true
        }
        self.unsynced.removeAll { !$0.isAbandoned }
        return mayOrphan
    }

    mutating func failSync() {
        for index in self.unsynced.indices { self.unsynced[index].isAbandoned = true }
    }

    /// A sync of the whole file system failed; the next sync of each directory tells whose names were lost.
    mutating func failSyncUntold() {
        if self.unsynced.contains(where: { !$0.isAbandoned }) { self.hasUntoldError = true }
        self.failSync()
    }

    /// Tells of that error, once.
    mutating func takeUntoldError() -> Bool {
        defer { self.hasUntoldError = false }
        if self.hasUntoldError { self.failSync() }
        return self.hasUntoldError
    }

    /// Loses what the power takes.
    ///
    /// - Parameter survives: Says for the number of a transaction whether it reached the disk.
    mutating func losePower(survives: (Int) -> Bool) {
        for unsynced in self.unsynced where survives(unsynced.transaction) {
            Self.apply(unsynced.change, to: &self.durable)
        }
        self.current = self.durable
        self.unsynced = []
        self.hasUntoldError = false
    }

    private static func apply(_ change: Change, to entries: inout [String: Int]) {
        switch change {
        case .add(let name, let inode):
            entries[name] = inode
        case .remove(let name, let inode):
            // An earlier change may not have reached the disk: then the name leads elsewhere.
            if entries[name] == inode { entries[name] = nil }
        case .rename(let name, to: let newName, let inode):
            if entries[name] == inode { entries[name] = nil }
            entries[newName] = inode
        }
    }
}
