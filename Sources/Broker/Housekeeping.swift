// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaConfig
import KafkaTypes
import Logging
public import NIOCore

/// What the broker does by itself from time to time: deletes what is past its retention, writes the checkpoints that
/// make the next start quick, deletes offsets of groups that are gone, flushes topics that set `flush.ms`, and watches the room on the disk. It also begins the
/// scrubber and the cleaner, which end with the broker.
///
/// It only decides when; the work is done on IO threads and on the admin thread. Used on one event loop.
public final class Housekeeping {
    /// How often topics with `flush.ms` are looked at, which is how late their flush may be.
    static let flushCheckInterval = TimeAmount.milliseconds(250)
    /// Retention is first looked at this long after the start, as in Kafka, so that it does not slow the start down.
    static let firstRetentionDelay = TimeAmount.seconds(30)

    /// How often it is looked whether a crash would make the next start slow.
    static let recoveryCheckInterval = TimeAmount.seconds(1)
    /// Bytes of all partitions that may have to be read after a crash: about half a second for a start.
    static let bytesToRecoverMax: Int64 = 1 << 30

    private let broker: Broker
    private var timers: [BrokerTimer] = []
    /// Since when partitions with `flush.ms` have had something to flush, in nanoseconds of the monotonic clock.
    private var unflushedSince: [ObjectIdentifier: Int64] = [:]
    private var retentionClock = RetentionClock()

    init(broker: Broker) {
        self.broker = broker
        // What later readings are compared with: the first check comes only after a while.
        _ = self.retentionNow()
    }

    func start(on eventLoop: any EventLoop) {
        self.broker.space.start()
        self.broker.scrubber.start()
        let config = self.broker.config
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        if config.logCleanerEnable { self.broker.startCleaner() }
        self.broker.groups.startTimers(on: eventLoop)
        let offsetsInterval = TimeAmount.milliseconds(config.offsets.retentionCheckIntervalMs)
        let retentionInterval = TimeAmount.milliseconds(config.logRetentionCheckIntervalMs)
        let checkpointInterval = TimeAmount.milliseconds(config.logFlushOffsetCheckpointIntervalMs)
        func every(_ delay: TimeAmount, after first: TimeAmount? = nil, _ body: @escaping (Housekeeping) -> Void) {
            let work = NIOLoopBound(body, eventLoop: eventLoop)
            self.timers.append(
                self.broker.clock.scheduleRepeatedly(after: first ?? delay, every: delay, on: eventLoop) {
                    work.value(bound.value)
                })
        }
        every(retentionInterval, after: min(Self.firstRetentionDelay, retentionInterval)) { $0.applyRetention() }
        every(checkpointInterval) { $0.writeCheckpoints() }
        every(Self.flushCheckInterval) { $0.flushWhatIsDue() }
        every(Self.recoveryCheckInterval) { $0.writeCheckpoints(ifAbove: Self.bytesToRecoverMax) }
        every(offsetsInterval) { $0.broker.groups.expireOffsets(nowMs: $0.retentionNow()) }
        self.timers.append(self.broker.groupLag.start(on: eventLoop))
    }

    func stop() {
        self.broker.cleaner.requestStop()
        for timer in self.timers { timer.cancel() }
        self.timers = []
    }

    func applyRetention() {
        let now = self.retentionNow()
        let logger = self.broker.logger
        for partition in self.broker.topics.all.flatMap(\.partitions) {
            partition.ioThread.submit {
                do {
                    // The log tells itself what it deleted and why.
                    _ = try partition.log.applyRetention(now: now)
                } catch {
                    logger.error(
                        "retention failed; it is tried again at the next check",
                        metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
                    )
                }
            }
        }
    }

    private func retentionNow() -> Int64 {
        let clock = self.broker.clock
        let reading = self.retentionClock.read(
            wallMs: clock.wallMilliseconds(), monotonicNs: clock.monotonicNanoseconds())
        if let step = reading.noticedStepMs {
            self.broker.logger.warning(
                """
                the wall clock jumped ahead; retention goes on by the time before, and follows the clock only once it \
                has stayed ahead for some hours: set the clock right until then, or records are deleted too early
                """,
                metadata: [
                    "aheadMs": "\(step)", "followedAfterMs": "\(RetentionClock.trustedAfter / 1_000_000)",
                ])
        }
        return reading.nowMs
    }

    /// - Parameter minimumBytes: leaves them as they are while a start would have less to read.
    private func writeCheckpoints(ifAbove minimumBytes: Int64 = -1) {
        let broker = self.broker
        broker.admin.submit {
            do {
                if minimumBytes >= 0, broker.logs.bytesToRecover <= minimumBytes { return }
                try broker.logs.checkpoint()
            } catch {
                broker.logger.error(
                    "the checkpoints were not written; a crash now would make the next start slower",
                    metadata: ["directory": "\(broker.logs.path)", "error": "\(error)"]
                )
            }
        }
    }

    private func flushWhatIsDue() {
        let now = self.broker.clock.monotonicNanoseconds()
        var unflushed: [ObjectIdentifier: Int64] = [:]
        for partition in self.broker.topics.all.flatMap(\.partitions) {
            guard case .relaxed(_, let milliseconds?) = partition.currentDurability,
                partition.log.flushedOffset < partition.log.endOffset
            else { continue }
            let id = ObjectIdentifier(partition)
            let since = self.unflushedSince[id] ?? now
            let (limit, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
            if !overflow, now - since >= limit {
                self.flush(partition)
            } else {
                unflushed[id] = since
            }
        }
        self.unflushedSince = unflushed
    }

    private func flush(_ partition: Partition) {
        let logger = self.broker.logger
        partition.ioThread.submit {
            do {
                try partition.log.flush()
            } catch {
                logger.error(
                    "a flush by flush.ms failed; the partition takes no more records until the broker restarts",
                    metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
                )
            }
        }
    }
}

extension Broker {
    /// Begins the work that the broker does by itself; it ends when the returned value is stopped.
    public func startHousekeeping(on eventLoop: any EventLoop) -> EventLoopFuture<HousekeepingHandle> {
        eventLoop.submit {
            let housekeeping = Housekeeping(broker: self)
            housekeeping.start(on: eventLoop)
            return HousekeepingHandle(
                housekeeping: NIOLoopBound(housekeeping, eventLoop: eventLoop), eventLoop: eventLoop)
        }
    }
}

/// Ends the housekeeping that it stands for.
public struct HousekeepingHandle: Sendable {
    fileprivate let housekeeping: NIOLoopBound<Housekeeping>
    fileprivate let eventLoop: any EventLoop

    /// No more work is begun when the future succeeds.
    public func stop() -> EventLoopFuture<Void> {
        self.eventLoop.submit { self.housekeeping.value.stop() }
    }
}
