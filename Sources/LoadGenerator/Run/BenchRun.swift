// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaClient

import NIOCore
import NIOPosix
import Synchronization

/// One run of a workload against a cluster: makes topics, writes a backlog if there is to be one, puts load on, waits
/// for what is on its way, counts what is in the log, and deletes the topics.
public struct BenchRun: Sendable {
    /// What is told while it runs.
    public enum Progress: Sendable {
        /// Something that takes a while has begun.
        case began(Activity)
        /// About a second has passed.
        case point(Activity, BenchReport.Point)
        /// Something did not work that the figures do not depend on.
        case warning(String)
    }

    /// What it does.
    public enum Activity: String, Sendable {
        /// Topics are made.
        case preparing
        /// The backlog is written.
        case filling
        /// Load that does not count yet.
        case warmingUp
        /// Load that counts.
        case measuring
        /// What is on its way is waited for.
        case draining
        /// Topics are deleted.
        case cleaningUp
    }

    /// What is done.
    public var workload: Workload
    /// Names of topics begin with this.
    public var topicPrefix = "martlet-bench"
    /// The topics are left behind.
    public var keepsTopics = false
    /// How long answers are waited for when the load has ended, in seconds; less if somebody has ended it.
    public var drainSeconds = 30.0
    /// How long the cluster may take after that to count what is in the topics, and to delete them, in seconds each: with
    /// all its retries it could be minutes.
    public var lastAnswersSeconds = 30.0
    /// Brokers that are asked what they have measured themselves; see ``prepare(_:)``.
    public var admin: [AdminAddress] = []
    /// Told what happens. Warnings may come from another task than the rest.
    public var observer: @Sendable (Progress) -> Void = { _ in }
    private let stop = StopSwitch()
    private let requestTimes = RequestTimes()

    /// A run with the defaults.
    public init(_ workload: Workload) { self.workload = workload }

    /// Ends the load now, as if its time were over. May be called from anywhere, and more than once.
    public func end() { self.stop.pull(at: MonotonicClock.now) }

    /// Has the cluster that is made with this configuration report how long its requests take, if brokers are asked for
    /// the same. Without it the report has the brokers' times and nothing to take them from.
    public func prepare(_ configuration: inout KafkaClusterConfiguration) {
        if !self.admin.isEmpty { self.requestTimes.attach(to: &configuration) }
    }

    /// Runs it.
    ///
    /// Throws `InvalidWorkload`, and `KafkaClientError` when the cluster cannot be reached or does not let topics be
    /// made; what goes wrong under load is counted in the report and not thrown. Throws `CancellationError` without a
    /// report; topics are deleted then, too.
    ///
    /// - Parameters:
    ///   - cluster: whom the load is for; producers and consumers have connections of their own.
    ///   - startedAt: the wall clock for the report.
    ///   - seed: of all that is left to chance: keys, payloads, names.
    public func run(on cluster: KafkaCluster, startedAt: String, seed: UInt64) async throws -> BenchReport {
        try self.workload.validate()
        self.observer(.began(.preparing))
        let description = try await cluster.describeCluster()
        let suffix = String(UInt32(truncatingIfNeeded: seed &* 0x9e37_79b9_7f4a_7c15 >> 32), radix: 36)
        let topics = try await BenchTopics.create(
            self.workload, prefix: self.topicPrefix, suffix: suffix, on: cluster)
        let result: Result<BenchReport, any Error>
        do {
            let report = try await self.measure(topics, cluster, description, startedAt: startedAt, seed: seed)
            result = .success(report)
        } catch {
            result = .failure(error)
        }
        if !self.keepsTopics { await self.delete(topics, on: cluster) }
        return try result.get()
    }

    /// A task that was cancelled cannot delete them any more, and says so.
    private func delete(_ topics: BenchTopics, on cluster: KafkaCluster) async {
        self.observer(.began(.cleaningUp))
        do {
            try await self.lastAnswer { try await topics.delete(on: cluster) }
        } catch {
            self.observer(.warning("the topics \(topics.names[0])… may be left behind: \(error)"))
        }
    }

    /// Asks for something that nobody waits for longer than `lastAnswersSeconds`.
    private func lastAnswer<Answer: Sendable>(
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        let seconds = self.lastAnswersSeconds
        return try await TimeLimit.run(.seconds(seconds), onTimeout: { NoAnswer(seconds: seconds) }, body)
    }

    private struct NoAnswer: Error, CustomStringConvertible {
        let seconds: Double

        var description: String { "there was no answer within \(BenchText.seconds(self.seconds))" }
    }

    private func measure(
        _ topics: BenchTopics, _ cluster: KafkaCluster, _ description: ClusterDescription, startedAt: String,
        seed: UInt64
    ) async throws -> BenchReport {
        let threadCount = max(1, min(MachineUsage.cores, self.workload.producerCount))
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: threadCount)
        let watch: BrokerWatch? =
            self.admin.isEmpty
            ? nil : BrokerWatch(self.admin, requests: self.requestTimes) { self.observer(.warning($0)) }
        let result: Result<BenchReport, any Error>
        do {
            let phase = LoadPhase(
                workload: self.workload, topics: topics, cluster: cluster, threads: threads, stop: self.stop,
                brokers: LocalBroker.processes(at: description.brokers.map(\.address)), watch: watch, seed: seed,
                drainSeconds: self.drainSeconds, observer: self.observer)
            let assembly = ReportAssembly(workload: self.workload, cluster: description, startedAt: startedAt)
            result = .success(try await self.run(phase, assembly))
        } catch {
            result = .failure(error)
        }
        try await threads.shutdownGracefully()
        return try result.get()
    }

    private func run(_ phase: LoadPhase, _ assembly: ReportAssembly) async throws -> BenchReport {
        var (phase, assembly) = (phase, assembly)
        if self.workload.backlogBytes > 0 {
            phase.kind = .fill
            assembly.fill = try await phase.run()
        }
        if !self.stop.isPulled {
            phase.kind = .load
            phase.backlog = assembly.fill?.acknowledged ?? 0
            assembly.load = try await phase.run()
            assembly.watch = phase.watch
        }
        assembly.isInterrupted = self.stop.isPulled
        let (topics, cluster) = (phase.topics, phase.cluster)
        do {
            assembly.inLog = try await self.lastAnswer { await topics.recordCount(on: cluster) }
        } catch is NoAnswer {
            // The report leaves it out.
        }
        return assembly.report
    }
}
