// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Broker
import HTTPTypes
import Hummingbird
public import Logging
public import NIOCore
import ServiceLifecycle

/// Serves `AdminPages` on one address, by HTTP/1.1.
///
/// What a stranger can make it do is bounded: connections, header bytes, silence. It has event loops of its own, so that
/// neither scrapes nor strangers take time from those of the broker.
public final class AdminServer: Sendable {
    /// Connections at a time. Beyond that they wait in the system's queue. A Prometheus keeps one, a probe needs one for a
    /// moment.
    static let connectionsMax = 64
    /// Bytes of all headers of a request: what browsers and proxies send is a tenth of it.
    static let headerBytesMax = 16 << 10
    /// Headers of a request.
    static let headersMax = 100
    /// How long a connection may take for a request, and be silent between two. Above Prometheus' usual interval, so
    /// that it can keep its connection.
    static let idleMax = TimeAmount.seconds(75)

    /// How long answers under way may take when the port is closed.
    static let closingMax = Duration.seconds(2)

    private let address: String
    private let services: ServiceGroup

    /// Nothing is bound yet.
    ///
    /// - Parameters:
    ///   - host: the address to bind; empty for every interface.
    ///   - port: 0 lets the system choose.
    ///   - group: whose loops serve it.
    ///   - bound: called when the address is bound, with the port that the system chose.
    public init(
        host: String, port: Int, pages: AdminPages, on group: any EventLoopGroup, logger: Logger,
        bound: @escaping @Sendable (SocketAddress?) async -> Void
    ) {
        self.address = "\(host):\(port)"
        var logger = logger
        // What hummingbird tells of its coming and going is told by whoever runs this.
        logger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in await Self.answer(request, pages) },
            server: .http1(
                configuration: .init(
                    idleTimeout: Self.idleMax,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: Self.headerBytesMax, maxHeaderListSize: Self.headerBytesMax,
                        maxHeaderFieldCount: Self.headersMax))),
            configuration: .init(
                address: .hostname(host.isEmpty ? "::" : host, port: port),
                availableConnectionsDelegate: .maximum(Self.connectionsMax, logger: logger)),
            onServerRunning: { channel in await bound(channel.localAddress) },
            eventLoopGroupProvider: .shared(group),
            logger: logger
        )
        var configuration = ServiceGroupConfiguration(services: [.init(service: application)], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.closingMax
        self.services = ServiceGroup(configuration: configuration)
    }

    /// Serves until `stop` is called. To be called once.
    ///
    /// - Throws: `AdminServerError` when the address cannot be bound.
    public func run() async throws {
        do {
            try await self.services.run()
        } catch {
            throw AdminServerError("cannot serve the admin port on \(self.address): \(error)")
        }
    }

    /// Has `run` accept nobody any more, finish the answers under way and return. Does not wait for it.
    public func stop() async { await self.services.triggerGracefulShutdown() }

    private static func answer(_ request: Request, _ pages: AdminPages) async -> Response {
        guard request.method == .get || request.method == .head else {
            return Response(status: .methodNotAllowed, headers: [.allow: "GET, HEAD"])
        }
        let page = await pages.page(at: request.uri.path, accept: request.headers[.accept])
        var headers: HTTPFields = [.contentType: page.contentType, .cacheControl: "no-store"]
        if request.method == .head {
            headers[.contentLength] = String(page.body.count)
            return Response(status: .init(code: page.status), headers: headers)
        }
        return Response(
            status: .init(code: page.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: page.body)))
    }
}

/// Why an admin port is not served.
public struct AdminServerError: Error, CustomStringConvertible {
    /// For an operator.
    public let description: String

    init(_ description: String) { self.description = description }
}
#endif
