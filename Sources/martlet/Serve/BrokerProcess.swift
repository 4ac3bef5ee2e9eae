// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Broker
import BrokerServer
import ClusterMetadata
import CommitLog
import KafkaConfig
import KafkaTypes
import Logging
import MetadataSQLite
import NIOCore
import NIOPosix
import ServeConfiguration
import UnixSignals

/// Puts a broker together, runs it until a signal comes, and takes it apart. The only place that names the concrete
/// metadata store, file system and clock.
struct BrokerProcess {
    /// How long connections may take to finish what is under way when the broker stops.
    static let drainGrace = TimeAmount.seconds(10)

    private let loaded: LoadedConfiguration
    private let machine: MachineLimits
    private let sizing: Sizing
    private let logger: Logger

    init(_ loaded: LoadedConfiguration, _ machine: MachineLimits, _ sizing: Sizing) {
        self.loaded = loaded
        self.machine = machine
        self.sizing = sizing
        let format = loaded.broker.logFormat
        LoggingSystem.bootstrap { format.handler(label: $0) }
        var logger = Logger(label: "martlet")
        logger.logLevel = Logger.Level(rawValue: loaded.broker.logLevel.rawValue) ?? .info
        self.logger = logger
    }

    func run() async throws {
        let startedAt = ProcessEnvironment.wallMilliseconds()
        for warning in self.loaded.warnings { self.logger.warning("\(warning)") }
        if let passedOver = self.loaded.passedOver { self.logger.info("\(passedOver)") }
        let config = self.loaded.broker
        ProcessLimits.tuneAllocator(self.sizing)
        self.logger.info("sized by what this process may use", metadata: self.sizes)
        // Signals are caught before anything is opened, so that none can end the process in the middle.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: config.numNetworkThreads ?? ProcessEnvironment.processorCount
        )
        if config.adminListeners.isEmpty {
            try await self.run(config, group, signals, admin: nil)
        } else {
            let process = ProcessMetrics(startedAtMs: startedAt, version: Martlet.configuration.version)
            // NIO's own, which ends with the process: hummingbird tidies up in a task that nobody can wait for, and that
            // task needs the loop.
            NIOSingletons.groupLoopCountSuggestion = 1
            let adminGroup = MultiThreadedEventLoopGroup.singleton
            let admin = AdminPort(clients: group, timers: adminGroup.next(), process: process)
            try await admin.serve(on: config.adminListeners, adminGroup, self.logger) {
                try await self.run(config, group, signals, admin: admin)
            }
        }
        try await group.shutdownGracefully()
        self.logger.info("stopped; the shutdown was clean")
    }

    /// Opens everything, serves until a signal comes, and closes everything.
    private func run(
        _ config: BrokerConfig, _ group: MultiThreadedEventLoopGroup, _ signals: UnixSignalsSequence, admin: AdminPort?
    ) async throws {
        // The admin port needs a thread of Swift's pool to tell that the logs are being opened.
        let opened =
            admin == nil ? try self.open(config) : try await Self.blocking { try self.open(config) }
        let addresses: [SocketAddress]
        do {
            addresses = try await opened.host.serve(on: group)
        } catch {
            // Nothing was written: the next start need not recover.
            try await self.close(opened)
            throw error
        }
        admin?.enter(.serving(opened.host))
        let image = opened.host.metadata.image
        self.logger.info(
            "ready",
            metadata: [
                "listeners": "\(addresses.map(Self.text).joined(separator: ","))",
                "cluster": "\(image.clusterID)", "node": "\(config.nodeID)", "data": "\(opened.directory)",
                "open-files-max": "\(self.machine.openFiles)", "topics": "\(image.topicCount)",
                "partitions": "\(image.partitionCount)",
            ]
        )
        if let line = ProcessEnvironment.all[Self.readyLineVariable], !line.isEmpty {
            ProcessEnvironment.print(line)
        }
        await self.serve(until: signals, opened.host) { admin?.enter(.stopping(opened.host)) }
        try await self.close(opened)
    }

    /// What is opened at the start and closed at the end.
    private struct Opened: Sendable {
        let directory: String
        let store: SQLiteMetadataStore
        let host: BrokerHost
    }

    private func open(_ config: BrokerConfig) throws -> Opened {
        guard let directory = config.logDirs.first, config.logDirs.count == 1 else {
            throw BrokerStartError("log.dirs names \(config.logDirs.count) directories; Martlet keeps its data in one")
        }
        var journal = Journal.Options()
        journal.seed = .random(in: 0 ... .max)
        if let size = self.sizing.journalFileBytes { journal.fileByteCount = size }
        let logs = try LogDirectory.open(
            fileSystem: POSIXFileSystem(), path: directory, journal: journal, logger: self.logger)
        let reserve = try DiskReserve(fileSystem: POSIXFileSystem(), directory: directory)
        if let space = DiskSpace(path: directory) {
            // On a full disk some of it goes now, so that everything can be opened; the rest stays for deletions.
            let plan = DiskReserve.Plan(total: space.total)
            try reserve.resize(to: plan.size(held: reserve.byteCount, free: space.usable, enough: .max))
        }
        let store = try SQLiteMetadataStore(
            path: "\(directory)/\(SQLiteMetadataStore.fileName)",
            makesRoom: { reserve.give() }
        )
        var parts = BrokerHost.Parts(
            config: config,
            store: store,
            logs: logs,
            threads: BrokerThreads(
                io: config.numIOThreads ?? ProcessEnvironment.processorCount,
                readers: self.sizing.readerThreads
            ),
            clock: BrokerClock(
                wallMilliseconds: { ProcessEnvironment.wallMilliseconds() },
                monotonicNanoseconds: { ProcessEnvironment.monotonicNanoseconds() }
            ),
            logger: self.logger
        )
        parts.reserve = reserve
        parts.readAheadBytes = self.sizing.readAheadBytes
        return Opened(directory: directory, store: store, host: try BrokerHost.open(parts))
    }

    /// Closes the logs and the metadata, on a thread that may wait for the disk.
    private func close(_ opened: Opened) async throws {
        do {
            try await Self.blocking { try opened.host.close() }
        } catch {
            try? opened.store.close()
            throw error
        }
        try opened.store.close()
    }

    /// Drains the broker at the first signal; at the second, connections are closed with what they have under way.
    private func serve(
        until signals: UnixSignalsSequence,
        _ host: BrokerHost,
        stopping: @escaping @Sendable () -> Void
    ) async {
        let (stopRequests, stop) = AsyncStream<Void>.makeStream()
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var isStopping = false
                for await signal in signals {
                    self.logger.info(
                        isStopping ? "stopping without waiting for requests under way" : "stopping",
                        metadata: ["signal": "\(signal)"]
                    )
                    if isStopping { host.closeConnections() }
                    isStopping = true
                    stop.finish()
                }
            }
            for await _ in stopRequests {}
            stopping()
            await host.drain(grace: Self.drainGrace)
            tasks.cancelAll()
        }
    }

    /// Runs what blocks on a thread of its own.
    private static func blocking<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        defer { pool.shutdownGracefully { _ in } }
        return try await pool.runIfActive(body)
    }
}

extension BrokerProcess {
    /// A line for standard output once the broker serves, for those who wait for one: the image sets it to what Kafka's
    /// own images print.
    private static let readyLineVariable = "MARTLET_READY_LINE"

    /// What was decided by the limits of this machine, for the log; what somebody set himself is not among it.
    private var sizes: Logger.Metadata {
        let machine = self.machine
        var sizes: Logger.Metadata = [
            "memory": "\(machine.memoryBytes) bytes\(machine.isMemoryLimited ? " (cgroup)" : "")",
            "processors": "\(machine.processors)\(machine.areProcessorsLimited ? " (cgroup)" : "")",
            "open-files-max": "\(machine.openFiles)",
        ]
        for (name, value) in self.sizing.configs where self.loaded.origins[name] == .machine {
            sizes[name] = "\(value)"
        }
        return sizes
    }

    /// `127.0.0.1:9092`, `[::1]:9092`.
    static func text(_ address: SocketAddress) -> String {
        Endpoint(host: address.ipAddress ?? "", port: Int32(address.port ?? 0)).description
    }
}
