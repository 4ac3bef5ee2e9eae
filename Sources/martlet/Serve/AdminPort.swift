// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AdminHTTP
import Broker
import BrokerServer
import KafkaConfig
import Logging
import NIOCore
import PrometheusText
import Synchronization

/// The admin port of `martlet serve`: tells what the broker of this process measures and how it is, from before the logs
/// are opened until they are closed.
final class AdminPort: Sendable {
    /// How far the process has come.
    enum Stage: Sendable {
        /// Opening metadata and logs, after a crash recovering them.
        case opening
        case serving(BrokerHost)
        /// Told to stop: clients finish what is under way.
        case stopping(BrokerHost)
    }

    /// How long an event loop may take to answer before the process counts as stuck. A loop that is busy answers in
    /// milliseconds.
    static let loopAnswerMax = TimeAmount.seconds(2)

    private let stage = Mutex(Stage.opening)
    /// Those that serve clients.
    private let eventLoops: [any EventLoop]
    /// One that does not.
    private let timers: any EventLoop
    private let process: ProcessMetrics

    /// - Parameters:
    ///   - clients: the loops that serve clients.
    ///   - timers: a loop that does not.
    init(clients: any EventLoopGroup, timers: any EventLoop, process: ProcessMetrics) {
        self.eventLoops = Array(clients.makeIterator())
        self.timers = timers
        self.process = process
    }

    /// Tells how far the process has come, from now on.
    func enter(_ stage: Stage) { self.stage.withLock { $0 = stage } }

    /// What is served over HTTP.
    var pages: AdminPages {
        AdminPages(
            title: "Martlet \(self.process.version)",
            metrics: { self.metrics() },
            health: { await self.health() },
            readiness: { self.readiness() }
        )
    }

    /// Serves on all `listeners` while `body` runs, and stops when it is done.
    ///
    /// - Throws: when an address cannot be bound, before `body` is begun; and what `body` throws. What goes wrong with the
    ///   port later is logged: a broker does not stop for want of it.
    func serve(
        on listeners: [Listener], _ group: any EventLoopGroup, _ logger: Logger, while body: () async throws -> Void
    ) async throws {
        let (binds, continuation) = AsyncThrowingStream<SocketAddress?, any Error>.makeStream()
        let servers = listeners.map { listener in
            AdminServer(
                host: listener.host, port: Int(listener.port), pages: self.pages, on: group, logger: logger
            ) { continuation.yield($0) }
        }
        let outcome = await withTaskGroup(of: Void.self) { tasks in
            for server in servers {
                tasks.addTask {
                    do {
                        try await server.run()
                    } catch {
                        logger.error("the admin port is not served", metadata: ["error": "\(error)"])
                        continuation.finish(throwing: error)
                    }
                }
            }
            let outcome: Result<Void, any Error>
            do {
                var bound: [String] = []
                for try await address in binds.prefix(listeners.count) {
                    bound.append(address.map(BrokerProcess.text) ?? "unknown")
                }
                logger.info(
                    "metrics and health are served", metadata: ["admin": "\(bound.joined(separator: ","))"])
                outcome = .success(try await body())
            } catch {
                outcome = .failure(error)
            }
            for server in servers { await server.stop() }
            return outcome
        }
        try outcome.get()
    }

    private func metrics() -> MetricsPage {
        var page = MetricsPage(reserving: 64 << 10)
        self.process.write(to: &page)
        switch self.stage.withLock({ $0 }) {
        case .opening: break
        case .serving(let host), .stopping(let host): host.writeMetrics(to: &page)
        }
        return page
    }

    // MARK: Health

    /// Every loop that serves clients does something within a while. What waits for the disk is no reason for a restart.
    private func health() async -> HealthReport {
        let silent = await withTaskGroup(of: Int?.self) { tasks in
            for (index, loop) in self.eventLoops.enumerated() {
                tasks.addTask { await self.answers(loop) ? nil : index }
            }
            return await tasks.reduce(into: [Int]()) { if let index = $1 { $0.append(index) } }
        }
        let count = self.eventLoops.count
        let seconds = Self.loopAnswerMax.nanoseconds / 1_000_000_000
        return HealthReport([
            HealthReport.Check(
                "event-loops", silent.isEmpty ? .good : .bad,
                silent.isEmpty
                    ? "all \(count) answer"
                    : "\(silent.count) of \(count) did not answer within \(seconds) s: the process is stuck or starved")
        ])
    }

    /// Whether a loop runs what it is given. Time is taken on a loop of the admin port.
    private func answers(_ loop: any EventLoop) async -> Bool {
        let promise = self.timers.makePromise(of: Bool.self)
        // The first of the two decides; a promise ignores the other.
        let timer = self.timers.scheduleTask(in: Self.loopAnswerMax) { promise.succeed(false) }
        loop.execute { promise.succeed(true) }
        defer { timer.cancel() }
        return (try? await promise.futureResult.get()) ?? false
    }

    // MARK: Readiness

    private func readiness() -> HealthReport {
        switch self.stage.withLock({ $0 }) {
        case .opening:
            HealthReport([
                .init(
                    "logs", .bad, "metadata and logs are being opened; after a crash they are recovered first")
            ])
        case .stopping:
            HealthReport([
                .init("running", .bad, "the broker was told to stop and finishes what is under way")
            ])
        case .serving(let host): Self.report(host.broker.condition)
        }
    }

    static func report(_ condition: BrokerCondition) -> HealthReport {
        let groups =
            condition.groupShardsMissing == 0
            ? "those of all \(condition.groupShards) partitions of __consumer_offsets are loaded"
            : "\(condition.groupShardsMissing) of \(condition.groupShards) partitions of __consumer_offsets are not loaded"
        return HealthReport([
            .init("logs", .good, "\(condition.partitions) partitions are open"),
            .init("groups", condition.groupShardsMissing == 0 ? .good : .bad, groups),
            // Consumers, deletions and retention go on, and are what makes room: who balances by readiness must not cut
            // them off.
            .init("disk", condition.noRoom == nil ? .good : .warning, condition.noRoom ?? "there is room for records"),
        ])
    }
}
