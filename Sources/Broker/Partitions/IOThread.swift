// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import Logging
import NIOCore

/// A thread that writes the logs of the partitions assigned to it.
///
/// It works in commit cycles: take everything that is queued, write it, answer what does not wait for the disk, and hand
/// the rest to the sync thread at its side. While that one waits for the disk the next cycles are written, so the busier
/// the broker, the more appends share one sync (group commit). A lonely append it commits itself: see `CommitCycle`.
final class IOThread: Sendable {
    /// A batch on its way to the log.
    struct Append: Sendable {
        let partition: Partition
        let batch: PreparedBatch
        /// True for acks=all: the answer waits until the batch is on stable storage.
        let waitsForDisk: Bool
        let origin: StorageMetrics.Origin
        /// When it was handed to the thread, in nanoseconds of the monotonic clock.
        let queuedAt: Int64
        /// When the thread took it; nothing before.
        var takenAt: Int64 = 0
        /// Who is told, and as which of its appends.
        let tracker: AppendTracker
        let index: Int
    }

    enum Work: Sendable {
        case append(Append)
        /// Anything else that must have the log to itself: rolling, retention, deleting, closing.
        case task(@Sendable () -> Void)
    }

    private let queue = WorkQueue<Work>()
    private let thread: Thread
    private let syncThread: SyncThread

    init(
        index: Int, journal: Journal, space: DiskSpaceWatch, clock: BrokerClock, metrics: StorageMetrics, logger: Logger
    ) {
        let queue = self.queue
        let syncThread = SyncThread(
            index: index, journal: journal, clock: clock, metrics: metrics, logger: logger)
        self.syncThread = syncThread
        self.thread = Thread(name: "martlet-io-\(index)") {
            var cycle = CommitCycle(
                space: space, clock: clock, metrics: metrics, shard: index, syncThread: syncThread)
            while true {
                let work = queue.takeAll()
                if work.isEmpty { return }
                cycle.run(work)
            }
        }
    }

    /// Queues appends, in order; false when the thread has been closed, then none of them was taken.
    func append(_ appends: [Append]) -> Bool {
        self.queue.append(contentsOf: appends.map { .append($0) })
    }

    /// Runs `task` on the thread, after everything queued before it.
    @discardableResult
    func submit(_ task: @escaping @Sendable () -> Void) -> Bool {
        self.queue.append(.task(task))
    }

    /// Runs `task` on the thread and brings its result back to `eventLoop`.
    func run<Value: Sendable>(
        on eventLoop: any EventLoop,
        _ task: @escaping @Sendable () throws -> Value
    ) -> EventLoopFuture<Value> {
        let promise = eventLoop.makePromise(of: Value.self)
        let isAccepted = self.submit { promise.completeWith(Result { try task() }) }
        if !isAccepted { promise.fail(BrokerShuttingDown()) }
        return promise.futureResult
    }

    /// Runs `task` on the thread and waits for it. Never to be called on an event loop or an IO thread.
    func runAndWait(_ task: @escaping @Sendable () -> Void) {
        let done = WorkQueue<Void>()
        let isAccepted = self.submit {
            task()
            _ = done.append(())
        }
        if isAccepted { _ = done.takeFirst() }
    }

    /// What waits to be taken: by this thread, and by the one that syncs.
    var queueLengths: (writes: Int, syncs: Int) { (self.queue.count, self.syncThread.queueLength) }

    /// Finishes what is queued, then ends both threads and waits for them.
    func close() {
        self.queue.close()
        self.thread.join()
        self.syncThread.close()
    }
}
