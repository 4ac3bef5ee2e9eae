// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import KafkaTypes
import NIOCore
import PrometheusText

/// What an IO thread does with the work it took from its queue. Owned by that thread.
///
/// Invariants:
/// - Appends to one partition are written in the order in which they were queued.
/// - An append that waits for the disk is answered only after a sync that began after it was written.
/// - After a failed write or sync nothing of that partition is acknowledged any more; the log fences itself.
struct CommitCycle {
    private let space: DiskSpaceWatch
    private let clock: BrokerClock
    private let metrics: StorageMetrics
    private let shard: Int
    private let syncThread: SyncThread
    /// When this cycle began, in nanoseconds of the monotonic clock.
    private var beganAt: Int64 = 0

    /// Appends gathered for one partition and not yet written.
    private struct Gathered {
        let partition: Partition
        var appends: [IOThread.Append] = []
    }

    private var gathered: [ObjectIdentifier: Gathered] = [:]
    /// Partitions with gathered appends, in order of their first one.
    private var order: [ObjectIdentifier] = []
    /// Written in this cycle, for the sync thread.
    private var written: [SyncThread.Written] = []
    /// Cycles in a row in which every append waited for the disk.
    private var waitingCycles = 0

    /// - Parameter shard: of `metrics`.
    init(space: DiskSpaceWatch, clock: BrokerClock, metrics: StorageMetrics, shard: Int, syncThread: SyncThread) {
        self.space = space
        self.clock = clock
        self.metrics = metrics
        self.shard = shard
        self.syncThread = syncThread
    }

    /// Runs one cycle over everything that was queued.
    mutating func run(_ work: CircularBuffer<IOThread.Work>) {
        self.beganAt = self.clock.monotonicNanoseconds()
        for item in work {
            switch item {
            case .append(var append):
                append.takenAt = self.beganAt
                self.metrics.queue(of: append.origin).record(Int(self.beganAt &- append.queuedAt), shard: self.shard)
                let id = ObjectIdentifier(append.partition)
                if self.gathered[id] == nil {
                    self.gathered[id] = Gathered(partition: append.partition)
                    self.order.append(id)
                }
                self.gathered[id]?.appends.append(append)
            case .task(let task):
                // A task sees the log with everything before it written.
                self.writeGathered()
                task()
            }
        }
        self.writeGathered()
        self.commit(isLonely: self.isLonely(work))
    }

    /// Cycles in a row in which everybody waited for the disk before an append may be committed on this thread. Appends
    /// that do not wait must not find it waiting for the disk: the first of them may, the next ones do not.
    private static let waitingCyclesMin = 16

    /// Whether this is one append that waits for the disk, at a time when nobody else uses the thread.
    private mutating func isLonely(_ work: CircularBuffer<IOThread.Work>) -> Bool {
        for item in work {
            guard case .append(let append) = item, append.waitsForDisk else {
                self.waitingCycles = 0
                return false
            }
        }
        self.waitingCycles = min(self.waitingCycles + 1, Self.waitingCyclesMin)
        return work.count == 1 && self.waitingCycles == Self.waitingCyclesMin
    }

    /// Has what was written made durable: beside this thread, so that the next cycle need not wait, or here, where there
    /// is no next cycle in sight and waking another thread would take as long as half a sync.
    private mutating func commit(isLonely: Bool) {
        guard let first = self.written.first else { return }
        if !isLonely || self.written.count > 1 || !self.syncThread.commitHere(first) {
            self.syncThread.submit(self.written)
        }
        self.written.removeAll(keepingCapacity: true)
    }

    /// Writes what was gathered, one vectored write per partition, and answers what does not wait for the disk.
    private mutating func writeGathered() {
        if self.order.isEmpty { return }
        let now = self.clock.wallMilliseconds()
        for id in self.order {
            guard let group = self.gathered[id] else { continue }
            self.write(group, now: now)
        }
        self.gathered.removeAll(keepingCapacity: true)
        self.order.removeAll(keepingCapacity: true)
    }

    private mutating func write(_ group: Gathered, now: Int64) {
        let partition = group.partition
        let results = partition.log.append(
            group.appends.map(\.batch),
            leaderEpoch: partition.leaderEpoch.rawValue,
            now: now
        )
        // From here on the disk itself counts them, long before a sync has made them durable.
        self.space.settled(
            group.appends.reduce(0) { $0 + ($1.origin == .produce ? Int64($1.batch.header.sizeInBytes) : 0) })
        let durability = partition.currentDurability
        var waiting = SyncThread.Written(partition: partition, answers: [])
        var writtenAt: Int64 = 0
        for (append, result) in zip(group.appends, results) {
            if append.waitsForDisk, durability == .everyCommit, case .success(let appended) = result {
                waiting.answers.append((append, appended))
            } else {
                if writtenAt == 0 { writtenAt = self.clock.monotonicNanoseconds() }
                self.metrics.disk(of: append.origin).record(Int(writtenAt &- append.takenAt), shard: self.shard)
                append.tracker.complete(append.index, result)
            }
        }
        switch durability {
        case .everyCommit:
            self.written.append(waiting)
        case .relaxed(let messages, _):
            partition.advanceHighWatermark(to: partition.log.endOffset)
            let unflushed = partition.log.endOffset - partition.log.flushedOffset
            if let messages, unflushed >= messages { self.written.append(waiting) }
        }
    }
}
