// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Logging
import NIOCore
import PrometheusText
import Synchronization

/// Makes durable what an IO thread has written, beside it: while this one waits for the disk, the IO thread writes the
/// next cycle, so appends that do not wait for the disk never do.
///
/// It takes everything that was written since it last looked, makes it durable by the journal or by the segments of its
/// partitions, whichever is cheaper, answers the appends that waited, and moves the high watermarks (group commit). Where nobody waits for that, neither a producer nor a consumer,
/// it gathers for some milliseconds before it does, as a sync costs much more than a write.
final class SyncThread: Sendable {
    /// Nanoseconds that a record may stay unsynced, and so unseen, when nobody waits for it.
    static let idleSyncDelay: Int64 = 5_000_000

    /// Appends of one partition that are written and wait for the sync.
    struct Written: Sendable {
        let partition: Partition
        var answers: [(append: IOThread.Append, result: AppendResult)]

        /// Somebody waits: a producer with acks=all, or a consumer for records.
        var isUrgent: Bool { !self.answers.isEmpty || self.partition.hasObservers }
    }

    /// The way into the journal: one commit at a time, here or on the IO thread.
    private final class Lane: Sendable {
        let lane: Mutex<JournalLane>
        init(_ journal: Journal) { self.lane = Mutex(journal.makeLane()) }
    }

    private let queue = WorkQueue<Written>()
    private let lane: Lane
    private let reporter: Reporter
    private let thread: Thread

    init(index: Int, journal: Journal, clock: BrokerClock, metrics: StorageMetrics, logger: Logger) {
        let queue = self.queue
        let lane = Lane(journal)
        let reporter = Reporter(clock: clock, metrics: metrics, shard: index, logger: logger)
        self.lane = lane
        self.reporter = reporter
        self.thread = Thread(name: "martlet-sync-\(index)") {
            while true {
                var work = queue.takeAll()
                if work.isEmpty { return }
                if !work.contains(where: \.isUrgent) {
                    work.append(contentsOf: queue.takeAll(within: Self.idleSyncDelay))
                }
                lane.lane.withLock { reporter.commit(work, $0) }
            }
        }
    }

    /// Queues what was written; it must be all of the partition's appends since the last time, in order.
    func submit(_ written: [Written]) {
        if !self.queue.append(contentsOf: written, isUrgent: written.contains(where: \.isUrgent)) {
            for item in written {
                for (append, _) in item.answers {
                    append.tracker.complete(append.index, .failure(.storage(.closed(item.partition.topicPartition))))
                }
            }
        }
    }

    /// Commits one partition on the thread that calls, unless a commit is under way: saves a lonely append the time that
    /// it takes to wake another thread. False when it was left undone.
    func commitHere(_ written: Written) -> Bool {
        let (reporter, work) = (self.reporter, CircularBuffer([written]))
        return self.lane.lane.withLockIfAvailable { reporter.commit(work, $0) } != nil
    }

    /// Partitions that wait to be synced.
    var queueLength: Int { self.queue.count }

    /// Syncs what is queued, then ends the thread and waits for it.
    func close() {
        self.queue.close()
        self.thread.join()
    }
}

/// Commits what was written and tells everybody what came of it.
private struct Reporter: Sendable {
    let clock: BrokerClock
    let metrics: StorageMetrics
    /// Of `metrics`.
    let shard: Int
    let logger: Logger

    typealias Written = SyncThread.Written

    /// One commit cycle: several entries of one partition share its commit.
    func commit(_ work: CircularBuffer<Written>, _ lane: JournalLane) {
        let began = self.clock.monotonicNanoseconds()
        var places: [ObjectIdentifier: Int] = [:]
        var cycle: [Written] = []
        for item in work {
            let id = ObjectIdentifier(item.partition)
            if let place = places[id] {
                cycle[place].answers += item.answers
            } else {
                places[id] = cycle.count
                cycle.append(item)
            }
        }
        let done = lane.commit(cycle.map(\.partition.log)) { index, outcome in self.report(cycle[index], outcome) }
        self.metrics.committed(
            journaled: done.journaled, synced: done.synced, nanoseconds: self.clock.monotonicNanoseconds() &- began)
    }

    private func report(_ item: Written, _ outcome: Result<Void, LogError>) {
        let partition = item.partition
        switch outcome {
        case .success:
            partition.advanceHighWatermark(to: partition.log.flushedOffset)
        case .failure(.closed):
            // Deleted meanwhile; whoever waits is told so.
            break
        case .failure(let error):
            self.logger.error(
                "sync of a partition's log failed; it takes no more records until the broker restarts",
                metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
            )
        }
        if item.answers.isEmpty { return }
        let now = self.clock.monotonicNanoseconds()
        for (append, result) in item.answers {
            self.metrics.disk(of: append.origin).record(Int(now &- append.takenAt), shard: self.shard)
            append.tracker.complete(append.index, outcome.map { result }.mapError { .storage($0) })
        }
    }
}
