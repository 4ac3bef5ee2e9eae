// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Broker
public import Logging
public import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The broker's sockets: binds the listeners, accepts connections and shuts them down in order.
public final class BrokerServer: Sendable {
    /// Connections that wait to be accepted, per listener.
    private static let backlog: Int32 = 1024

    private let group: any EventLoopGroup
    private let channels: [any Channel]
    let connections: ConnectionRegistry
    let metrics: ConnectionMetrics
    let budget: RequestBudget
    private let logger: Logger
    /// The addresses that were bound, one per listener, in their order, with the ports the system chose.
    public let boundAddresses: [SocketAddress]

    private init(
        group: any EventLoopGroup,
        channels: [any Channel],
        connections: ConnectionRegistry,
        metrics: ConnectionMetrics,
        budget: RequestBudget,
        logger: Logger
    ) {
        self.group = group
        self.channels = channels
        self.connections = connections
        self.metrics = metrics
        self.budget = budget
        self.logger = logger
        self.boundAddresses = channels.compactMap(\.localAddress)
    }

    /// Binds every listener and serves `broker` on them.
    ///
    /// - Parameter interceptor: sees requests before the broker does; for tests.
    /// - Throws: when an address cannot be bound; then none of them is.
    public static func start(
        _ broker: Broker,
        listeners: [ServerListener],
        options: ServerOptions,
        group: any EventLoopGroup,
        logger: Logger,
        interceptor: (any ConnectionInterceptor)? = nil
    ) async throws -> BrokerServer {
        var limits = ConnectionLimits(maxFrameSize: options.maxFrameSize, maxIdle: options.maxIdle)
        limits.maxReadAhead = options.readAheadBytes
        let budget = RequestBudget(limit: options.maxQueuedBytes)
        let metrics = ConnectionMetrics()
        let connections = ConnectionRegistry(
            maxConnections: options.maxConnections,
            maxConnectionsPerIP: options.maxConnectionsPerIP,
            metrics: metrics
        )
        let compression = LoopCompression()
        var channels: [any Channel] = []
        for listener in listeners {
            let bootstrap = Self.bootstrap(on: group, options)
                .childChannelInitializer { [limits] channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard interceptor?.admits(channel) ?? true, connections.admit(channel, logger: logger) else {
                            throw ConnectionRefused()
                        }
                        let handler = ConnectionHandler(
                            broker: broker,
                            limits: limits,
                            budget: budget,
                            metrics: metrics,
                            interceptor: interceptor,
                            logger: logger
                        ) { channel in
                            ConnectionContext(
                                advertisedEndpoint: listener.endpoint(for: channel),
                                peer: channel.remoteAddress.map { "\($0)" } ?? "unknown",
                                peerHost: channel.remoteAddress?.ipAddress,
                                eventLoop: channel.eventLoop,
                                compression: compression.contexts(of: channel.eventLoop),
                                metricsShard: broker.metrics.shard(of: channel.eventLoop)
                            )
                        }
                        try channel.syncOptions?.setOption(.recvAllocator, value: handler.receiveAllocator)
                        if let idle = limits.maxIdle {
                            try channel.pipeline.syncOperations.addHandler(IdleStateHandler(allTimeout: idle))
                        }
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
            do {
                channels.append(try await Self.bind(bootstrap, listener))
            } catch {
                for channel in channels { try? await channel.close() }
                throw ListenError(listener: listener, cause: error)
            }
        }
        return BrokerServer(
            group: group, channels: channels, connections: connections, metrics: metrics, budget: budget,
            logger: logger)
    }

    /// Sockets as the options want them.
    private static func bootstrap(on group: any EventLoopGroup, _ options: ServerOptions) -> ServerBootstrap {
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // One read per wake-up: the receive buffers are as large as reads have been worth.
            .childChannelOption(.maxMessagesPerRead, value: 1)
        if let bytes = options.sendBufferBytes {
            bootstrap = bootstrap.childChannelOption(.socketOption(.so_sndbuf), value: .init(clamping: bytes))
        }
        if let bytes = options.receiveBufferBytes {
            // On the listening socket, too: the window that a connection begins with is told while it is accepted.
            bootstrap =
                bootstrap
                .serverChannelOption(.socketOption(.so_rcvbuf), value: .init(clamping: bytes))
                .childChannelOption(.socketOption(.so_rcvbuf), value: .init(clamping: bytes))
        }
        return bootstrap
    }

    /// Binds one listener; that for every interface to both families, or to IPv4 alone where the system has no other.
    private static func bind(_ bootstrap: ServerBootstrap, _ listener: ServerListener) async throws -> any Channel {
        guard listener.host.isEmpty else {
            return try await bootstrap.bind(host: listener.host, port: listener.port).get()
        }
        do {
            return try await bootstrap.bind(host: "::", port: listener.port).get()
        } catch let error as IOError where error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL {
            return try await bootstrap.bind(host: "0.0.0.0", port: listener.port).get()
        }
    }

    /// Stops accepting, lets every connection finish what is under way, and closes it; those that have not finished
    /// after `grace` are closed all the same.
    public func shutDown(grace: TimeAmount) async {
        for channel in self.channels { try? await channel.close() }
        await self.connections.drain(grace: grace, on: self.group.any())
    }

    /// Closes every connection at once, whatever it has under way.
    public func closeConnections() {
        self.connections.closeAll()
    }
}

/// The limits of the server's sockets.
public struct ServerOptions: Sendable {
    /// Bytes of one request at the most: `socket.request.max.bytes`.
    public var maxFrameSize: Int
    /// Bytes of requests under way on all connections: `queued.max.request.bytes`; 0 or less for no limit.
    public var maxQueuedBytes: Int
    /// `connections.max.idle.ms`; nil for ever.
    public var maxIdle: TimeAmount?
    /// `max.connections`.
    public var maxConnections: Int
    /// `max.connections.per.ip`.
    public var maxConnectionsPerIP: Int
    /// Bytes: SO_SNDBUF of connections, which is what of an answer can be on its way; nil for the system's choice.
    public var sendBufferBytes: Int?
    /// Bytes: SO_RCVBUF of connections; nil for the system's choice.
    public var receiveBufferBytes: Int?
    /// Bytes that are read of a socket at a time, at most, between large requests.
    public var readAheadBytes = ReceiveBuffers.maxReadAhead

    /// Limits in the units of their configs; sockets and reads as they come.
    public init(
        maxFrameSize: Int,
        maxQueuedBytes: Int,
        maxIdle: TimeAmount?,
        maxConnections: Int,
        maxConnectionsPerIP: Int
    ) {
        self.maxFrameSize = maxFrameSize
        self.maxQueuedBytes = maxQueuedBytes
        self.maxIdle = maxIdle
        self.maxConnections = maxConnections
        self.maxConnectionsPerIP = maxConnectionsPerIP
    }
}

/// A listener's address cannot be bound.
public struct ListenError: Error, CustomStringConvertible {
    let listener: ServerListener
    let cause: any Error

    /// What could not be bound, and why.
    public var description: String {
        // What NIO says of it names its own functions.
        let reason = (self.cause as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(self.cause)"
        return "cannot listen on \(self.listener.name)://\(self.listener.host):\(self.listener.port): \(reason)"
    }
}

/// There are too many connections, or the broker shuts down.
struct ConnectionRefused: Error {}
