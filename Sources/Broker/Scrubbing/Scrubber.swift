// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes
import Logging
import PrometheusText
import Synchronization

/// Reads sealed segments slowly, one after another, so that bytes that rotted on disk are found while there may still
/// be a copy of the records somewhere, and not by the consumer that needs them. The log notes what is found.
///
/// One thread, which waits for the disk and for nothing else. What to read when is `ScrubSchedule`'s to say, by the
/// configs `log.scrub.bytes.per.second` and `log.scrub.interval.ms`.
final class Scrubber: Sendable {
    /// Bytes that are read at a time: what is read faster than the rate allows for a moment.
    static let pieceBytes: Int64 = 1 << 20
    /// Nanoseconds after which it looks for new segments, at the latest.
    static let lookInterval: Int64 = 60 * 1_000_000_000

    private struct State {
        var schedule = ScrubSchedule()
        var current: (target: ScrubTarget, scrub: SegmentScrub)?
        var generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
        var thread: Thread?
    }

    private let topics: TopicTable
    private let clock: BrokerClock
    private let metrics: StorageMetrics
    private let logger: Logger
    private let limits: @Sendable () -> ScrubSchedule.Limits
    private let state = Mutex(State())
    /// Nothing is ever put in: it is what the thread sleeps on.
    private let alarm = WorkQueue<Void>()
    private let isStopped = Atomic(false)

    init(
        topics: TopicTable, clock: BrokerClock, metrics: StorageMetrics, logger: Logger,
        limits: @escaping @Sendable () -> ScrubSchedule.Limits
    ) {
        self.topics = topics
        self.clock = clock
        self.metrics = metrics
        self.logger = logger
        self.limits = limits
    }

    /// Begins to read, on a thread of its own. To be called once.
    func start() {
        let thread = Thread(name: "martlet-scrub") {
            while !self.isStopped.load(ordering: .acquiring) {
                _ = self.alarm.takeAll(within: self.step())
            }
        }
        self.state.withLock { $0.thread = thread }
    }

    /// Ends the thread behind the piece that it reads, and waits for it.
    func close() {
        self.isStopped.store(true, ordering: .releasing)
        self.alarm.close()
        let thread = self.state.withLock { $0.thread.take() }
        thread?.join()
    }

    /// Does the next piece of work, if it is time for one. Returns the nanoseconds until the next step.
    func step() -> Int64 {
        let limits = self.limits()
        if limits.isOff { return Self.lookInterval }
        return self.state.withLock { state in
            let now = self.clock.monotonicNanoseconds()
            if state.current == nil {
                var generator = state.generator
                Self.update(&state.schedule, self.targets(), limits, now, &generator)
                state.generator = generator
                switch state.schedule.next(now: now) {
                case .wait(let time): return min(time ?? Self.lookInterval, Self.lookInterval)
                case .scrub(let target):
                    state.current = self.begin(target).map { (target, $0) }
                    if state.current == nil { state.schedule.finished(target, limits: limits, now: now) }
                }
            }
            guard let target = state.current?.target, var scrub = state.current?.scrub else { return 0 }
            if let byteCount = self.advance(&scrub, target) {
                self.metrics.scrubbedBytes.add(Int(clamping: byteCount))
                state.current = (target, scrub)
                return state.schedule.pause(
                    after: byteCount, limits: limits, now: self.clock.monotonicNanoseconds())
            }
            state.current = nil
            self.metrics.scrubbedSegments.add()
            state.schedule.finished(target, limits: limits, now: now)
            return 0
        }
    }

    private static func update(
        _ schedule: inout ScrubSchedule, _ targets: [ScrubTarget], _ limits: ScrubSchedule.Limits, _ now: Int64,
        _ generator: inout some RandomNumberGenerator
    ) {
        schedule.update(targets, limits: limits, now: now, using: &generator)
    }

    private func targets() -> [ScrubTarget] {
        self.topics.all.flatMap(\.partitions).flatMap { partition in
            partition.log.sealedSegments.map {
                ScrubTarget(partition: partition.topicPartition, baseOffset: $0.baseOffset)
            }
        }
    }

    private func begin(_ target: ScrubTarget) -> SegmentScrub? {
        guard
            let partition = self.topics.topic(named: target.partition.topic)?
                .partition(target.partition.partition.rawValue)
        else { return nil }
        do throws(LogError) {
            return try partition.log.beginScrub(of: target.baseOffset)
        } catch {
            self.report(error, target)
            return nil
        }
    }

    /// Reads a piece; nil when the segment is done, or cannot be read on.
    private func advance(_ scrub: inout SegmentScrub, _ target: ScrubTarget) -> Int64? {
        do throws(LogError) {
            return try scrub.advance(byteCount: Self.pieceBytes)
        } catch {
            self.report(error, target)
            return nil
        }
    }

    private func report(_ error: LogError, _ target: ScrubTarget) {
        // Deleted meanwhile.
        if case .closed = error { return }
        self.logger.error(
            "a segment cannot be read in search of damage; it is tried again when it is due the next time",
            metadata: [
                "partition": "\(target.partition)", "segment": "\(target.baseOffset)", "error": "\(error)",
            ]
        )
    }
}

extension Broker {
    /// What the configs allow the scrubber.
    static func scrubLimits(bytesPerSecond: Int64, intervalMs: Int64) -> ScrubSchedule.Limits {
        let (interval, overflow) = intervalMs.multipliedReportingOverflow(by: 1_000_000)
        // Random moments of the interval are added to the clock, so there is room above it.
        return ScrubSchedule.Limits(
            bytesPerSecond: bytesPerSecond, interval: overflow ? Int64.max / 4 : min(interval, Int64.max / 4))
    }
}
