// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import BrokerServer
import ClusterMetadata
import CommitLog
import KafkaConfig
import NIOCore
import NIOPosix
import Synchronization

/// How much of what was never synced a loss of power takes.
public enum MartletPowerLoss: Sendable, Hashable {
    /// All of it: only what was synced is left.
    case everything
    /// Anything that POSIX allows: for each file all, nothing, a torn beginning or a random choice of sectors of what was
    /// not synced. The same seed and the same writes lose the same.
    case arbitrary(seed: UInt64)
}

/// A real Kafka broker inside the process of a test.
///
/// ``withMartlet(_:isolation:_:)`` makes one and ends it. All members may be used from any task; of those that start and
/// stop it only one at a time: another call meanwhile throws `wrongState`.
public final class Martlet: Sendable {
    /// With what it was made.
    public let configuration: MartletConfiguration
    /// The broker's disk, and what can go wrong with it.
    public let disk: MartletDisk
    /// The broker's time.
    public let clock: MartletClock
    let interceptor: FaultInterceptor
    private let ports: [PortReservation]
    private let config: BrokerConfig
    private let store = InMemoryMetadataStore()
    private let lastRun = Atomic(0)
    private let phase = Mutex(Phase.stopped)

    private enum Phase {
        case stopped
        case changing
        case running(Run)
    }

    /// One run of the broker: what a process would be.
    struct Run: Sendable {
        let host: BrokerHost
        let group: MultiThreadedEventLoopGroup
        let files: ProcessFileSystem
        /// Counts the runs.
        let number: Int
    }

    private init(_ configuration: MartletConfiguration) throws {
        self.configuration = configuration
        self.config = try Self.config(configuration)
        self.clock = MartletClock(configuration.time)
        let ports = try (0..<configuration.nodes).map { _ in try PortReservation() }
        let firstID = self.config.nodeID
        self.ports = ports
        self.interceptor = FaultInterceptor(
            NodeTable(ports.enumerated().map { MartletNode(id: firstID + Int32($0), port: $1.port) }))
        self.disk = try MartletDisk(configuration.storage, clock: self.clock)
    }

    /// Where clients connect, for `bootstrap.servers`: `127.0.0.1:40123`, of more nodes all of them, separated by commas.
    /// Stays the same over restarts.
    public var bootstrap: String { self.nodes.map(\.address).joined(separator: ",") }

    /// The port of 127.0.0.1 that the broker, or the first of its nodes, listens on. Stays the same over restarts.
    public var port: Int { self.ports[0].port }

    // MARK: Starting and stopping

    /// Starts a broker that the caller has to end with ``shutDown()``. ``withMartlet(_:isolation:_:)`` does both.
    ///
    /// Throws as that does.
    public static func start(_ configuration: MartletConfiguration = MartletConfiguration()) async throws -> Martlet {
        let martlet = try Martlet(configuration)
        do {
            try await martlet.start()
        } catch {
            martlet.disk.remove()
            throw error
        }
        return martlet
    }

    /// Starts the broker again after ``stop()``, ``kill()`` or ``losePower(_:)``, on the same port and with what is
    /// on its disk. Returns when it serves.
    ///
    /// - Throws: `MartletError` with `wrongState` while it is running.
    public func start() async throws {
        try self.change { phase -> Bool? in
            guard case .stopped = phase else { return nil }
            return true
        }
        do {
            let run = try await self.makeRun()
            self.phase.withLock { $0 = .running(run) }
        } catch {
            self.phase.withLock { $0 = .stopped }
            throw error
        }
    }

    /// Stops the broker as `SIGTERM` does: requests under way are answered, everything is written, connections close. Until
    /// ``start()`` nobody listens on its port.
    ///
    /// - Throws: `MartletError` with `wrongState` when it is not running, and errors of its disk.
    public func stop() async throws {
        try await self.end { run in
            self.interceptor.end()
            await run.host.drain(grace: Self.drainGrace)
            try await Self.blocking { try run.host.close() }
        }
    }

    /// Stops the broker as `SIGTERM` does, and starts it again.
    ///
    /// Throws as ``stop()`` and ``start()`` do.
    public func restart() async throws {
        try await self.stop()
        try await self.start()
    }

    /// Ends the broker as `kill -9` does: connections break, requests under way are not answered, and nothing more is
    /// written; what was written stays. Until ``start()`` nobody listens on its port.
    ///
    /// - Throws: `MartletError` with `wrongState` when it is not running.
    public func kill() async throws {
        try await self.end { run in
            await self.abandon(run)
            self.disk.endProcess()
        }
    }

    /// Cuts the power of the broker's machine: as ``kill()``, and what was never synced to the disk is lost, too.
    ///
    /// Only a disk in memory can forget; with ``MartletStorage/temporaryDirectory`` it is the same as ``kill()``.
    ///
    /// - Parameter loss: How much of what was not synced is lost.
    /// - Throws: `MartletError` with `wrongState` when it is not running.
    public func losePower(_ loss: MartletPowerLoss = .everything) async throws {
        try await self.end { run in
            await self.abandon(run)
            self.disk.losePower(loss)
        }
    }

    /// Ends the broker for good and gives everything back: threads, sockets, memory, its folder. Does nothing more the
    /// second time.
    ///
    /// Unlike ``stop()`` it does not wait for what is under way.
    ///
    /// - Throws: errors of the disk while it was closed; everything is given back all the same.
    public func shutDown() async throws {
        defer { self.disk.remove() }
        let run = self.phase.withLock { phase -> Run? in
            guard case .running(let run) = phase else { return nil }
            phase = .changing
            return run
        }
        guard let run else { return }
        await self.abandon(run)
        defer { self.phase.withLock { $0 = .stopped } }
        try await self.giveBack(run)
    }

    // MARK: Parts

    /// How long connections may take to finish what is under way when the broker stops.
    private static let drainGrace = TimeAmount.seconds(10)
    /// Each node needs a port; nobody's test needs more.
    private static let nodesMax = 100
    /// Threads that wait for the disk on behalf of fetches.
    private static let readerThreads = 1

    /// Begins a change of the phase, unless `isAllowed` says nil.
    @discardableResult
    private func change<Value>(_ isAllowed: (Phase) -> Value?) throws -> Value {
        try self.phase.withLock { phase throws -> Value in
            guard let value = isAllowed(phase) else {
                let message =
                    switch phase {
                    case .stopped: "the broker is not running: start() starts it"
                    case .running: "the broker is running: stop() or kill() end it"
                    case .changing: "the broker is being started or stopped: one call at a time"
                    }
                throw MartletError(.wrongState, message)
            }
            phase = .changing
            return value
        }
    }

    private func end(_ body: (Run) async throws -> Void) async throws {
        let run = try self.change { phase -> Run? in
            guard case .running(let run) = phase else { return nil }
            return run
        }
        defer { self.phase.withLock { $0 = .stopped } }
        do {
            try await body(run)
        } catch {
            try? await self.giveBack(run)
            throw error
        }
        try await self.giveBack(run)
    }

    private func giveBack(_ run: Run) async throws {
        self.clock.afterAdvance(nil)
        self.clock.endRun(run.number)
        try await run.group.shutdownGracefully()
    }

    /// The run that is on.
    func running() throws -> Run {
        guard case .running(let run) = self.phase.withLock({ $0 }) else {
            throw MartletError(.wrongState, "the broker is not running: start() starts it")
        }
        return run
    }

    private func makeRun() async throws -> Run {
        let files = self.disk.openProcess()
        let number = self.lastRun.add(1, ordering: .relaxed).newValue
        let (config, disk, interceptor) = (self.config, self.disk, self.interceptor)
        let (store, clock, configuration) = (self.store, self.clock, self.configuration)
        let topics = try configuration.topics.map { try Self.newTopic($0, config) }
        let host = try await Self.blocking {
            let logs = try LogDirectory.open(
                fileSystem: files, path: disk.directory, journal: disk.journal, logger: configuration.logger)
            var parts = BrokerHost.Parts(
                config: config,
                store: store,
                logs: logs,
                threads: BrokerThreads(io: config.numIOThreads ?? 1, readers: Self.readerThreads),
                clock: clock.brokerClock(run: number),
                logger: configuration.logger
            )
            parts.firstTopics = topics
            parts.interceptor = interceptor
            parts.diskSpace = disk.diskSpace
            return try BrokerHost.open(parts)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: config.numNetworkThreads ?? 1)
        interceptor.begin()
        do {
            let listeners = self.ports.map { reservation in
                ServerListener(name: "PLAINTEXT", host: "127.0.0.1", port: reservation.port, advertised: nil)
            }
            _ = try await host.serve(on: group, listeners: listeners)
        } catch {
            try? await Self.blocking { try host.close() }
            clock.endRun(number)
            try? await group.shutdownGracefully()
            throw error
        }
        clock.afterAdvance { try? await host.broker.settled(on: group.any()).get() }
        return Run(host: host, group: group, files: files, number: number)
    }

    /// Ends a run without another byte on the disk.
    private func abandon(_ run: Run) async {
        run.files.end()
        // Before what is held up is let go: it must not reach anybody.
        run.host.closeConnections()
        self.interceptor.end()
        await run.host.drain(grace: .zero)
        // It cannot write what makes a shutdown clean; that is the point.
        try? await Self.blocking { try run.host.close() }
    }

    /// Runs what blocks on a thread that may.
    private static func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}

extension Martlet {
    private static func config(_ configuration: MartletConfiguration) throws -> BrokerConfig {
        let values = MartletConfiguration.defaultConfigs.merging(configuration.configs) { _, set in set }
        let config: BrokerConfig
        do {
            config = try BrokerConfig(resolving: values)
        } catch {
            throw MartletError(.invalidConfiguration, "\(error)")
        }
        guard (1...Self.nodesMax).contains(configuration.nodes) else {
            throw MartletError(
                .invalidConfiguration, "\(configuration.nodes) nodes; 1 to \(Self.nodesMax) are allowed")
        }
        if let unknown = config.unknownKeys.first {
            throw MartletError(.invalidConfiguration, "\(unknown) is no config of the broker's")
        }
        return config
    }

    private static func newTopic(_ topic: MartletTopic, _ config: BrokerConfig) throws -> NewTopic {
        do {
            let alterations = topic.configs.map { ConfigAlteration($0.key, .set, $0.value) }
            return NewTopic(
                name: topic.name,
                placement: .spread(
                    partitions: Int32(clamping: topic.partitions ?? config.numPartitions), replicationFactor: 1),
                configs: try config.altering(topicOverrides: [:], alterations))
        } catch {
            throw MartletError(.invalidConfiguration, "topic '\(topic.name)': \(error)")
        }
    }
}
