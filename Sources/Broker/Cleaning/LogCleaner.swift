// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaConfig
import KafkaTypes
import Logging
import PrometheusText
import Synchronization

/// The thread that compacts logs, one after the other, the dirtiest first. It reads and writes no more bytes per second
/// than `log.cleaner.io.max.bytes.per.second` says, and has memory for its work only while it works.
///
/// `pass` may be called without the thread, by tests, on one thread at a time.
final class LogCleaner: Sendable {
    /// Nanoseconds that it sleeps at most before it looks whether it shall stop, or its log is being deleted.
    static let sleepMax: Int64 = 100_000_000
    /// Nanoseconds between two passes at least, whatever `log.cleaner.backoff.ms` says.
    static let backoffMin: Int64 = 10_000_000

    private let clock: BrokerClock
    private let metrics: StorageMetrics
    private let logger: Logger
    private let reservedBytes: @Sendable () -> Int64
    /// Nothing is ever put in: its closing ends all sleep.
    private let alarm = WorkQueue<Void>()
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<Thread?>(nil)
    private let schedule = Mutex(CleaningSchedule<ObjectIdentifier>())

    /// - Parameter reservedBytes: asked before every cleaning: what the file system must have left while both the old
    ///   segments and the new ones are there.
    init(
        clock: BrokerClock, metrics: StorageMetrics, logger: Logger, reservedBytes: @escaping @Sendable () -> Int64
    ) {
        self.clock = clock
        self.metrics = metrics
        self.logger = logger
        self.reservedBytes = reservedBytes
    }

    /// Starts the thread. `topics` and `config` are asked before every pass.
    func start(
        topics: @escaping @Sendable () -> [Partition], config: @escaping @Sendable () -> BrokerConfig
    ) {
        self.thread.withLock { thread in
            guard thread == nil, !self.isStopping.load(ordering: .acquiring) else { return }
            thread = Thread(name: "martlet-clean") { [self] in
                while !self.isStopping.load(ordering: .acquiring) {
                    let settings = config()
                    self.pass(topics(), settings)
                    let (backoff, overflow) = settings.logCleanerBackoffMs.multipliedReportingOverflow(by: 1_000_000)
                    self.sleep(overflow ? .max : max(backoff, Self.backoffMin))
                }
            }
        }
    }

    /// Ends what is under way soon. Does not wait.
    func requestStop() {
        self.isStopping.store(true, ordering: .releasing)
        self.alarm.close()
    }

    /// Ends the thread and waits for it.
    func close() {
        self.requestStop()
        self.thread.withLock { $0.take() }?.join()
    }

    private func sleep(_ nanoseconds: Int64) {
        // The queue adds the time to that of the clock.
        if nanoseconds > 0 { _ = self.alarm.takeAll(within: min(nanoseconds, Int64.max / 4)) }
    }

    /// Cleans logs until none is due. Blocks; returns how many were cleaned.
    @discardableResult
    func pass(_ partitions: [Partition], _ config: BrokerConfig) -> Int {
        let compacted = partitions.filter { $0.log.config.isCompacted }
        var cleaned = 0
        var budget = ByteBudget(
            bytesPerSecond: config.logCleanerIOMaxBytesPerSecond, now: self.clock.monotonicNanoseconds())
        while !self.isStopping.load(ordering: .acquiring) {
            let candidates = compacted.compactMap { partition in
                self.status(of: partition).map { (id: ObjectIdentifier(partition), status: $0) }
            }
            let now = self.clock.monotonicNanoseconds()
            let due = self.schedule.withLock { $0.due(candidates, now: now) }
            if due.isEmpty { break }
            let byID = Dictionary(compacted.map { (ObjectIdentifier($0), $0) }) { first, _ in first }
            for id in due {
                guard let partition = byID[id], !self.isStopping.load(ordering: .acquiring) else { continue }
                if self.clean(partition, config, &budget) {
                    cleaned += 1
                } else {
                    self.schedule.withLock { $0.postpone(id, now: now) }
                }
            }
        }
        return cleaned
    }

    /// Looks at a log, and has its active segment rolled when its records have waited too long. Nil for a log that
    /// cannot be cleaned.
    private func status(of partition: Partition) -> CompactionStatus? {
        let now = self.clock.wallMilliseconds()
        do throws(LogError) {
            guard partition.log.refusal == nil else { return nil }
            let status = try partition.log.compactionStatus(now: now)
            guard status.needsRoll else { return status }
            self.roll(partition, now: now)
            return try partition.log.compactionStatus(now: now)
        } catch {
            self.report(error, of: partition)
            return nil
        }
    }

    /// On the partition's IO thread, which does everything that the writer does.
    private func roll(_ partition: Partition, now: Int64) {
        partition.ioThread.runAndWait {
            do throws(LogError) {
                try partition.log.roll(now: now)
                // A sealed segment is cleaned when it is on stable storage.
                try partition.log.flush()
                partition.advanceHighWatermark(to: partition.log.flushedOffset)
            } catch {
                self.report(error, of: partition)
            }
        }
    }

    /// Returns false when it came to nothing.
    private func clean(_ partition: Partition, _ config: BrokerConfig, _ budget: inout ByteBudget) -> Bool {
        var generator = SystemRandomNumberGenerator()
        let options = CompactionOptions(
            mapByteCount: Int(clamping: config.logCleanerDedupeBufferSize), now: self.clock.wallMilliseconds(),
            seed: CompactionSeed(generator.next(), generator.next()), reservedBytes: self.reservedBytes())
        let began = self.clock.monotonicNanoseconds()
        do throws(LogError) {
            let result = try partition.log.compact(options) { bytes in
                self.keepPace(bytes, &budget, of: partition)
            }
            // Either this one stops, or segments were deleted while they were cleaned: the rest can wait its turn.
            if result.wasStopped { return false }
            self.metrics.compactions.add()
            self.metrics.compactedBytesRead.add(Int(clamping: result.bytesRead))
            self.metrics.compactedBytesWritten.add(Int(clamping: result.bytesWritten))
            self.metrics.compactedBytesFreed.add(max(0, Int(clamping: result.bytesFreed)))
            self.logger.info(
                "compacted a log",
                metadata: [
                    "partition": "\(partition.topicPartition)", "from": "\(result.firstDirtyOffset)",
                    "to": "\(result.cleanedOffset)", "read": "\(result.bytesRead)",
                    "written": "\(result.bytesWritten)", "freed": "\(result.bytesFreed)",
                    "segments": "\(result.segmentsReplaced) to \(result.segmentsWritten)",
                    "milliseconds": "\((self.clock.monotonicNanoseconds() - began) / 1_000_000)",
                ])
            return result.cleanedOffset > result.firstDirtyOffset
        } catch {
            self.report(error, of: partition)
            return false
        }
    }

    /// Sleeps until the next bytes may be read; false when the cleaning shall end.
    private func keepPace(_ bytes: Int64, _ budget: inout ByteBudget, of partition: Partition) -> Bool {
        var wait = budget.spend(bytes, now: self.clock.monotonicNanoseconds())
        while wait > 0 {
            if self.isStopping.load(ordering: .acquiring) || partition.log.refusal != nil { return false }
            self.sleep(min(wait, Self.sleepMax))
            wait -= Self.sleepMax
        }
        return !self.isStopping.load(ordering: .acquiring)
    }

    private func report(_ error: LogError, of partition: Partition) {
        // Deleted meanwhile.
        if case .closed = error { return }
        self.metrics.failedCompactions.add()
        self.logger.error(
            "a log was not compacted; it is tried again in ten minutes",
            metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"])
    }
}

extension Broker {
    /// Starts the thread that compacts logs.
    func startCleaner() {
        self.cleaner.start(topics: { [topics] in topics.all.flatMap(\.partitions) }, config: { [self] in self.config })
    }

    /// Compacts all logs that are due, on the calling thread, which must not be an event loop. For tests, where the
    /// cleaner's thread does not run. Returns how many were compacted.
    @discardableResult
    package func compactDueLogs() -> Int {
        self.cleaner.pass(self.topics.all.flatMap(\.partitions), self.config)
    }
}
