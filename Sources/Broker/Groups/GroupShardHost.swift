// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import GroupCoordinator
import KafkaRecords
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import PrometheusText
import Synchronization

/// One shard of groups with what it needs of the world: its partition of `__consumer_offsets`, a lock, and the requests
/// that wait.
///
/// Commands run on the event loop of the connection that asked, under the lock; their records go to the partition's IO
/// thread, and answers that tell of them are held back until they are durable. A failed write throws the shard away: it
/// is ahead of its log then, so it is loaded from the log again before it answers anybody.
final class GroupShardHost: Sendable {
    typealias Reply = Result<GroupAnswer, CoordinatorRefusal>

    /// What becomes of a question.
    enum Outcome {
        case now(Reply)
        /// The token is for `abandon`.
        case later(EventLoopFuture<Reply>, RequestToken)
    }

    private enum Phase {
        /// Nobody is answered until the log has been read.
        case loading
        case active
        /// A write failed; loading begins with the first request after that moment, in monotonic milliseconds.
        case failed(retryAt: Int64)
        /// The broker shuts down.
        case closed
    }

    private struct State {
        var phase = Phase.loading
        var shard = GroupShard()
        var writes: GroupWriteQueue
        var waiting: [RequestToken: EventLoopPromise<Reply>] = [:]
        var lastToken: UInt64 = 0
        /// When the timer is set to go off, in monotonic milliseconds.
        var timerAt: Int64 = .max
    }

    /// What to do once the lock is released.
    private struct Deliveries {
        var replies: [(EventLoopPromise<Reply>, Reply)] = []
        var notes: [GroupNote] = []
    }

    /// Milliseconds after a failed write before the log is read again: on a full disk every commit would fail and have
    /// everything read.
    static let retryDelayMs: Int64 = 1_000

    let partition: Partition
    private let service: GroupCoordinatorService
    /// Random; with the number of a request added it is an id that nobody was given. Asking the system for each request
    /// showed in the profile of commits.
    private let firstID: UUID128
    private let state: Mutex<State>

    init(partition: Partition, service: GroupCoordinatorService) {
        self.partition = partition
        self.service = service
        var generator = SystemRandomNumberGenerator()
        self.firstID = .random(using: &generator)
        self.state = Mutex(State(writes: GroupWriteQueue(codec: service.codec)))
    }

    /// The log has been read, and nothing has failed since.
    var isActive: Bool {
        self.state.withLock { state in
            if case .active = state.phase { true } else { false }
        }
    }

    // MARK: Questions

    /// Runs a command of the shard. To be called on `context`'s event loop.
    ///
    /// What it wrote is handed to the IO thread with `submitWrites`, at the end of this pass over the socket.
    func ask(
        _ context: RequestContext,
        _ command: (inout GroupShard, GroupCall, GroupEnvironment) -> GroupEffects
    ) -> Outcome {
        let environment = self.service.environment()
        var outcome: Outcome?
        let deliveries = self.state.withLock { state -> Deliveries in
            if let refusal = self.refusal(&state, environment.now) {
                outcome = .now(.failure(refusal))
                return Deliveries()
            }
            state.lastToken += 1
            let token = RequestToken(state.lastToken)
            let call = GroupCall(token: token, context: context, freshID: self.freshID(state.lastToken))
            let effects = command(&state.shard, call, environment)
            var immediate: Reply?
            let deliveries = self.take(effects, &state, environment, asking: token, immediate: &immediate)
            if let immediate {
                outcome = .now(immediate)
            } else {
                let promise = context.eventLoop.makePromise(of: Reply.self)
                state.waiting[token] = promise
                outcome = .later(promise.futureResult, token)
            }
            return deliveries
        }
        self.deliver(deliveries)
        self.setTimer()
        return outcome ?? .now(.failure(CoordinatorRefusal(.unknownServerError)))
    }

    private func freshID(_ token: UInt64) -> UUID128 {
        UUID128(high: self.firstID.high, low: self.firstID.low &+ token)
    }

    /// Looks at the shard without changing it.
    func read<Value>(_ look: (GroupShard, GroupEnvironment) -> Value) -> Result<Value, CoordinatorRefusal> {
        let environment = self.service.environment()
        return self.state.withLock { state in
            if let refusal = self.refusal(&state, environment.now) { return .failure(refusal) }
            return .success(look(state.shard, environment))
        }
    }

    /// Runs a command that nobody asked for, such as what time brings.
    func run(_ command: (inout GroupShard, GroupEnvironment) -> GroupEffects) {
        let environment = self.service.environment()
        let deliveries = self.state.withLock { state -> Deliveries in
            guard case .active = state.phase else { return Deliveries() }
            let effects = command(&state.shard, environment)
            var immediate: Reply?
            return self.take(effects, &state, environment, asking: nil, immediate: &immediate)
        }
        self.deliver(deliveries)
        self.submitWrites()
        self.setTimer()
    }

    /// Whoever asked is gone or will not wait: a parked request is answered now.
    func abandon(_ token: RequestToken, group: String) {
        self.run { $0.abandon(token, group: group, $1) }
    }

    /// Why nobody is answered now; nil when the shard is there. After a failed write it begins to load again.
    private func refusal(_ state: inout State, _ now: GroupTime) -> CoordinatorRefusal? {
        switch state.phase {
        case .active: return nil
        case .loading: return CoordinatorRefusal(.coordinatorLoadInProgress)
        case .closed: return CoordinatorRefusal(.coordinatorNotAvailable)
        case .failed(let retryAt):
            if now.monotonicMs >= retryAt, self.partition.log.refusal == nil {
                state.phase = .loading
                self.service.reload(self)
            }
            return CoordinatorRefusal(.coordinatorNotAvailable)
        }
    }

    /// Does what a command wants done, as far as it can be done under the lock.
    ///
    /// - Parameter token: the request that is being run; its answer, when it is ready, goes into `immediate`.
    private func take(
        _ effects: GroupEffects,
        _ state: inout State,
        _ environment: GroupEnvironment,
        asking token: RequestToken?,
        immediate: inout Reply?
    ) -> Deliveries {
        do {
            try state.writes.add(effects.records, wallMs: environment.now.wallMs)
        } catch {
            immediate = .failure(CoordinatorRefusal(.unknownServerError))
            return self.fail(&state, environment.now, "its records cannot be written: \(error)")
        }
        var deliveries = Deliveries(notes: effects.notes)
        for answered in effects.answers {
            if answered.waitsForWrites, state.writes.hold(answered.token, answered.answer) { continue }
            if answered.token == token {
                immediate = .success(answered.answer)
            } else if let promise = state.waiting.removeValue(forKey: answered.token) {
                deliveries.replies.append((promise, .success(answered.answer)))
            }
        }
        return deliveries
    }

    // MARK: Writing

    /// Hands what is to be written to the IO thread, unless a write is under way: then it goes with the next.
    func submitWrites() {
        let now = self.service.environment().now
        let deliveries = self.state.withLock { state -> Deliveries in self.submit(&state, now) }
        self.deliver(deliveries)
    }

    private func submit(_ state: inout State, _ now: GroupTime) -> Deliveries {
        do {
            guard let batches = try state.writes.takeWrite() else { return Deliveries() }
            let tracker = AppendTracker(count: batches.count) { [self] outcomes in self.written(outcomes) }
            let appends = batches.enumerated().map { index, batch in
                IOThread.Append(
                    partition: self.partition, batch: batch, waitsForDisk: true, origin: .groups,
                    queuedAt: self.service.metrics.now, tracker: tracker, index: index)
            }
            if self.partition.ioThread.append(appends) { return Deliveries() }
            return self.fail(&state, now, "the broker is shutting down")
        } catch {
            return self.fail(&state, now, "its records cannot be written: \(error)")
        }
    }

    /// Called on the thread that made them durable.
    private func written(_ outcomes: [AppendTracker.Outcome]) {
        let now = self.service.environment().now
        let failure = outcomes.lazy.compactMap { outcome -> AppendError? in
            if case .failure(let error) = outcome { error } else { nil }
        }.first
        let deliveries = self.state.withLock { state -> Deliveries in
            // Another failure may have come before.
            guard case .active = state.phase else { return Deliveries() }
            if let failure { return self.fail(&state, now, "\(failure)") }
            let released = state.writes.finishWrite()
            let replies = released.compactMap { held in
                state.waiting.removeValue(forKey: held.token).map { ($0, Reply.success(held.answer)) }
            }
            var deliveries = self.submit(&state, now)
            deliveries.replies = replies + deliveries.replies
            return deliveries
        }
        self.deliver(deliveries)
    }

    /// The shard is ahead of its log: it is thrown away, and everybody is told to ask again.
    private func fail(_ state: inout State, _ now: GroupTime, _ reason: String) -> Deliveries {
        self.service.logger.error(
            "a write of group records failed; the groups of that partition are loaded from the log again",
            metadata: ["partition": "\(self.partition.topicPartition)", "error": "\(reason)"]
        )
        state.phase = .failed(retryAt: now.monotonicMs + Self.retryDelayMs)
        return self.forget(&state)
    }

    private func forget(_ state: inout State) -> Deliveries {
        let refused = state.waiting.values.map { ($0, Reply.failure(CoordinatorRefusal(.coordinatorNotAvailable))) }
        state.waiting = [:]
        state.shard = GroupShard()
        state.writes = GroupWriteQueue(codec: self.service.codec)
        return Deliveries(replies: refused)
    }

    // MARK: Beginning and ending

    /// Takes over a shard that was read from the log.
    func begin(with shard: GroupShard) {
        let environment = self.service.environment()
        let deliveries = self.state.withLock { state -> Deliveries in
            guard case .loading = state.phase else { return Deliveries() }
            state.shard = shard
            state.phase = .active
            let effects = state.shard.finishLoading(environment)
            var immediate: Reply?
            return self.take(effects, &state, environment, asking: nil, immediate: &immediate)
        }
        self.deliver(deliveries)
        self.submitWrites()
        self.setTimer()
    }

    /// The log could not be read: tried again later.
    func loadingFailed() {
        let now = self.service.environment().now
        self.state.withLock { state in
            if case .loading = state.phase { state.phase = .failed(retryAt: now.monotonicMs + Self.retryDelayMs) }
        }
    }

    /// Nothing more is written, and whoever waits is told to look for another coordinator.
    func close() {
        let refused = self.state.withLock { state -> Deliveries in
            state.phase = .closed
            return self.forget(&state)
        }
        self.deliver(refused)
    }

    // MARK: Time

    /// Sees to it that the shard is looked at when it wants to be.
    func setTimer() {
        guard let eventLoop = self.service.timerLoop else { return }
        let wanted = self.state.withLock { state -> Int64? in
            guard case .active = state.phase, let next = state.shard.nextWakeUp, next < state.timerAt else {
                return nil
            }
            state.timerAt = next
            return next
        }
        guard let wanted else { return }
        let delay = max(0, wanted - self.service.environment().now.monotonicMs)
        self.service.clock.schedule(in: .milliseconds(delay), on: eventLoop) { self.timerWentOff(wanted) }
    }

    private func timerWentOff(_ time: Int64) {
        let isCurrent = self.state.withLock { state in
            if state.timerAt != time { return false }
            state.timerAt = .max
            return true
        }
        if isCurrent { self.run { $0.expire($1) } }
    }

    // MARK: Answering

    /// Completes promises, those of one event loop together, and tells the log what happened.
    private func deliver(_ deliveries: Deliveries) {
        for note in deliveries.notes {
            if note.isRebalance { self.service.metrics.groups.rebalances.add() }
            var metadata: Logger.Metadata = ["group": "\(note.group)"]
            for (name, value) in note.details { metadata[name] = "\(value)" }
            self.service.logger.info("\(note.text)", metadata: metadata)
        }
        if deliveries.replies.isEmpty { return }
        var byLoop: [ObjectIdentifier: (loop: any EventLoop, replies: [(EventLoopPromise<Reply>, Reply)])] = [:]
        for delivery in deliveries.replies {
            let loop = delivery.0.futureResult.eventLoop
            byLoop[ObjectIdentifier(loop), default: (loop, [])].replies.append(delivery)
        }
        for (loop, replies) in byLoop.values {
            loop.execute {
                for (promise, reply) in replies { promise.succeed(reply) }
            }
        }
    }
}

/// Why a coordinator does not answer a request about a group.
struct CoordinatorRefusal: Error, Sendable {
    let errorCode: ErrorCode

    init(_ errorCode: ErrorCode) { self.errorCode = errorCode }
}

extension GroupCall {
    /// Who asks, from the request's context.
    fileprivate init(token: RequestToken, context: RequestContext, freshID: UUID128) {
        self.init(
            token: token,
            apiVersion: context.apiVersion,
            clientID: context.clientID ?? "",
            clientHost: "/\(context.connection.peerHost)",
            freshID: freshID
        )
    }
}
