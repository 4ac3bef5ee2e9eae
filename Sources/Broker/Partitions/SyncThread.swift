// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Logging
import NIOCore
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
    private let logger: Logger
    private let thread: Thread

    init(index: Int, journal: Journal, logger: Logger) {
        let queue = self.queue
        let lane = Lane(journal)
        self.lane = lane
        self.logger = logger
        self.thread = Thread(name: "martlet-sync-\(index)") {
            while true {
                var work = queue.takeAll()
                if work.isEmpty { return }
                if !work.contains(where: \.isUrgent) {
                    work.append(contentsOf: queue.takeAll(within: Self.idleSyncDelay))
                }
                lane.lane.withLock { Self.commit(work, $0, logger) }
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
        let (logger, work) = (self.logger, CircularBuffer([written]))
        return self.lane.lane.withLockIfAvailable { Self.commit(work, $0, logger) } != nil
    }

    /// Syncs what is queued, then ends the thread and waits for it.
    func close() {
        self.queue.close()
        self.thread.join()
    }

    /// One commit cycle: several entries of one partition share its commit.
    private static func commit(_ work: CircularBuffer<Written>, _ lane: JournalLane, _ logger: Logger) {
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
        lane.commit(cycle.map(\.partition.log)) { index, outcome in Self.report(cycle[index], outcome, logger) }
    }

    private static func report(_ item: Written, _ outcome: Result<Void, LogError>, _ logger: Logger) {
        let partition = item.partition
        switch outcome {
        case .success:
            partition.advanceHighWatermark(to: partition.log.flushedOffset)
        case .failure(.closed):
            // Deleted meanwhile; whoever waits is told so.
            break
        case .failure(let error):
            logger.error(
                "sync of a partition's log failed; it takes no more records until the broker restarts",
                metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
            )
        }
        for (append, result) in item.answers {
            append.tracker.complete(append.index, outcome.map { result }.mapError { .storage($0) })
        }
    }
}
