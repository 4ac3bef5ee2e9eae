// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Broker
public import Logging
public import NIOCore
import NIOPosix

/// The broker's sockets: binds the listeners, accepts connections and shuts them down in order.
public final class BrokerServer: Sendable {
    /// Connections that wait to be accepted, per listener.
    private static let backlog: Int32 = 1024

    private let group: any EventLoopGroup
    private let channels: [any Channel]
    private let connections: ConnectionRegistry
    private let logger: Logger
    /// The addresses that were bound, one per listener, in their order, with the ports the system chose.
    public let boundAddresses: [SocketAddress]

    private init(
        group: any EventLoopGroup,
        channels: [any Channel],
        connections: ConnectionRegistry,
        logger: Logger
    ) {
        self.group = group
        self.channels = channels
        self.connections = connections
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
        let limits = ConnectionLimits(maxFrameSize: options.maxFrameSize, maxIdle: options.maxIdle)
        let budget = RequestBudget(limit: options.maxQueuedBytes)
        let connections = ConnectionRegistry(
            maxConnections: options.maxConnections,
            maxConnectionsPerIP: options.maxConnectionsPerIP
        )
        let compression = LoopCompression()
        var channels: [any Channel] = []
        for listener in listeners {
            let bootstrap = ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: Self.backlog)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                // One read per wake-up: the receive buffers are as large as reads have been worth.
                .childChannelOption(.maxMessagesPerRead, value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard interceptor?.admits(channel) ?? true, connections.admit(channel, logger: logger) else {
                            throw ConnectionRefused()
                        }
                        let handler = ConnectionHandler(
                            broker: broker,
                            limits: limits,
                            budget: budget,
                            interceptor: interceptor,
                            logger: logger
                        ) { channel in
                            ConnectionContext(
                                advertisedEndpoint: listener.endpoint(for: channel),
                                peer: channel.remoteAddress.map { "\($0)" } ?? "unknown",
                                peerHost: channel.remoteAddress?.ipAddress,
                                eventLoop: channel.eventLoop,
                                compression: compression.contexts(of: channel.eventLoop)
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
                let host = listener.host.isEmpty ? "::" : listener.host
                channels.append(try await bootstrap.bind(host: host, port: listener.port).get())
            } catch {
                for channel in channels { try? await channel.close() }
                throw ListenError(listener: listener, cause: error)
            }
        }
        return BrokerServer(group: group, channels: channels, connections: connections, logger: logger)
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

    /// All limits, in the units of their configs.
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
        "cannot listen on \(self.listener.name)://\(self.listener.host):\(self.listener.port): \(self.cause)"
    }
}

/// There are too many connections, or the broker shuts down.
struct ConnectionRefused: Error {}
