// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore
import Synchronization

/// A channel with a `ConnectionHandler`, and the correlation ids of its requests.
final class RequestChannel: Sendable {
    let channel: any Channel
    let address: BrokerAddress
    let configuration: KafkaConnectionConfiguration
    private let fate: ConnectionFate
    private let metrics: (any ClientMetrics)?
    private let lastCorrelationID = Atomic<Int32>(0)

    init(
        _ channel: any Channel, address: BrokerAddress, configuration: KafkaConnectionConfiguration,
        fate: ConnectionFate, metrics: (any ClientMetrics)? = nil
    ) {
        self.channel = channel
        self.metrics = metrics
        self.fate = fate
        self.address = address
        self.configuration = configuration
    }

    /// Sends a request. The promise gets the answer, header included, or the reason why there is none.
    func submit(
        _ request: some KafkaRequest, version: Int16, attachments: [ByteBuffer] = [], expectsAnswer: Bool = true,
        isLogin: Bool = false, timeout: Duration, answer: EventLoopPromise<ByteBuffer>
    ) {
        let api = type(of: request).apiKey
        let correlationID = self.lastCorrelationID.wrappingAdd(1, ordering: .relaxed).newValue
        let parts: [ByteBuffer]
        do {
            parts = try request.frame(
                version: version, correlationID: correlationID, clientID: self.configuration.clientID,
                attachments: attachments)
        } catch {
            answer.fail(
                KafkaClientError(
                    .invalidRequest, "\(api.name) cannot be sent to \(self.address) in version \(version): \(error)",
                    cause: error))
            return
        }
        if let metrics = self.metrics {
            let (address, start) = (self.address, self.channel.eventLoop.now)
            let sentBytes = parts.reduce(0) { $0 + $1.readableBytes }
            let eventLoop = self.channel.eventLoop
            answer.futureResult.whenComplete { result in
                var (receivedBytes, failure): (Int, (any Error)?) = (0, nil)
                switch result {
                case .success(let bytes): receivedBytes = bytes.readableBytes
                case .failure(let error): failure = error
                }
                let measurement = RequestMeasurement(
                    api: api, address: address, duration: .nanoseconds((eventLoop.now - start).nanoseconds),
                    sentBytes: sentBytes, receivedBytes: receivedBytes)
                metrics.requestEnded(measurement, error: failure)
            }
        }
        let outgoing = OutgoingRequest(
            api: api, correlationID: correlationID, expectsAnswer: expectsAnswer, isLogin: isLogin, parts: parts,
            timeout: TimeAmount(timeout), answer: answer)
        let written = self.channel.eventLoop.makePromise(of: Void.self)
        let (address, fate) = (self.address, self.fate)
        written.futureResult.whenFailure { error in
            // Most often the handler has broken the promise already.
            answer.fail(
                fate.failure
                    ?? KafkaClientError(
                        .connectionClosed, "the request could not be written to \(address): \(error)", cause: error))
        }
        self.channel.writeAndFlush(outgoing, promise: written)
    }

    /// Sends a request of a login and waits for the answer, whatever becomes of the task: a login that is half done
    /// would leave the connection of no use. The configured time to connect bounds the wait.
    func login<Request: KafkaRequest>(_ request: Request, version: Int16) async throws -> Request.Response {
        let answer = self.channel.eventLoop.makePromise(of: ByteBuffer.self)
        self.submit(
            request, version: version, isLogin: true, timeout: self.configuration.connectTimeout, answer: answer)
        return try self.decode(
            try await answer.futureResult.get(), as: Request.Response.self, api: Request.apiKey, version: version)
    }

    /// Lets the requests go that waited for a login.
    func endLogin() { self.channel.triggerUserOutboundEvent(LoginEnded(), promise: nil) }

    /// Takes the header and then the body out of an answer.
    func decode<Response: KafkaMessage>(
        _ answer: ByteBuffer, as: Response.Type, api: APIKey, version: Int16
    ) throws(KafkaClientError) -> Response {
        do throws(WireError) {
            var reader = WireReader(answer)
            _ = try ResponseHeader(from: &reader, version: api.responseHeaderVersion(apiVersion: version))
            // Bytes behind the message are let pass, as other clients do: librdkafka's mock brokers send some.
            return try Response(from: &reader, version: version)
        } catch {
            throw KafkaClientError(
                .malformedResponse,
                "the answer of \(self.address) to \(api.name) in version \(version) is malformed: \(error)",
                cause: error)
        }
    }
}
