// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import KafkaTypes
import Logging
import NIOCore

/// What an IO thread does with the work it took from its queue. Owned by that thread.
///
/// Invariants:
/// - Appends to one partition are written in the order in which they were queued.
/// - An append that waits for the disk is answered only after a sync that began after it was written.
/// - After a failed write or sync nothing of that partition is acknowledged any more; the log fences itself.
struct CommitCycle {
    private let clock: BrokerClock
    private let logger: Logger

    /// Appends gathered for one partition and not yet written.
    private struct Gathered {
        let partition: Partition
        var appends: [IOThread.Append] = []
    }

    /// Written and waiting for the sync.
    private struct Unsynced {
        let partition: Partition
        var answers: [(append: IOThread.Append, result: AppendResult)] = []
    }

    private var gathered: [ObjectIdentifier: Gathered] = [:]
    /// Partitions with gathered appends, in order of their first one.
    private var order: [ObjectIdentifier] = []
    private var unsynced: [ObjectIdentifier: Unsynced] = [:]

    init(clock: BrokerClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    /// Runs one cycle over everything that was queued.
    mutating func run(_ work: CircularBuffer<IOThread.Work>) {
        for item in work {
            switch item {
            case .append(let append):
                let id = ObjectIdentifier(append.partition)
                if self.gathered[id] == nil {
                    self.gathered[id] = Gathered(partition: append.partition)
                    self.order.append(id)
                }
                self.gathered[id]?.appends.append(append)
            case .task(let task):
                // A task sees the log with everything before it written and acknowledged.
                self.writeGathered()
                self.syncWritten()
                task()
            }
        }
        self.writeGathered()
        self.syncWritten()
    }

    /// Writes what was gathered, one vectored write per partition, and answers what does not wait for the disk.
    private mutating func writeGathered() {
        if self.order.isEmpty { return }
        let now = self.clock.wallMilliseconds()
        for id in self.order {
            guard let group = self.gathered[id] else { continue }
            self.write(group, id: id, now: now)
        }
        self.gathered.removeAll(keepingCapacity: true)
        self.order.removeAll(keepingCapacity: true)
    }

    private mutating func write(_ group: Gathered, id: ObjectIdentifier, now: Int64) {
        let partition = group.partition
        let results = partition.log.append(
            group.appends.map(\.batch),
            leaderEpoch: partition.leaderEpoch.rawValue,
            now: now
        )
        var waiting = Unsynced(partition: partition)
        let isDurableOnWrite = partition.currentDurability != .everyCommit
        for (append, result) in zip(group.appends, results) {
            switch result {
            case .failure(let error):
                append.tracker.complete(append.index, .failure(error))
            case .success(let appended) where append.waitsForDisk && !isDurableOnWrite:
                waiting.answers.append((append, appended))
            case .success(let appended):
                append.tracker.complete(append.index, .success(appended))
            }
        }
        if isDurableOnWrite { partition.advanceHighWatermark(to: partition.log.endOffset) }
        self.unsynced[id] = waiting
    }

    /// Makes durable what was written, then answers what waited for it and lets consumers see it.
    private mutating func syncWritten() {
        for waiting in self.unsynced.values {
            let partition = waiting.partition
            guard self.isSyncDue(partition) else { continue }
            do {
                try partition.log.flush()
            } catch {
                self.logger.error(
                    "sync of a partition's log failed; it takes no more records until the broker restarts",
                    metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
                )
                for (append, _) in waiting.answers {
                    append.tracker.complete(append.index, .failure(.storage(error)))
                }
                continue
            }
            partition.advanceHighWatermark(to: partition.log.flushedOffset)
            for (append, result) in waiting.answers { append.tracker.complete(append.index, .success(result)) }
        }
        self.unsynced.removeAll(keepingCapacity: true)
    }

    private func isSyncDue(_ partition: Partition) -> Bool {
        switch partition.currentDurability {
        case .everyCommit: true
        case .relaxed(let messages, _):
            messages.map { partition.log.endOffset - partition.log.flushedOffset >= $0 } ?? false
        }
    }
}
