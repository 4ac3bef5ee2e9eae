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
    private let login: ConnectionLogin?

    private init(_ requests: RequestChannel, versions: BrokerVersions, login: ConnectionLogin?) {
        self.address = requests.address
        self.versions = versions
        self.requests = requests
        self.login = login
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

    /// Connects, asks the broker which versions it serves, and logs in if the configuration says so. A host name that
    /// stands for several addresses is tried with all of them.
    ///
    /// Throws `KafkaClientError`: `connectionFailed` when nothing accepts, `notKafka` when something else listens there,
    /// `tlsFailed`, `authenticationFailed`, `invalidConfiguration`, `timedOut`; and `CancellationError`.
    public static func connect(
        to address: BrokerAddress,
        configuration: KafkaConnectionConfiguration = KafkaConnectionConfiguration(),
        security: KafkaSecurity = .plaintext,
        eventLoopGroup: any EventLoopGroup,
        logger: Logger = .disabled
    ) async throws -> KafkaConnection {
        try await self.connect(
            to: address, configuration: configuration, security: ConnectionSecurity(security),
            eventLoop: eventLoopGroup.next(), logger: logger)
    }

    static func connect(
        to address: BrokerAddress, configuration: KafkaConnectionConfiguration, security: ConnectionSecurity,
        metrics: (any ClientMetrics)? = nil, eventLoop: any EventLoop, logger: Logger
    ) async throws -> KafkaConnection {
        do {
            try security.prepare()
            let fate = ConnectionFate()
            let opening = self.opening(address, configuration, security, fate, eventLoop: eventLoop, logger: logger)
            let channel: any Channel
            do {
                channel = try await opening.valueUnlessCancelled()
            } catch let error as CancellationError {
                opening.whenSuccess { $0.close(promise: nil) }
                throw error
            }
            return try await self.establish(
                on: channel, address: address, configuration: configuration, security: security, fate: fate,
                metrics: metrics, logger: logger)
        } catch let error as KafkaClientError {
            security.failed(error)
            throw error
        }
    }

    /// The largest and the first size of a socket read, in bytes: answers to Fetch are large, and a connection keeps the
    /// memory of a read while it waits for the next.
    private static let readBytesMax = 256 * 1024
    private static let readBytesFirst = 64 * 1024

    private static func opening(
        _ address: BrokerAddress, _ configuration: KafkaConnectionConfiguration, _ security: ConnectionSecurity,
        _ fate: ConnectionFate, eventLoop: any EventLoop, logger: Logger
    ) -> EventLoopFuture<any Channel> {
        let reads = AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: readBytesFirst, maximum: readBytesMax)
        return ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = ConnectionHandler(
                        address: address, configuration: configuration, security: security.configuration, fate: fate,
                        logger: logger)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    try security.addHandlers(to: channel, address: address)
                }
            }
            .connect(host: address.host, port: address.port)
            .flatMapErrorThrowing { error in throw ConnectFailure.describe(error, address: address) }
    }

    /// Exchanges versions and logs in over a channel that has a `ConnectionHandler`, and closes it when that fails.
    static func establish(
        on channel: any Channel, address: BrokerAddress, configuration: KafkaConnectionConfiguration,
        security: ConnectionSecurity = .plaintext, fate: ConnectionFate = ConnectionFate(),
        metrics: (any ClientMetrics)? = nil, logger: Logger
    ) async throws -> KafkaConnection {
        let requests = RequestChannel(
            channel, address: address, configuration: configuration, fate: fate, metrics: metrics)
        do {
            let versions = try await VersionNegotiation(requests: requests).run().valueUnlessCancelled()
            let login = try await ConnectionLogin.begin(requests, versions: versions, security: security)
            logger.debug(
                "connected",
                metadata: [KafkaLogKey.broker: "\(address)", KafkaLogKey.security: "\(security.configuration)"])
            if let metrics { channel.closeFuture.whenComplete { _ in metrics.disconnected(from: address) } }
            return KafkaConnection(requests, versions: versions, login: login)
        } catch {
            channel.close(promise: nil)
            throw error
        }
    }

    // MARK: Requests

    /// Logs in again if the session is about to end. Whoever sends without ``send(_:versions:attachments:timeout:)`` gets
    /// the connection from the cluster for each request, which calls this.
    func renewSession() async throws { try await self.login?.renewIfDue() }

    /// ``renewSession()`` has something to do.
    var isSessionDue: Bool { self.login?.isDue ?? false }

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
    /// `tooManyRequests` or `invalidRequest`, `authenticationFailed` when the session ended and the broker does not take
    /// another login; and `CancellationError`, after which the answer is dropped when it comes.
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
        try await self.renewSession()
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
