// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Broker
public import ClusterMetadata
public import CommitLog
public import KafkaConfig
import KafkaTypes
public import Logging
public import NIOCore
import Synchronization

/// A whole broker: opened on a data directory, served on sockets, drained and closed, in that order and each once.
///
/// `martlet serve` and `MartletTestKit` both put their brokers together with it; what differs between them is `Parts`.
public final class BrokerHost: Sendable {
    /// What a broker is put together from.
    public struct Parts: Sendable {
        /// The configs; the dynamic ones of the metadata are put over them.
        public var config: BrokerConfig
        /// Where metadata is kept. Whoever made it closes it, after `close()`.
        public var store: any MetadataStore
        /// The open data directory.
        public var logs: LogDirectory
        /// How many threads touch the disk.
        public var threads: BrokerThreads
        /// The time.
        public var clock: BrokerClock
        /// Where the broker writes what happens.
        public var logger: Logger
        /// What is held back on the disk of the logs, if anything.
        public var reserve: DiskReserve?
        /// Asks how much room there is, instead of the file system of the logs.
        public var diskSpace: (@Sendable () -> DiskSpace?)?
        /// Topics to be made when the metadata is new.
        public var firstTopics: [NewTopic] = []
        /// Bytes that are read of a socket at a time, at most; nil for the server's own bound.
        public var readAheadBytes: Int?
        /// Stands between connections and broker; nil costs nothing.
        public var interceptor: (any ConnectionInterceptor)?

        /// Parts without reserve and interceptor.
        public init(
            config: BrokerConfig, store: any MetadataStore, logs: LogDirectory, threads: BrokerThreads,
            clock: BrokerClock, logger: Logger
        ) {
            self.config = config
            self.store = store
            self.logs = logs
            self.threads = threads
            self.clock = clock
            self.logger = logger
        }
    }

    /// Bytes of requests under way on all connections, where `queued.max.request.bytes` does not say.
    static let queuedRequestBytes = 128 << 20

    /// The broker behind the sockets.
    public let broker: Broker
    /// Its metadata.
    public let metadata: MetadataController
    private let parts: Parts
    private let served = Mutex<Served?>(nil)

    private struct Served: Sendable {
        var server: BrokerServer
        var housekeeping: HousekeepingHandle
    }

    private init(_ parts: Parts, broker: Broker, metadata: MetadataController) {
        self.parts = parts
        self.broker = broker
        self.metadata = metadata
    }

    /// Opens metadata and logs. Blocks while it does: not to be called on an event loop.
    ///
    /// - Throws: `BrokerStartError` for a directory of another broker, and what the store and the logs throw.
    public static func open(_ parts: Parts) throws -> BrokerHost {
        let isNew = try parts.store.load() == nil
        let metadata = try MetadataController(
            store: parts.store,
            nodeID: NodeID(parts.config.nodeID),
            clusterID: parts.config.clusterID,
            generator: SystemRandomNumberGenerator()
        )
        if isNew, !parts.firstTopics.isEmpty {
            for result in metadata.createTopics(parts.firstTopics) { _ = try result.get() }
        }
        try Self.claim(parts.logs, for: metadata.image)
        let broker = try Broker(
            config: parts.config,
            metadata: metadata,
            logs: parts.logs,
            threads: parts.threads,
            clock: parts.clock,
            logger: parts.logger,
            reserve: parts.reserve,
            diskSpace: parts.diskSpace
        )
        return BrokerHost(parts, broker: broker, metadata: metadata)
    }

    /// Binds the listeners and serves on them, and begins what the broker does by itself. To be called once.
    ///
    /// - Parameter listeners: where to listen instead of on the listeners of the config.
    /// - Returns: the addresses that were bound, one per listener, with the ports that the system chose.
    /// - Throws: when an address cannot be bound; then `close()` is to be called.
    public func serve(
        on group: any EventLoopGroup, listeners: [ServerListener]? = nil
    ) async throws -> [SocketAddress] {
        let server = try await BrokerServer.start(
            self.broker,
            listeners: listeners ?? Self.listeners(of: self.parts.config),
            options: Self.options(of: self.parts),
            group: group,
            logger: self.parts.logger,
            interceptor: self.parts.interceptor
        )
        let housekeeping = try await self.broker.startHousekeeping(on: group.next()).get()
        self.served.withLock { $0 = Served(server: server, housekeeping: housekeeping) }
        return server.boundAddresses
    }

    /// The sockets; nil before `serve`.
    var server: BrokerServer? { self.served.withLock { $0?.server } }

    /// Stops accepting, lets every connection finish what is under way, and closes it; those that have not finished
    /// after `grace` are closed all the same.
    public func drain(grace: TimeAmount) async {
        guard let served = self.served.withLock({ $0 }) else { return }
        try? await served.housekeeping.stop().get()
        await served.server.shutDown(grace: grace)
    }

    /// Closes every connection at once, whatever it has under way.
    public func closeConnections() {
        self.served.withLock { $0?.server }?.closeConnections()
    }

    /// Finishes what is queued, closes the logs and marks the shutdown clean. Blocks; to be called once, after `drain`.
    ///
    /// - Throws: as `Broker.shutDown()` does.
    public func close() throws {
        try self.broker.shutDown()
    }
}

extension BrokerHost {
    /// Writes down whose directory this is, or checks it: logs of another cluster must not be served as ours.
    private static func claim(_ logs: LogDirectory, for image: ClusterImage) throws {
        if let found = try logs.metaProperties() {
            if found.clusterID == image.clusterID, found.nodeID == image.nodeID { return }
            throw BrokerStartError(
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
    private static func listeners(of config: BrokerConfig) -> [ServerListener] {
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

    private static func options(of parts: Parts) -> ServerOptions {
        let config = parts.config
        var options = ServerOptions(
            maxFrameSize: config.socketRequestMaxBytes,
            maxQueuedBytes: config.queuedMaxRequestBytes ?? Self.queuedRequestBytes,
            maxIdle: config.connectionsMaxIdleMs < 0 ? nil : .milliseconds(config.connectionsMaxIdleMs),
            maxConnections: config.maxConnections,
            maxConnectionsPerIP: config.maxConnectionsPerIP
        )
        options.sendBufferBytes = config.socketSendBufferBytes > 0 ? config.socketSendBufferBytes : nil
        options.receiveBufferBytes = config.socketReceiveBufferBytes > 0 ? config.socketReceiveBufferBytes : nil
        if let readAhead = parts.readAheadBytes { options.readAheadBytes = readAhead }
        return options
    }
}

/// Why a broker does not start.
public struct BrokerStartError: Error, CustomStringConvertible {
    /// For an operator.
    public let description: String

    /// Takes the reason, and what to do.
    public init(_ description: String) {
        self.description = description
    }
}
