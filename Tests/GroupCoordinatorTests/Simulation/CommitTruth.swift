// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What has been committed, kept beside the coordinator: for each partition of each group what it must answer.
struct CommitTruth {
    /// By name, as offsets are kept.
    struct Key: Hashable {
        let group: Int
        let slot: Int
        let index: Int32
    }

    struct Commit: Equatable {
        let offset: Int64
        let metadata: String
        let wallMs: Int64
    }

    private struct Entry {
        /// The batch of the log that it is in.
        let sequence: Int
        /// Nil for a deletion.
        let commit: Commit?
    }

    /// Oldest first: a crash may take the newest ones.
    private var entries: [Key: [Entry]] = [:]

    subscript(key: Key) -> Commit? { self.entries[key]?.last?.commit }

    /// All keys that have a commit, in no order.
    var keys: [Key] { self.entries.compactMap { $0.value.last?.commit == nil ? nil : $0.key } }

    mutating func set(_ key: Key, _ commit: Commit?, sequence: Int, durable: Int) {
        var list = self.entries[key] ?? []
        if let settled = list.lastIndex(where: { $0.sequence <= durable }), settled > 0 {
            list.removeFirst(settled)
        }
        list.append(Entry(sequence: sequence, commit: commit))
        self.entries[key] = list
    }

    /// The log has lost what came after this batch.
    mutating func lose(after sequence: Int) {
        for key in self.entries.keys { self.entries[key]?.removeAll { $0.sequence > sequence } }
    }
}
