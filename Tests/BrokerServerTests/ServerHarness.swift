// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import ClusterMetadata
import CommitLog
import Foundation
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import NIOPosix

@testable import BrokerServer

/// A broker with real sockets on a free port of 127.0.0.1, its data in a folder that goes away.
struct ServerHarness: Sendable {
    let server: BrokerServer
    let broker: Broker
    let group: MultiThreadedEventLoopGroup

    /// Runs `body` with a server of its own.
    static func run(
        maxConnections: Int = 100,
        maxFrameSize: Int = 1 << 20,
        maxQueuedBytes: Int = 0,
        _ body: (ServerHarness) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("server-\(UUID().uuidString)")
            .path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let broker = try Broker(
            config: BrokerConfig(),
            metadata: MetadataController(
                store: InMemoryMetadataStore(),
                nodeID: 1,
                generator: SystemRandomNumberGenerator()
            ),
            logs: LogDirectory.open(fileSystem: POSIXFileSystem(), path: directory),
            threads: BrokerThreads(io: 1, readers: 1),
            clock: BrokerClock(
                wallMilliseconds: { 1_700_000_000_000 },
                monotonicNanoseconds: { Int64(DispatchTime.now().uptimeNanoseconds) }
            ),
            logger: logger
        )
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await BrokerServer.start(
            broker,
            listeners: [ServerListener(name: "PLAINTEXT", host: "127.0.0.1", port: 0, advertised: nil)],
            options: ServerOptions(
                maxFrameSize: maxFrameSize,
                maxQueuedBytes: maxQueuedBytes,
                maxIdle: nil,
                maxConnections: maxConnections,
                maxConnectionsPerIP: maxConnections
            ),
            group: group,
            logger: logger
        )
        let harness = ServerHarness(server: server, broker: broker, group: group)
        do {
            try await body(harness)
        } catch {
            try? await harness.stop()
            throw error
        }
        try await harness.stop()
    }

    private func stop() async throws {
        await self.server.shutDown(grace: .seconds(10))
        try self.broker.shutDown()
        try await self.group.shutdownGracefully()
    }

    /// Connects and hands the connection to `body`.
    func withConnection(_ body: (RawConnection) async throws -> Void) async throws {
        let channel = try await ClientBootstrap(group: self.group)
            .connect(to: self.server.boundAddresses[0]) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try await channel.executeThenClose { inbound, outbound in
            try await body(RawConnection(inbound: inbound.makeAsyncIterator(), outbound: outbound))
        }
    }
}

/// A client that sends bytes and reads frames.
final class RawConnection {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    /// What writes may go through beside `nextFrame`.
    var sender: NIOAsyncChannelOutboundWriter<ByteBuffer> { self.outbound }
    private var received = ByteBuffer()

    init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    func send(_ bytes: ByteBuffer) async throws {
        try await self.outbound.write(bytes)
    }

    /// The next frame without its length, or nil when the broker has closed the connection.
    func nextFrame() async throws -> ByteBuffer? {
        while true {
            if let length = self.received.getInteger(at: self.received.readerIndex, as: Int32.self),
                self.received.readableBytes >= Int(length) + 4
            {
                self.received.moveReaderIndex(forwardBy: 4)
                return self.received.readSlice(length: Int(length))
            }
            guard var more = try? await self.inbound.next() else { return nil }
            self.received.writeBuffer(&more)
        }
    }

    /// A request as it goes over the wire.
    static func frame<Request: KafkaRequest>(
        _ request: Request,
        version: Int16,
        correlationID: Int32
    ) throws -> ByteBuffer {
        var header = RequestHeader()
        header.requestApiKey = Request.apiKey.rawValue
        header.requestApiVersion = version
        header.correlationID = correlationID
        header.clientID = "test"
        var writer = WireWriter()
        let frame = writer.beginFrame()
        try header.encode(into: &writer, version: Request.apiKey.requestHeaderVersion(apiVersion: version))
        try request.encode(into: &writer, version: version)
        try writer.endFrame(frame)
        return writer.buffer
    }
}
