// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import Logging
import NIOCore

/// Sends requests and gives each the answer that belongs to it. Lives on the event loop of its channel.
///
/// It ends the connection, and fails everything that waits for it, when an answer is late, when the bytes are not the
/// protocol's, and when the peer closes; and when nobody has used it for long, before the broker does.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = OutgoingRequest
    typealias OutboundOut = ByteBuffer

    private struct Waiter {
        var request: OutgoingRequest
        var timer: Scheduled<Void>
        var written: EventLoopPromise<Void>?
    }

    private let address: BrokerAddress
    private let security: KafkaSecurity
    private let idleTimeout: TimeAmount
    private let fate: ConnectionFate
    private let logger: Logger
    private var pipeline: RequestPipeline<Waiter>
    private var frames: FrameAccumulator
    /// Answers that came: a peer without any may not speak Kafka at all, one with a single answer (that to ApiVersions)
    /// may expect a login.
    private var answerCount = 0
    private var hasAnswered: Bool { self.answerCount > 0 }
    private var lastUse = NIODeadline.distantPast
    private var idleTimer: Scheduled<Void>?
    /// Set once: why no request can be answered any more.
    private var failure: KafkaClientError?

    init(
        address: BrokerAddress, configuration: KafkaConnectionConfiguration, security: KafkaSecurity = .plaintext,
        fate: ConnectionFate = ConnectionFate(), logger: Logger
    ) {
        self.address = address
        self.fate = fate
        self.security = security
        self.idleTimeout = TimeAmount(configuration.idleTimeout)
        self.logger = logger
        self.pipeline = RequestPipeline(
            inFlightMax: configuration.inFlightRequestsMax, waitingMax: configuration.waitingRequestsMax)
        self.frames = FrameAccumulator(frameBytesMax: configuration.responseBytesMax)
    }

    // MARK: Requests

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let request = self.unwrapOutboundIn(data)
        if let failure = self.failure {
            request.answer.fail(failure)
            promise?.fail(failure)
            return
        }
        let contextOnLoop = NIOLoopBound(context, eventLoop: context.eventLoop)
        let handlerOnLoop = NIOLoopBound(self, eventLoop: context.eventLoop)
        let (api, timeout) = (request.api, request.timeout)
        let timer = context.eventLoop.scheduleTask(in: timeout) {
            handlerOnLoop.value.timedOut(api, after: timeout, context: contextOnLoop.value)
        }
        let waiter = Waiter(request: request, timer: timer, written: promise)
        let entry = RequestPipeline<Waiter>.Entry(
            correlationID: request.correlationID, expectsAnswer: request.expectsAnswer, isLogin: request.isLogin,
            request: waiter)
        self.used(context: context)
        switch self.pipeline.submit(entry) {
        case .write(let entry):
            self.send(entry.request, context: context)
        case .wait:
            break
        case .reject(let waiter):
            let error = KafkaClientError(
                .tooManyRequests,
                "too many requests wait for \(self.address); send fewer at a time, or raise waitingRequestsMax")
            self.fail(waiter, error)
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is LoginEnded else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        for entry in self.pipeline.endLogin() { self.send(entry.request, context: context) }
        context.flush()
        promise?.succeed()
    }

    private func send(_ waiter: Waiter, context: ChannelHandlerContext) {
        let request = waiter.request
        for part in request.parts.dropLast() { context.write(self.wrapOutboundOut(part), promise: nil) }
        let written = waiter.written ?? context.eventLoop.makePromise(of: Void.self)
        if !request.expectsAnswer {
            let timer = waiter.timer
            written.futureResult.whenComplete { result in
                timer.cancel()
                request.answer.completeWith(result.map { ByteBuffer() })
            }
        }
        context.write(self.wrapOutboundOut(request.parts.last ?? ByteBuffer()), promise: written)
    }

    // MARK: Answers

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.failure == nil else { return }
        self.frames.append(self.unwrapInboundIn(data))
        do {
            while self.failure == nil, let frame = try self.frames.nextFrame() {
                self.received(frame, context: context)
            }
        } catch let invalid {
            self.end(self.explain(invalid), context: context)
        }
    }

    private func received(_ frame: ByteBuffer, context: ChannelHandlerContext) {
        // A frame has at least these four bytes.
        let correlationID = frame.getInteger(at: frame.readerIndex, as: Int32.self) ?? 0
        switch self.pipeline.received(correlationID: correlationID) {
        case .answer(let waiter, let next):
            self.answerCount += 1
            self.used(context: context)
            waiter.timer.cancel()
            waiter.request.answer.succeed(frame)
            guard !next.isEmpty else { return }
            for entry in next { self.send(entry.request, context: context) }
            context.flush()
        case .unexpected(let expected):
            let what = expected.map { "\($0) was due" } ?? "none was due"
            let error = KafkaClientError(
                self.hasAnswered ? .malformedResponse : .notKafka,
                "\(self.address) sent an answer to request \(correlationID), but \(what): it does not speak the Kafka"
                    + " protocol, or something between changed its bytes")
            self.end(error, context: context)
        }
    }

    private func explain(_ invalid: FrameAccumulator.InvalidLength) -> KafkaClientError {
        if self.hasAnswered {
            return KafkaClientError(
                .malformedResponse,
                "\(self.address) announced an answer of \(invalid.length) bytes; at most \(invalid.limit) are accepted",
                cause: invalid)
        }
        // The four bytes of another protocol, read as a length, say which one it is.
        let hint =
            switch UInt32(bitPattern: invalid.length) {
            case 0x4854_5450: "it answers as an HTTP server does"
            case 0x1503_0000...0x1503_ffff, 0x1603_0000...0x1603_ffff:
                self.security.tls == nil
                    ? "it expects TLS; connect with TLS, or take the port of a listener without it"
                    : "it does not go on in TLS"
            case 0x5353_482d: "it answers as an SSH server does"
            default: "check the host and the port"
            }
        return KafkaClientError(
            .notKafka, "\(self.address) does not speak the Kafka protocol: \(hint)", cause: invalid)
    }

    // MARK: The end

    private func timedOut(_ api: APIKey, after timeout: TimeAmount, context: ChannelHandlerContext) {
        let doubt = self.hasAnswered ? "the connection is given up" : "is it a Kafka listener?"
        let error = KafkaClientError(
            .timedOut, "\(self.address) did not answer \(api.name) within \(timeout.inSeconds): \(doubt)")
        self.end(error, context: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end(self.reasonOfClose, context: context)
        context.fireChannelInactive()
    }

    private var reasonOfClose: KafkaClientError {
        switch self.answerCount {
        case 0 where self.security.tls == nil:
            KafkaClientError(
                .notKafka,
                "\(self.address) closed the connection without an answer: not a Kafka listener, or one that expects TLS;"
                    + " connect with TLS then")
        case 0:
            KafkaClientError(
                .notKafka,
                "\(self.address) closed the TLS connection without an answer: not a Kafka listener, or one that wants a"
                    + " certificate of the client (identity in the TLS configuration)")
        case 1 where self.security.sasl == nil && !self.pipeline.isEmpty:
            KafkaClientError(
                .connectionClosed,
                "\(self.address) closed the connection at the first request; if it expects a login, configure SASL")
        default:
            KafkaClientError(.connectionClosed, "\(self.address) closed the connection")
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        var reason = KafkaClientError(
            .connectionClosed, "the connection to \(self.address) broke: \(error)", cause: error)
        #if TLS
        if let failure = TLSFailure.describe(error, address: self.address, isEstablished: self.hasAnswered) {
            reason = failure
        }
        #endif
        self.end(reason, context: context)
    }

    // MARK: Idle connections

    private func used(context: ChannelHandlerContext) {
        self.lastUse = context.eventLoop.now
        if self.idleTimer == nil, self.failure == nil { self.watch(for: self.idleTimeout, context: context) }
    }

    /// Looks after `time` whether the connection is in use: one timer for a connection, however much it is used.
    private func watch(for time: TimeAmount, context: ChannelHandlerContext) {
        let contextOnLoop = NIOLoopBound(context, eventLoop: context.eventLoop)
        let handlerOnLoop = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.idleTimer = context.eventLoop.scheduleTask(in: time) {
            handlerOnLoop.value.lookForUse(context: contextOnLoop.value)
        }
    }

    private func lookForUse(context: ChannelHandlerContext) {
        let idle = context.eventLoop.now - self.lastUse
        guard self.pipeline.isEmpty, idle >= self.idleTimeout else {
            self.watch(for: self.pipeline.isEmpty ? self.idleTimeout - idle : self.idleTimeout, context: context)
            return
        }
        let error = KafkaClientError(
            .connectionClosed, "the connection to \(self.address) was closed: unused for \(idle.inSeconds)")
        self.end(error, context: context)
    }

    private func end(_ error: KafkaClientError, context: ChannelHandlerContext) {
        guard self.failure == nil else { return }
        self.failure = error
        self.fate.end(error)
        self.idleTimer?.cancel()
        self.logger.debug(
            "connection ended", metadata: [KafkaLogKey.broker: "\(self.address)", KafkaLogKey.reason: "\(error)"])
        for waiter in self.pipeline.removeAll() { self.fail(waiter, error) }
        context.close(promise: nil)
    }

    private func fail(_ waiter: Waiter, _ error: KafkaClientError) {
        waiter.timer.cancel()
        waiter.request.answer.fail(error)
        waiter.written?.fail(error)
    }
}

extension TimeAmount {
    /// For people: `1.5 s`, `30 s`.
    var inSeconds: String {
        let seconds = Double(self.nanoseconds) / 1_000_000_000
        return seconds == seconds.rounded() ? "\(Int64(seconds)) s" : "\(seconds) s"
    }
}
