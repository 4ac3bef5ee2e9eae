// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AdminHTTP
import Logging
import NIOCore
import NIOPosix
import PrometheusText
import Synchronization
import Testing

/// An admin port on a real socket, for as long as `body` runs.
func withAdminServer(
    ready: @escaping @Sendable () -> Bool = { true },
    metrics: @escaping @Sendable () -> MetricsPage = { MetricsPage() },
    _ body: (RawHTTP) async throws -> Void
) async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let pages = AdminPages(
        title: "Test 1.0", metrics: metrics,
        health: { HealthReport([.init("loops", .good, "fine")]) },
        readiness: {
            HealthReport([.init("logs", .good, "open"), .init("disk", ready() ? .good : .bad, "it is \"full\"\n")])
        })
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let (addresses, continuation) = AsyncStream<SocketAddress?>.makeStream()
    let server = AdminServer(host: "127.0.0.1", port: 0, pages: pages, on: group, logger: logger) {
        continuation.yield($0)
    }
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            defer { continuation.finish() }
            try await server.run()
        }
        if let address = await addresses.first(where: { _ in true }) ?? nil {
            do {
                try await body(RawHTTP(address: address))
            } catch {
                await server.stop()
                throw error
            }
        }
        await server.stop()
        try await tasks.waitForAll()
    }
}

/// Sends bytes and gives back what comes until the connection closes, or `enough` is there.
struct RawHTTP: Sendable {
    let address: SocketAddress

    func send(_ text: String, until enough: @escaping @Sendable (String) -> Bool = { _ in false }) async throws
        -> String
    {
        let collector = Collector(enough)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(collector) }
            }
            .connect(to: self.address).get()
        try? await channel.writeAndFlush(ByteBuffer(string: text))
        try await channel.closeFuture.get()
        return collector.text.withLock { $0 }
    }

    func get(_ path: String, _ headers: String = "", method: String = "GET") async throws -> (
        head: String, body: String
    ) {
        let text = try await self.send("\(method) \(path) HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\(headers)\r\n")
        let parts = text.components(separatedBy: "\r\n\r\n")
        return (parts[0], parts.dropFirst().joined(separator: "\r\n\r\n"))
    }

    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let text = Mutex("")
        private let enough: @Sendable (String) -> Bool

        init(_ enough: @escaping @Sendable (String) -> Bool) { self.enough = enough }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let isEnough = self.text.withLock { text in
                text += String(buffer: self.unwrapInboundIn(data))
                return self.enough(text)
            }
            if isEnough { context.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
