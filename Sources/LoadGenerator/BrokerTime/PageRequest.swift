// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore
import NIOHTTP1
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Why there are no times of a broker, in words that follow its address.
struct BrokerSilence: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// One GET of a page over HTTP/1.1, on a connection of its own. Who answers is a stranger: time and size are bounded.
enum PageRequest {
    /// The largest page, in bytes: 5,000 partitions and 10,000 of groups are some 10 MB.
    static let bytesMax = 32 << 20
    /// For all of it, from looking up the name on. A broker writes a page in milliseconds.
    static let timeLimit = TimeAmount.seconds(5)

    /// The page. Throws `BrokerSilence` when there is none within `timeLimit`.
    static func page(at address: AdminAddress, timeLimit: TimeAmount = Self.timeLimit) async throws -> [UInt8] {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        // The first to complete it says how it went; later ones change nothing.
        let answer = loop.makePromise(of: ByteBuffer.self)
        let deadline = loop.scheduleTask(in: timeLimit) {
            answer.fail(BrokerSilence("did not answer within \(timeLimit.nanoseconds / 1_000_000) ms"))
        }
        answer.futureResult.whenComplete { _ in deadline.cancel() }
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(timeLimit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOHTTPClientResponseAggregator(maxContentLength: Self.bytesMax),
                        PageHandler(address, answer),
                    ])
                }
            }
            .connect(host: address.endpoint.host, port: address.endpoint.port)
        connecting.whenFailure { answer.fail(BrokerSilence("cannot be connected to: \(Self.reason($0))")) }
        connecting.whenSuccess { channel in
            answer.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        return Array(buffer: try await answer.futureResult.get())
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.last.map { self.reason($0.error) } ?? "the name cannot be resolved"
        case let error as IOError:
            error.errnoCode == ECONNREFUSED
                ? "connection refused; nothing listens there" : String(cString: strerror(error.errnoCode))
        default: "\(error)"
        }
    }
}

/// Asks for the page when it is connected, and completes the promise with what comes.
private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = NIOHTTPClientResponseFull
    typealias OutboundOut = HTTPClientRequestPart

    private let address: AdminAddress
    private let answer: EventLoopPromise<ByteBuffer>

    init(_ address: AdminAddress, _ answer: EventLoopPromise<ByteBuffer>) {
        self.address = address
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        let headers: HTTPHeaders = [
            "host": "\(self.address.endpoint)", "accept": "text/plain; version=0.0.4", "user-agent": "martlet-bench",
            "connection": "close",
        ]
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: self.address.path, headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let response = self.unwrapInboundIn(data)
        guard response.head.status == .ok else {
            let path = self.address.path
            self.answer.fail(BrokerSilence("answers GET \(path) with HTTP status \(response.head.status.code)"))
            return
        }
        self.answer.succeed(response.body ?? ByteBuffer())
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is NIOHTTPObjectAggregatorEvent {
            self.answer.fail(BrokerSilence("answers with more than \(PageRequest.bytesMax >> 20) MiB"))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.answer.fail(
            error is HTTPParserError
                ? BrokerSilence("does not speak HTTP: is it the broker's admin port?")
                : BrokerSilence("broke off: \(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.answer.fail(BrokerSilence("closed the connection without a whole answer: is it the broker's admin port?"))
        context.fireChannelInactive()
    }
}
