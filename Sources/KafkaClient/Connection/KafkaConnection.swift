// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaWire
public import Logging
public import NIOCore

import NIOPosix

/// One connection to one broker, over which any API can be called.
///
/// Requests are sent in the order of the calls and answered in that order; several can be on their way. Every call ends:
/// with the answer, with an error, or when its task is cancelled. After `connectionClosed`, `timedOut` and `notKafka`
/// the connection is of no use any more; make another one. It lives until ``close()``.
public final class KafkaConnection: Sendable {
    /// Where the broker was reached.
    public let address: BrokerAddress
    /// What the broker serves.
    public let versions: BrokerVersions
    let requests: RequestChannel

    init(_ requests: RequestChannel, versions: BrokerVersions) {
        self.address = requests.address
        self.versions = versions
        self.requests = requests
    }

    /// False once the connection has ended, whoever ended it.
    public var isOpen: Bool { self.requests.channel.isActive }

    /// Where the other end really is: the IP address behind a host name. Nil when that cannot be told.
    var remoteAddress: BrokerAddress? {
        guard let remote = self.requests.channel.remoteAddress, let host = remote.ipAddress, let port = remote.port
        else { return nil }
        return BrokerAddress(host: host, port: port)
    }

    // MARK: Connecting

    /// Connects and asks the broker which versions it serves.
    ///
    /// Throws `KafkaClientError`: `connectionFailed` when nothing accepts, `notKafka` when something else listens there,
    /// `timedOut`; and `CancellationError`.
    public static func connect(
        to address: BrokerAddress,
        configuration: KafkaConnectionConfiguration = KafkaConnectionConfiguration(),
        eventLoopGroup: any EventLoopGroup,
        logger: Logger = .disabled
    ) async throws -> KafkaConnection {
        let connection = Self.connecting(
            to: address, configuration: configuration, eventLoop: eventLoopGroup.next(), logger: logger)
        do {
            return try await connection.valueUnlessCancelled()
        } catch let error as CancellationError {
            connection.whenSuccess { $0.requests.channel.close(promise: nil) }
            throw error
        }
    }

    /// The largest and the first size of a socket read, in bytes: answers to Fetch are large.
    private static let readBytesMax = 1024 * 1024
    private static let readBytesFirst = 64 * 1024

    static func connecting(
        to address: BrokerAddress, configuration: KafkaConnectionConfiguration, eventLoop: any EventLoop, logger: Logger
    ) -> EventLoopFuture<KafkaConnection> {
        let reads = AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: readBytesFirst, maximum: readBytesMax)
        return ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = ConnectionHandler(address: address, configuration: configuration, logger: logger)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: address.host, port: address.port)
            .flatMapErrorThrowing { error in throw ConnectFailure.describe(error, address: address) }
            .flatMap { Self.negotiating(on: $0, address: address, configuration: configuration, logger: logger) }
    }

    /// Exchanges versions over a channel that has a `ConnectionHandler`, and closes it when that fails.
    static func negotiating(
        on channel: any Channel, address: BrokerAddress, configuration: KafkaConnectionConfiguration, logger: Logger
    ) -> EventLoopFuture<KafkaConnection> {
        let requests = RequestChannel(channel, address: address, configuration: configuration)
        return VersionNegotiation(requests: requests).run()
            .map { versions in
                logger.debug("connected", metadata: ["broker": "\(address)"])
                return KafkaConnection(requests, versions: versions)
            }
            .flatMapErrorThrowing { error in
                channel.close(promise: nil)
                throw error
            }
    }

    // MARK: Requests

    /// The version in which ``send(_:versions:attachments:timeout:)`` would send this kind of request. Throws as that
    /// does.
    public func version<Request: KafkaRequest>(
        of request: Request.Type, in versions: ClosedRange<Int16>? = nil
    ) throws(KafkaClientError) -> Int16 {
        try self.versions.highest(of: request, in: versions, broker: self.address)
    }

    /// Sends a request in the highest version that both sides know, and returns the answer. Error codes inside the
    /// answer are the caller's business.
    ///
    /// - Parameters:
    ///   - request: any request of the protocol.
    ///   - versions: only these; nil for all that the schema has.
    ///   - attachments: where a records field of the request is `external(token: n, …)`, element `n` is sent in its
    ///     place without a copy.
    ///   - timeout: from now to the answer; nil for the configured one.
    ///
    /// Throws `KafkaClientError` with `unsupportedVersion`, `connectionClosed`, `timedOut`, `malformedResponse`,
    /// `tooManyRequests` or `invalidRequest`; and `CancellationError`, after which the answer is dropped when it comes.
    public func send<Request: KafkaRequest>(
        _ request: Request, versions: ClosedRange<Int16>? = nil, attachments: [ByteBuffer] = [],
        timeout: Duration? = nil
    ) async throws -> Request.Response {
        let version = try self.version(of: Request.self, in: versions)
        let answer = try await self.exchange(
            request, version: version, attachments: attachments, expectsAnswer: true, timeout: timeout)
        return try self.requests.decode(answer, as: Request.Response.self, api: Request.apiKey, version: version)
    }

    /// Sends a request that the broker does not answer, as a Produce with acks=0. Returns when it has been handed to the
    /// operating system. Throws as ``send(_:versions:attachments:timeout:)`` does.
    public func sendWithoutAnswer<Request: KafkaRequest>(
        _ request: Request, versions: ClosedRange<Int16>? = nil, attachments: [ByteBuffer] = [],
        timeout: Duration? = nil
    ) async throws {
        let version = try self.version(of: Request.self, in: versions)
        _ = try await self.exchange(
            request, version: version, attachments: attachments, expectsAnswer: false, timeout: timeout)
    }

    private func exchange(
        _ request: some KafkaRequest, version: Int16, attachments: [ByteBuffer], expectsAnswer: Bool, timeout: Duration?
    ) async throws -> ByteBuffer {
        let answer = self.requests.channel.eventLoop.makePromise(of: ByteBuffer.self)
        self.requests.submit(
            request, version: version, attachments: attachments, expectsAnswer: expectsAnswer,
            timeout: timeout ?? self.requests.configuration.requestTimeout, answer: answer)
        // Every answer comes to an end by its time-out.
        if CancellationShield.isUp { return try await answer.futureResult.get() }
        return try await withTaskCancellationHandler {
            try await answer.futureResult.get()
        } onCancel: {
            answer.fail(CancellationError())
        }
    }

    // MARK: Closing

    /// Closes the connection; requests without an answer fail with `connectionClosed`. May be called again.
    public func close() async {
        // The only error is that it is closed already.
        try? await self.requests.channel.close()
    }
}

extension Logger {
    /// A logger that drops everything.
    public static var disabled: Logger { Logger(label: "KafkaClient") { _ in SwiftLogNoOpLogHandler() } }
}

extension EventLoopFuture where Value: Sendable {
    /// The value, or `CancellationError` as soon as the task is cancelled; the future goes on without it.
    func valueUnlessCancelled() async throws -> Value {
        if CancellationShield.isUp { return try await self.get() }
        let promise = self.eventLoop.makePromise(of: Value.self)
        self.cascade(to: promise)
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
    }
}
