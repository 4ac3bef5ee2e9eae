// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog

/// Appends that requests of one connection have asked for and that are not handed to the IO threads yet.
///
/// One read of a socket often brings several requests. Their appends go over together: one lock and one wake-up of the
/// IO thread for all of them. Used on the connection's event loop only.
final class PendingAppends {
    private var byThread: [(thread: IOThread, appends: [IOThread.Append])] = []
    /// Groups that have something to write, each once.
    private var groups: [GroupShardHost] = []

    /// Keeps an append, behind those kept before.
    func add(_ append: IOThread.Append) {
        let thread = append.partition.ioThread
        if let index = self.byThread.firstIndex(where: { $0.thread === thread }) {
            self.byThread[index].appends.append(append)
        } else {
            self.byThread.append((thread, [append]))
        }
    }

    /// Notes that groups have something to write.
    func add(_ groups: GroupShardHost) {
        if !self.groups.contains(where: { $0 === groups }) { self.groups.append(groups) }
    }

    /// Hands everything over, in order. What no thread takes any more fails; the broker is going, and nobody counts the
    /// room on its disk any more.
    func submit() {
        if !self.groups.isEmpty {
            for group in self.groups { group.submitWrites() }
            self.groups.removeAll(keepingCapacity: true)
        }
        if self.byThread.isEmpty { return }
        for (thread, appends) in self.byThread where !thread.append(appends) {
            for append in appends {
                append.tracker.complete(
                    append.index,
                    .failure(.storage(.closed(append.partition.topicPartition)))
                )
            }
        }
        self.byThread.removeAll(keepingCapacity: true)
    }
}
