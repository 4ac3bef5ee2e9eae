// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore
import Synchronization

/// Puts load on a cluster for a while: starts producers and consumers, looks at them every second, and waits at the end
/// until everything that was sent has been acknowledged and read.
struct LoadPhase: Sendable {
    enum Kind: Sendable {
        /// Writes the backlog, as fast as it goes.
        case fill
        /// What the workload is about.
        case load
    }

    /// What a phase came to.
    struct Outcome: Sendable {
        var statistics: RunStatistics
        /// When it ceased to count; nil when the last record said so.
        var end: Int64?
        var sent: Int
        /// What was used while it counted.
        var usage: (from: MachineUsage, to: MachineUsage)
        /// Which part of the time producers waited for memory; nil without producers.
        var waited: Double?
        var ping: LatencyHistogram
        var errors: [ErrorCounts.Entry]

        var acknowledged: Int { self.statistics.produced?.totals.records ?? 0 }
    }

    let workload: Workload
    let topics: BenchTopics
    let cluster: KafkaCluster
    /// The threads of the producers' tasks.
    let threads: any EventLoopGroup
    let stop: StopSwitch
    /// Processes of brokers on this machine.
    let brokers: [Int32]
    /// Brokers that tell their own times; nil when nobody wants to know.
    let watch: BrokerWatch?
    let seed: UInt64
    let drainSeconds: Double
    let observer: @Sendable (BenchRun.Progress) -> Void
    var kind = Kind.load
    /// Records that are there before.
    var backlog = 0

    /// After so many nanoseconds everybody has started, and the first record is due.
    private static let leadTime: Int64 = 50_000_000

    /// Runs it. Throws `KafkaClientError` for what the cluster does not let begin at all, and `CancellationError`.
    func run() async throws -> Outcome {
        let watch = self.kind == .load ? self.watch : nil
        let hasWarmUp = self.kind == .load && self.workload.effectiveWarmUp > 0
        // Without a warm-up everything counts, and so nothing may have begun.
        if !hasWarmUp { await watch?.begin() }
        let ends = self.loops ? try await self.topics.ends(on: self.cluster) : [:]
        let start = MonotonicClock.now + Self.leadTime
        let countFrom = start + Int64((self.kind == .load ? self.workload.effectiveWarmUp : 0) * 1e9)
        var plannedEnd: Int64?
        if self.kind == .load, case .seconds(let seconds) = self.workload.limit {
            plannedEnd = countFrom + Int64(seconds * 1e9)
        }
        let control = RunControl(start: start, countFrom: countFrom, plannedEnd: plannedEnd)
        self.stop.watch(control)
        let crew = try LoadCrew(self, control: control, ends: ends)
        let monitor = LoadMonitor(self, crew: crew)
        return try await withThrowingTaskGroup(of: Void.self) { helpers in
            helpers.addTask { await monitor.watch() }
            if self.kind == .load { helpers.addTask { await crew.ping() } }
            if hasWarmUp, let watch { helpers.addTask { await crew.beginWatch(watch) } }
            try await crew.work()
            helpers.cancelAll()
            try await helpers.waitForAll()
            try Task.checkCancellation()
            return monitor.outcome()
        }
    }

    /// Consumers that have read everything begin anew.
    var loops: Bool {
        guard self.kind == .load, self.workload.mode == .consume else { return false }
        if case .backlog = self.workload.limit { return false }
        return true
    }

    var produces: Bool { self.kind == .fill || self.workload.produces }
    var consumes: Bool { self.kind == .load && self.workload.consumes }

    /// How many records all producers write; nil for as many as there is time for.
    var recordsMax: Int? {
        switch (self.kind, self.workload.limit) {
        case (.fill, _): self.workload.backlogRecords
        case (.load, .records(let records)): records
        case (.load, _): nil
        }
    }

    /// How many records consumers are to read in the end; nil where that is not to be waited for.
    func expected(acknowledged: Int) -> Int? {
        guard self.consumes, !self.loops else { return nil }
        return (self.backlog + acknowledged) * self.workload.subscriptions
    }
}
