// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import Logging
import NIOCore
import NIOEmbedded
import Synchronization

@testable import KafkaClient

/// The other end of a connection without a socket: the test reads each request and decides what comes back. Time
/// passes only when the test says so.
final class ScriptedBroker: Sendable {
    struct Request: Sendable {
        var api: APIKey
        var version: Int16
        var correlationID: Int32
        var clientID: String?
        var body: ByteBuffer
    }

    static let address = BrokerAddress(host: "broker.test", port: 9092)

    let channel: NIOAsyncTestingChannel
    private let frames = Mutex(FrameAccumulator(frameBytesMax: 1 << 30))

    private let security: ConnectionSecurity

    init(
        _ configuration: KafkaConnectionConfiguration = KafkaConnectionConfiguration(),
        security: KafkaSecurity = .plaintext
    ) async throws {
        self.security = ConnectionSecurity(security)
        self.channel = NIOAsyncTestingChannel()
        let handlers = self.channel
        try await handlers.testingEventLoop.executeInContext {
            try handlers.pipeline.syncOperations.addHandler(
                ConnectionHandler(address: Self.address, configuration: configuration, logger: .disabled))
        }
        try await self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 9092)).get()
    }

    /// A connection that has learnt that the broker serves these APIs, and its other end.
    static func connected(
        serving ranges: [APIKey: ClosedRange<Int16>],
        _ configuration: KafkaConnectionConfiguration = KafkaConnectionConfiguration()
    ) async throws -> (KafkaConnection, ScriptedBroker) {
        let broker = try await ScriptedBroker(configuration)
        async let connection = broker.connect(configuration)
        let request = try await broker.nextRequest()
        try await broker.answer(request, with: Self.versions(ranges), version: request.version)
        return (try await connection, broker)
    }

    func connect(_ configuration: KafkaConnectionConfiguration = KafkaConnectionConfiguration()) async throws
        -> KafkaConnection
    {
        try await KafkaConnection.establish(
            on: self.channel, address: Self.address, configuration: configuration, security: self.security,
            logger: .disabled)
    }

    static func versions(_ ranges: [APIKey: ClosedRange<Int16>], errorCode: ErrorCode = .none) -> ApiVersionsResponse {
        var response = ApiVersionsResponse()
        response.errorCode = errorCode.rawValue
        response.apiKeys = ranges.sorted { $0.key < $1.key }.map { api, range in
            var entry = ApiVersionsResponse.ApiVersion()
            entry.apiKey = api.rawValue
            entry.minVersion = range.lowerBound
            entry.maxVersion = range.upperBound
            return entry
        }
        return response
    }

    func nextRequest() async throws -> Request {
        while true {
            if let frame = try self.frames.withLock({ try $0.nextFrame() }) { return try Self.request(frame) }
            let bytes = try await self.channel.waitForOutboundWrite(as: ByteBuffer.self)
            self.frames.withLock { $0.append(bytes) }
        }
    }

    /// What has been written and was not asked for yet.
    func requestsWritten() async throws -> [Request] {
        while let bytes = try await self.channel.readOutbound(as: ByteBuffer.self) {
            self.frames.withLock { $0.append(bytes) }
        }
        var requests: [Request] = []
        while let frame = try self.frames.withLock({ try $0.nextFrame() }) { requests.append(try Self.request(frame)) }
        return requests
    }

    static func request(_ frame: ByteBuffer) throws -> Request {
        var reader = WireReader(frame)
        let api = APIKey(rawValue: try reader.readInt16())
        let version = try reader.readInt16()
        reader = WireReader(frame)
        let header = try RequestHeader(from: &reader, version: api.requestHeaderVersion(apiVersion: version))
        return Request(
            api: api, version: version, correlationID: header.correlationID, clientID: header.clientID,
            body: reader.rest)
    }

    /// The frame of an answer, as it would come over the network.
    static func frame(
        _ response: some KafkaMessage, to request: Request, version: Int16? = nil
    ) throws -> ByteBuffer {
        let version = version ?? request.version
        var header = ResponseHeader()
        header.correlationID = request.correlationID
        var writer = WireWriter()
        let start = writer.beginFrame()
        try header.encode(into: &writer, version: request.api.responseHeaderVersion(apiVersion: version))
        try response.encode(into: &writer, version: version)
        try writer.endFrame(start)
        return writer.buffer
    }

    func answer(_ request: Request, with response: some KafkaMessage, version: Int16? = nil) async throws {
        try await self.send(Self.frame(response, to: request, version: version))
    }

    func send(_ bytes: ByteBuffer) async throws { try await self.channel.writeInbound(bytes) }

    func close() async throws { try await self.channel.close() }
}
