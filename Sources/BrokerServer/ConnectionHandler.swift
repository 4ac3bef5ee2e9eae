// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import CommitLog
import KafkaWire
import Logging
import NIOCore
import PrometheusText

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Serves one connection: cuts frames, runs requests, and sends the answers in the order of the requests.
///
/// Requests overlap: while one waits for the disk the next ones are run. What is received and not yet answered is
/// bounded by bytes and by number; past a bound the socket is not read, which pushes back on the client. A client that
/// does not read its answers is not read from either.
///
/// Used on the connection's event loop only.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = IOData

    private let broker: Broker
    private let limits: ConnectionLimits
    private let budget: RequestBudget
    private let metrics: ConnectionMetrics
    private let interceptor: (any ConnectionInterceptor)?
    private let makeConnection: (any Channel) -> ConnectionContext
    private let logger: Logger
    private var decoder: FrameDecoder
    private var answers = AnswerQueue()
    private var connection: ConnectionContext?
    private var isReadHeldBack = false
    private var room = FrameRoom()
    private var isDraining = false
    private var isClosing = false
    /// Inside `runFrames`: answers are written there and flushed once at its end.
    private var isRunning = false
    private var isFlushDue = false

    init(
        broker: Broker,
        limits: ConnectionLimits,
        budget: RequestBudget,
        metrics: ConnectionMetrics,
        interceptor: (any ConnectionInterceptor)? = nil,
        logger: Logger,
        makeConnection: @escaping (any Channel) -> ConnectionContext
    ) {
        self.broker = broker
        self.limits = limits
        self.budget = budget
        self.metrics = metrics
        self.interceptor = interceptor
        self.logger = logger
        self.makeConnection = makeConnection
        self.decoder = FrameDecoder(maxFrameSize: limits.maxFrameSize, maxReadAhead: limits.maxReadAhead)
    }

    /// Where the channel gets its receive buffers.
    var receiveAllocator: FrameReceiveAllocator { FrameReceiveAllocator(self.decoder.buffers) }

    func channelActive(context: ChannelHandlerContext) {
        self.connection = self.makeConnection(context.channel)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !self.isClosing { self.metrics.closed(self.isDraining ? .stopping : .client) }
        self.isClosing = true
        self.setReadHeldBack(false)
        for byteCount in self.answers.removeAll() { self.budget.release(byteCount) }
        self.giveRoomBack()
        self.connection?.stopWaiting()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.isClosing { return }
        do {
            try self.decoder.receive(self.unwrapInboundIn(data))
        } catch {
            return self.close(context, .badRequest, "\(error)")
        }
        self.runFrames(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.readAgainIfAllowed(context)
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.close(context, Self.isHangUp(error) ? .client : .socketError, "\(error)")
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let idle = event as? IdleStateHandler.IdleStateEvent, idle == .all, self.answers.isEmpty {
            self.close(context, .idle, "idle for longer than connections.max.idle.ms")
        } else if event is DrainRequest {
            self.drain(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// The event loop wants to read the socket: not while too much waits for an answer.
    func read(context: ChannelHandlerContext) {
        if self.mayRead(context), !self.decoder.hasUnread, self.hasRoomForFrame(context) {
            context.read()
        } else {
            self.setReadHeldBack(true)
        }
    }
}

// MARK: - Requests

extension ConnectionHandler {
    /// Runs the frames that have been received, as far as the bounds allow: one read may bring thousands of small
    /// requests with large answers. The rest is run when answers have left.
    private func runFrames(_ context: ChannelHandlerContext) {
        // Flushing may call back to say that there is room again; the loop sees that by itself.
        if self.isRunning { return }
        self.isRunning = true
        do {
            repeat {
                while self.mayRead(context), let frame = try self.decoder.nextFrame(context.channel.allocator) {
                    self.run(frame, context: context)
                }
                if let connection = self.connection { self.broker.submitAppends(of: connection) }
                self.flushIfDue(context)
            } while self.decoder.hasUnread && self.mayRead(context)
        } catch {
            self.close(context, .badRequest, "\(error)")
        }
        self.isRunning = false
    }

    private func run(_ frame: ByteBuffer, context: ChannelHandlerContext) {
        guard let connection = self.connection else { return }
        let began = self.broker.metrics.now
        let api = self.count(frame, connection)
        let outcome: Outcome
        do {
            if let interceptor = self.interceptor {
                outcome = try interceptor.answer(
                    frame, from: context.channel, on: connection, asking: self.broker)
            } else {
                outcome = try self.broker.handle(frame, on: connection)
            }
        } catch {
            return self.close(context, .badRequest, "\(error)")
        }
        let promised = self.room.takePromised()
        let timing = RequestTiming(began: began, handled: self.broker.metrics.now)
        if case .frame(let frame) = outcome, self.answers.isEmpty {
            self.budget.release(promised)
            api?.answered(timing, byteCount: frame.byteCount, shard: connection.metricsShard)
            return self.write(frame, context)
        }
        let id = self.answers.reserve(byteCount: frame.readableBytes, timing, api)
        self.budget.take(frame.readableBytes)
        self.budget.release(promised)
        self.settle(outcome, as: id, context)
    }

    /// Counts a request by its API and version: the first two fields of whatever it is.
    private func count(_ frame: ByteBuffer, _ connection: ConnectionContext) -> RequestMetrics.API? {
        guard let key = frame.getInteger(at: frame.readerIndex, as: Int16.self),
            let version = frame.getInteger(at: frame.readerIndex + 2, as: Int16.self)
        else { return nil }
        return self.broker.metrics.requests.began(
            apiKey: key, version: version, byteCount: frame.readableBytes, shard: connection.metricsShard)
    }

    /// Puts an outcome in its place in the queue, now or when it is there.
    private func settle(_ outcome: Outcome, as id: AnswerQueue.ID, _ context: ChannelHandlerContext) {
        switch outcome {
        case .frame(let frame): self.answers.fill(id, with: .send(frame))
        case .nothing: self.answers.fill(id, with: .skip)
        case .close(let reason): self.answers.fill(id, with: .close(reason: reason))
        case .later(let future):
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            future.whenComplete { result in
                let (handler, context) = bound.value
                handler.settle(result, as: id, context)
            }
            return
        }
        self.sendWhatIsDue(context)
    }

    private func settle(_ result: Result<Outcome, any Error>, as id: AnswerQueue.ID, _ context: ChannelHandlerContext) {
        if self.isClosing { return }
        switch result {
        case .success(let outcome): self.settle(outcome, as: id, context)
        case .failure(let error):
            // A mistake of the broker, or its end.
            self.answers.fill(id, with: .fail(reason: "a request failed: \(error)"))
            self.sendWhatIsDue(context)
        }
    }

    /// Sends the answers at the head of the queue, up to the first that is not there yet.
    private func sendWhatIsDue(_ context: ChannelHandlerContext) {
        var now: Int64?
        while !self.isClosing, let due = self.answers.takeDue() {
            self.budget.release(due.byteCount)
            if let api = due.api {
                let time = now ?? self.broker.metrics.now
                now = time
                api.answered(
                    due.timing, at: time, byteCount: due.answer.byteCount, shard: self.connection?.metricsShard ?? 0)
            }
            switch due.answer {
            case .send(let frame): self.write(frame, context)
            case .skip: break
            case .close(let reason): self.close(context, .badRequest, reason)
            case .fail(let reason): self.close(context, .failedRequest, reason)
            }
        }
        if self.isDraining, self.answers.isEmpty { self.closeWhenSent(context) }
        self.readAgainIfAllowed(context)
    }

    private func write(_ frame: ResponseFrame, _ context: ChannelHandlerContext) {
        for part in frame.parts {
            switch part {
            case .bytes(let buffer):
                context.write(self.wrapOutboundOut(.byteBuffer(buffer)), promise: nil)
            case .slice(let slice):
                self.write(slice, context)
            }
        }
        if self.isFlushDue { return }
        self.isFlushDue = true
        if !self.isRunning { self.flushSoon(context) }
    }

    /// Flushes after what the event loop has queued before: answers that become ready together leave together.
    private func flushSoon(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().execute { self.flushIfDue(context) }
    }

    /// Queues a slice of a log file, which the kernel copies from the page cache to the socket.
    private func write(_ slice: LogSlice, _ context: ChannelHandlerContext) {
        do {
            if slice.file?.descriptor == nil {
                // The log is in memory, as that of a test may be.
                context.write(self.wrapOutboundOut(.byteBuffer(try slice.bytes())), promise: nil)
                return
            }
            let region = try SliceRegion(slice)
            let sent = context.eventLoop.makePromise(of: Void.self)
            context.write(self.wrapOutboundOut(.fileRegion(region.fileRegion)), promise: sent)
            // Keeps the file open until the kernel has taken the bytes.
            sent.futureResult.whenComplete { _ in region.close() }
        } catch {
            self.close(context, .failedRequest, "cannot send records from \(slice): \(error)")
        }
    }

    private func flushIfDue(_ context: ChannelHandlerContext) {
        if self.isFlushDue {
            self.isFlushDue = false
            context.flush()
        }
    }
}

// MARK: - Pushing back, draining, closing

extension ConnectionHandler {
    private func mayRead(_ context: ChannelHandlerContext) -> Bool {
        if self.isClosing || self.isDraining || !context.channel.isWritable { return false }
        if self.answers.byteCount >= self.limits.maxUnansweredBytes { return false }
        if self.answers.count >= self.limits.maxUnansweredRequests { return false }
        if self.budget.isExhausted, !self.answers.isEmpty { return false }
        return true
    }

    private func readAgainIfAllowed(_ context: ChannelHandlerContext) {
        if self.decoder.hasUnread, self.mayRead(context) { self.runFrames(context) }
        guard self.isReadHeldBack, !self.decoder.hasUnread, self.mayRead(context), self.hasRoomForFrame(context)
        else { return }
        self.setReadHeldBack(false)
        context.read()
    }

    /// The broker shuts down: no more requests are read, what is under way is answered, then the connection closes.
    ///
    /// Fetches that wait for records are answered with what there is.
    private func drain(_ context: ChannelHandlerContext) {
        self.isDraining = true
        self.connection?.stopWaiting()
        if self.answers.isEmpty { self.closeWhenSent(context) }
    }

    /// Closes the connection once the kernel has taken every answer.
    private func closeWhenSent(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let sent = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: sent)
        sent.futureResult.whenComplete { _ in
            let (handler, context) = bound.value
            handler.close(context, .stopping, nil)
        }
    }

    private func setReadHeldBack(_ isHeldBack: Bool) {
        if isHeldBack == self.isReadHeldBack { return }
        self.isReadHeldBack = isHeldBack
        self.metrics.paused.add(isHeldBack ? 1 : -1)
        if isHeldBack { self.metrics.pauses.add() }
    }

    /// The client is gone, or its machine: nothing is wrong here.
    private static func isHangUp(_ error: any Error) -> Bool {
        if let error = error as? IOError { return [ECONNRESET, EPIPE, ETIMEDOUT].contains(error.errnoCode) }
        return error as? ChannelError == .eof
    }

    /// Closes the connection. Answers that are still to come are dropped.
    private func close(_ context: ChannelHandlerContext, _ kind: ConnectionMetrics.Closing, _ reason: String?) {
        if self.isClosing { return }
        self.isClosing = true
        self.metrics.closed(kind)
        if let reason {
            self.logger.debug(
                "closing a connection",
                metadata: ["peer": "\(self.connection?.peer ?? "unknown")", "reason": "\(reason)"]
            )
        }
        for byteCount in self.answers.removeAll() { self.budget.release(byteCount) }
        self.giveRoomBack()
        self.flushIfDue(context)
        context.close(promise: nil)
    }
}

// MARK: - Room for large requests

/// What a connection was promised of the memory for requests, or waits for.
private struct FrameRoom {
    /// Bytes, for the frame that has begun.
    private(set) var promised = 0
    var ticket: RequestBudget.Ticket?
    /// Looks now and then whether the frame gets on; one at a time, made when room is first promised.
    var isWatched = false

    /// What was promised belongs to the request now.
    mutating func takePromised() -> Int {
        defer { self.promised = 0 }
        return self.promised
    }

    mutating func receivePromise(_ byteCount: Int) {
        self.promised = byteCount
        self.ticket = nil
    }
}

extension ConnectionHandler {
    /// Whether the frame that has begun may be received on. If it is large and was not promised room, it waits for that.
    private func hasRoomForFrame(_ context: ChannelHandlerContext) -> Bool {
        guard let size = self.decoder.announcedFrameSize, size > self.budget.freeBytes, self.room.promised == 0 else {
            return true
        }
        if self.room.ticket != nil { return false }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        self.room.ticket = self.budget.promise(size) {
            eventLoop.execute {
                let (handler, context) = bound.value
                handler.roomWasPromised(size, context)
            }
        }
        if self.room.ticket != nil { return false }
        self.room.receivePromise(size)
        self.watchProgress(context)
        return true
    }

    private func roomWasPromised(_ byteCount: Int, _ context: ChannelHandlerContext) {
        if self.isClosing { return self.budget.release(byteCount) }
        self.room.receivePromise(byteCount)
        self.watchProgress(context)
        self.readAgainIfAllowed(context)
    }

    private func giveRoomBack() {
        self.budget.release(self.room.takePromised())
        // If the promise is on its way, it finds the connection closed.
        if let ticket = self.room.ticket.take() { _ = self.budget.cancel(ticket) }
    }

    /// A client that stops in the middle of a large request keeps its room as long as nobody else wants it.
    private func watchProgress(_ context: ChannelHandlerContext) {
        if self.room.isWatched { return }
        self.room.isWatched = true
        self.lookAgain(context, after: self.decoder.buffers.partialByteCount)
    }

    private func lookAgain(_ context: ChannelHandlerContext, after byteCount: Int) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: self.limits.maxStall) {
            let (handler, context) = bound.value
            handler.lookAtProgress(context, since: byteCount)
        }
    }

    private func lookAtProgress(_ context: ChannelHandlerContext, since before: Int) {
        if self.isClosing || self.room.promised == 0 {
            self.room.isWatched = false
            return
        }
        let received = self.decoder.buffers.partialByteCount
        if self.budget.isWaitedFor, received >= before, received - before < self.limits.minProgress {
            return self.close(context, .stalled, "a request stood still while others waited for its memory")
        }
        self.lookAgain(context, after: received)
    }
}

/// Sent down the pipeline to let a connection finish what is under way and close.
struct DrainRequest: Sendable {}

extension AnswerQueue.Answer {
    /// Bytes that go to the socket.
    fileprivate var byteCount: Int {
        if case .send(let frame) = self { frame.byteCount } else { 0 }
    }
}
