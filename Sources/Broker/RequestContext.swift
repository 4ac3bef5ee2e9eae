// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords
public import KafkaWire
public import NIOCore

/// A host name or address and a port, as a client is told to connect to it.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A host name, or an IPv4 or IPv6 address without brackets.
    public var host: String
    /// 1 to 65535.
    public var port: Int32

    /// Nothing is checked here.
    public init(host: String, port: Int32) {
        self.host = host
        self.port = port
    }

    /// `host:port`, an IPv6 address in brackets.
    public var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}

/// What the broker knows about the connection that a request came in on.
///
/// Made by whoever accepts connections; owned by the connection and used on its event loop only, but for the values
/// that never change.
public final class ConnectionContext: Sendable {
    /// The address at which this very connection reached the broker, or the one configured for its listener. It is
    /// what Metadata, FindCoordinator and DescribeCluster answer with, so that it works from where the client stands.
    public let advertisedEndpoint: Endpoint
    /// The client's address, for logs and for fetch sessions.
    public let peer: String
    /// The client's address alone, without its port.
    public let peerHost: String
    /// The loop on which the connection, and everything about it, runs.
    public let eventLoop: any EventLoop
    /// The set of numbers that requests of this connection are counted in: that of its event loop.
    public let metricsShard: Int
    /// The contexts for compressed batches, shared by the connections of one event loop.
    let compression: NIOLoopBound<CompressionContexts>
    /// What the requests of this pass over the socket have to write; see `Broker.submitAppends`.
    let pendingAppends: NIOLoopBound<PendingAppends>
    private let stopHandlers: NIOLoopBound<StopHandlers>

    private final class StopHandlers {
        var nextID = 0
        var byID: [Int: @Sendable () -> Void] = [:]
    }

    /// To be called on `eventLoop`.
    ///
    /// - Parameters:
    ///   - peerHost: the client's address without port; nil when all there is is `peer`.
    ///   - compression: the event loop's contexts for compressed batches; nil for some of its own.
    ///   - metricsShard: see `BrokerMetrics.shard(of:)`.
    public init(
        advertisedEndpoint: Endpoint,
        peer: String,
        peerHost: String? = nil,
        eventLoop: any EventLoop,
        compression: NIOLoopBound<CompressionContexts>? = nil,
        metricsShard: Int = 0
    ) {
        self.metricsShard = metricsShard
        self.advertisedEndpoint = advertisedEndpoint
        self.peer = peer
        self.peerHost = peerHost ?? peer
        self.eventLoop = eventLoop
        self.compression = compression ?? NIOLoopBound(CompressionContexts(), eventLoop: eventLoop)
        self.pendingAppends = NIOLoopBound(PendingAppends(), eventLoop: eventLoop)
        self.stopHandlers = NIOLoopBound(StopHandlers(), eventLoop: eventLoop)
    }

    /// Calls `handler` when waiting is over, unless it was removed before. On the event loop only.
    func onStopWaiting(_ handler: @escaping @Sendable () -> Void) -> Int {
        let handlers = self.stopHandlers.value
        handlers.nextID += 1
        handlers.byID[handlers.nextID] = handler
        return handlers.nextID
    }

    /// Forgets a handler that `onStopWaiting` gave the number of. On the event loop only.
    func removeStopHandler(_ id: Int) {
        self.stopHandlers.value.byID[id] = nil
    }

    /// Requests that wait on behalf of the connection, such as fetches for records to come, are to be finished now: it is
    /// gone or the broker shuts down. On the event loop only.
    public func stopWaiting() {
        let handlers = self.stopHandlers.value.byID
        self.stopHandlers.value.byID = [:]
        for handler in handlers.values { handler() }
    }
}

/// One request: its header and where it came from. The same value goes along with it to the answer.
public struct RequestContext: Sendable {
    /// Which API is asked.
    public let apiKey: APIKey
    /// In which of its versions; the answer has the same.
    public let apiVersion: Int16
    /// What the client calls this request; the answer repeats it.
    public let correlationID: Int32
    /// What the client calls itself; nil when it does not.
    public let clientID: String?
    /// Where the request came from.
    public let connection: ConnectionContext

    /// The fields of a request header.
    public init(
        apiKey: APIKey,
        apiVersion: Int16,
        correlationID: Int32,
        clientID: String?,
        connection: ConnectionContext
    ) {
        self.apiKey = apiKey
        self.apiVersion = apiVersion
        self.correlationID = correlationID
        self.clientID = clientID
        self.connection = connection
    }

    /// The loop on which the answer is due.
    public var eventLoop: any EventLoop { self.connection.eventLoop }
}
