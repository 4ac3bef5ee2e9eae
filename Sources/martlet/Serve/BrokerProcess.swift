// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

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
    /// Threads that wait for the disk on behalf of fetches; what is in memory is found without them.
    static let readerThreads = 2

    /// Bytes of requests under way on all connections, where `queued.max.request.bytes` does not say.
    static let queuedRequestBytes = 128 << 20

    private let loaded: LoadedConfiguration
    private let logger: Logger

    init(_ loaded: LoadedConfiguration) {
        self.loaded = loaded
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "martlet")
        logger.logLevel = Logger.Level(rawValue: loaded.broker.logLevel.rawValue) ?? .info
        self.logger = logger
    }

    func run() async throws {
        for warning in self.loaded.warnings { self.logger.warning("\(warning)") }
        let config = self.loaded.broker
        ProcessLimits.keepRequestBuffers()
        let openFiles = ProcessLimits.raiseOpenFiles()
        // Signals are caught before anything is opened, so that none can end the process in the middle.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let opened = try self.open(config)
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: config.numNetworkThreads ?? ProcessEnvironment.processorCount
        )
        let server: BrokerServer
        do {
            server = try await BrokerServer.start(
                opened.broker,
                listeners: try Self.listeners(of: config),
                options: Self.options(of: config),
                group: group,
                logger: self.logger
            )
        } catch {
            // Nothing was written: the next start need not recover.
            try await self.close(opened)
            throw error
        }
        let housekeeping = try await opened.broker.startHousekeeping(on: group.next()).get()
        let image = opened.metadata.image
        self.logger.info(
            "ready",
            metadata: [
                "listeners": "\(server.boundAddresses.map(Self.text).joined(separator: ","))",
                "cluster": "\(image.clusterID)", "node": "\(config.nodeID)", "data": "\(opened.directory)",
                "open-files-max": "\(openFiles)", "topics": "\(image.topicCount)",
                "partitions": "\(image.partitionCount)",
            ]
        )

        await self.serve(until: signals, server) {
            try? await housekeeping.stop().get()
            await server.shutDown(grace: Self.drainGrace)
        }
        try await self.close(opened)
        try await group.shutdownGracefully()
        self.logger.info("stopped; the shutdown was clean")
    }

    /// What is opened at the start and closed at the end.
    private struct Opened: Sendable {
        let directory: String
        let store: SQLiteMetadataStore
        let metadata: MetadataController
        let broker: Broker
    }

    private func open(_ config: BrokerConfig) throws -> Opened {
        guard let directory = config.logDirs.first, config.logDirs.count == 1 else {
            throw StartError("log.dirs names \(config.logDirs.count) directories; Martlet keeps its data in one")
        }
        var journal = Journal.Options()
        journal.seed = .random(in: 0 ... .max)
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
        let metadata = try MetadataController(
            store: store,
            nodeID: NodeID(config.nodeID),
            clusterID: config.clusterID,
            generator: SystemRandomNumberGenerator()
        )
        try self.claim(logs, for: metadata.image)
        let broker = try Broker(
            config: config,
            metadata: metadata,
            logs: logs,
            threads: BrokerThreads(
                io: config.numIOThreads ?? ProcessEnvironment.processorCount,
                readers: Self.readerThreads
            ),
            clock: BrokerClock(
                wallMilliseconds: { ProcessEnvironment.wallMilliseconds() },
                monotonicNanoseconds: { ProcessEnvironment.monotonicNanoseconds() }
            ),
            logger: self.logger,
            reserve: reserve
        )
        return Opened(directory: directory, store: store, metadata: metadata, broker: broker)
    }

    /// Closes the logs and the metadata, on a thread that may wait for the disk.
    private func close(_ opened: Opened) async throws {
        do {
            try await Self.blocking { try opened.broker.shutDown() }
        } catch {
            try? opened.store.close()
            throw error
        }
        try opened.store.close()
    }

    /// Runs `drain` at the first signal; at the second, connections are closed with what they have under way.
    private func serve(
        until signals: UnixSignalsSequence,
        _ server: BrokerServer,
        drain: @escaping @Sendable () async -> Void
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
                    if isStopping { server.closeConnections() }
                    isStopping = true
                    stop.finish()
                }
            }
            for await _ in stopRequests {}
            await drain()
            tasks.cancelAll()
        }
    }

    /// Runs what blocks on a thread of its own.
    private static func blocking(_ body: @escaping @Sendable () throws -> Void) async throws {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        defer { pool.shutdownGracefully { _ in } }
        try await pool.runIfActive(body)
    }
}

extension BrokerProcess {
    /// Writes down whose directory this is, or checks it: logs of another cluster must not be served as ours.
    private func claim(_ logs: LogDirectory, for image: ClusterImage) throws {
        if let found = try logs.metaProperties() {
            if found.clusterID == image.clusterID, found.nodeID == image.nodeID { return }
            throw StartError(
                """
                \(logs.path) belongs to node \(found.nodeID) of cluster \(found.clusterID), but this broker is node \
                \(image.nodeID) of cluster \(image.clusterID): use its own data directory, or an empty one
                """
            )
        }
        var generator = SystemRandomNumberGenerator()
        try logs.writeMetaProperties(
            MetaProperties(
                clusterID: image.clusterID,
                nodeID: image.nodeID,
                directoryID: .random(using: &generator)
            )
        )
    }

    /// The listeners, each with the advertised address of its name, if there is one.
    private static func listeners(of config: BrokerConfig) throws -> [ServerListener] {
        config.listeners.map { listener in
            let advertised = config.advertisedListeners.first { $0.name == listener.name }
            return ServerListener(
                name: listener.name,
                host: listener.host,
                port: Int(listener.port),
                advertised: advertised.map { Endpoint(host: $0.host, port: Int32($0.port)) }
            )
        }
    }

    private static func options(of config: BrokerConfig) -> ServerOptions {
        ServerOptions(
            maxFrameSize: config.socketRequestMaxBytes,
            maxQueuedBytes: config.queuedMaxRequestBytes ?? Self.queuedRequestBytes,
            maxIdle: config.connectionsMaxIdleMs < 0 ? nil : .milliseconds(config.connectionsMaxIdleMs),
            maxConnections: config.maxConnections,
            maxConnectionsPerIP: config.maxConnectionsPerIP
        )
    }

    /// `127.0.0.1:9092`, `[::1]:9092`.
    private static func text(_ address: SocketAddress) -> String {
        Endpoint(host: address.ipAddress ?? "", port: Int32(address.port ?? 0)).description
    }
}

/// Why the broker does not start.
struct StartError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
