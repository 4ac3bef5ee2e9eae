// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if TLS

import KafkaMessages
import KafkaWire
import NIOCore
import NIOPosix
import NIOSSL

@testable import KafkaClient

/// A broker on a real socket, behind TLS or not, that knows ApiVersions and nothing else.
enum SecureServer {
    /// What it shows to clients, and what it wants of them.
    enum Protection: Sendable {
        case plaintext
        /// The certificate of this name in Tests/Fixtures/TLS.
        case tls(String)
        /// The same, and clients have to show one from the CA.
        case mutual(String)
    }

    static func fixture(_ name: String, file: String = #filePath) -> String {
        let tests = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        return "\(tests)/Fixtures/TLS/\(name)"
    }

    /// Gives `body` the port of a server that ends with it.
    static func run<Result>(_ protection: Protection, _ body: (Int) async throws -> Result) async throws -> Result {
        let context = try Self.context(protection)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }
                    try channel.pipeline.syncOperations.addHandler(Handler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result
        do {
            result = try await body(channel.localAddress?.port ?? 0)
        } catch {
            try await channel.close()
            throw error
        }
        try await channel.close()
        return result
    }

    private static func context(_ protection: Protection) throws -> NIOSSLContext? {
        let name: String
        switch protection {
        case .plaintext: return nil
        case .tls(let certificate), .mutual(let certificate): name = certificate
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(Self.fixture("\(name).pem")).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: Self.fixture("broker.key"), format: .pem)))
        if case .mutual = protection {
            configuration.trustRoots = .file(Self.fixture("ca.pem"))
            configuration.certificateVerification = .noHostnameVerification
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// Answers ApiVersions, and closes on lengths that no request has, as Kafka does.
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private var frames = FrameAccumulator(frameBytesMax: 1024 * 1024)

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.frames.append(self.unwrapInboundIn(data))
            do {
                while let frame = try self.frames.nextFrame() {
                    let request = try ScriptedBroker.request(frame)
                    let answer = try ScriptedBroker.frame(
                        ScriptedBroker.versions([.apiVersions: 0...4, .metadata: 0...12]), to: request)
                    context.writeAndFlush(self.wrapOutboundOut(answer), promise: nil)
                }
            } catch {
                context.close(promise: nil)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

#endif
