// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
public import Logging
public import NIOCore
public import NIOPosix

import KafkaWire
import Synchronization

/// Reads partitions, those that a group gives it or those that this program says, and commits how far they were
/// processed.
///
///     let configuration = KafkaConsumerConfiguration(group: "billing", topics: ["orders"])
///     try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer in
///         for try await record in consumer.records { … }
///     }
///
/// Everything that it does happens below ``run()``, which has to run as long as the consumer is used. Batches are
/// fetched ahead, within ``KafkaConsumerConfiguration/prefetchBytesMax``, and delivered by ``batches`` or ``records``
/// to one iterator at a time. A batch or record counts as processed when the next one is asked for, and only what was
/// processed is committed: whatever happens, every record is received at least once. A leader that moves, a broker that
/// restarts and a coordinator that changes are not errors.
///
/// Decisions are in `Fetcher`, `ConsumerState`, `OffsetTracker` and the memberships; here they are carried out.
public final class KafkaConsumer: Sendable {
    enum Signal: Sendable {
        case fetch(BrokerAddress, Waker)
        case close
        case end
    }

    /// How it reads.
    public let configuration: KafkaConsumerConfiguration
    /// What happens beside the records: partitions that come and go, offsets that were reset, errors that are retried.
    public let events: KafkaConsumerEvents
    let cluster: KafkaCluster
    private let ownsCluster: Bool
    /// For fetches, whose answers may take their time. What is short goes in the general lane.
    let fetchLane: ConnectionLane
    /// For the membership, where joining may take its time.
    let membershipLane: ConnectionLane
    let clock: any Clock<Duration>
    /// Milliseconds on that clock since this consumer was made.
    let now: @Sendable () -> Int64

    private let state: Mutex<ConsumerState>
    /// The fetch loops that run, and what they wait on.
    private let loops = Mutex<[BrokerAddress: Waker]>([:])
    /// Counts what may end the delivery of a batch in the middle.
    let interruptions = Atomic<Int>(0)
    let reader = Waker()
    let lookupWaker = Waker()
    let commitWaker = Waker()
    let handWaker = Waker()
    let membershipWaker = Waker()
    let signals: AsyncStream<Signal>
    let signal: AsyncStream<Signal>.Continuation
    let assignments: AsyncStream<MembershipReconciliation>
    let reconciliations: AsyncStream<MembershipReconciliation>.Continuation
    private let eventContinuation: AsyncStream<KafkaConsumerEvent>.Continuation
    let commits: Mutex<CommitQueue<CommitWaiter>>

    /// A consumer with connections of its own. Connects to nothing yet. The event loops must live longer than it is
    /// used.
    ///
    /// Throws `invalidRequest` for a configuration that makes no sense.
    public convenience init(
        cluster: KafkaClusterConfiguration, configuration: KafkaConsumerConfiguration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = .disabled
    ) throws(KafkaClientError) {
        let cluster = KafkaCluster(cluster, eventLoopGroup: eventLoopGroup, logger: logger)
        try self.init(cluster, isOwner: true, configuration: configuration, clock: ContinuousClock())
    }

    /// A consumer that asks this cluster for what is short, and has connections of its own for the rest. The cluster
    /// has to stay open as long as the consumer runs.
    ///
    /// Throws `invalidRequest` for a configuration that makes no sense.
    public convenience init(
        sharing cluster: KafkaCluster, configuration: KafkaConsumerConfiguration
    ) throws(KafkaClientError) {
        try self.init(cluster, isOwner: false, configuration: configuration, clock: ContinuousClock())
    }

    init(
        _ cluster: KafkaCluster, isOwner: Bool, configuration: KafkaConsumerConfiguration, clock: some Clock<Duration>
    ) throws(KafkaClientError) {
        try configuration.validate()
        self.configuration = configuration
        self.cluster = cluster
        self.ownsCluster = isOwner
        self.fetchLane = cluster.makeLane("fetch")
        self.membershipLane = cluster.makeLane("membership")
        self.clock = clock
        let start = clock.now
        self.now = { start.duration(to: clock.now).milliseconds }
        let limits = Fetcher.Limits(
            bytesMax: configuration.prefetchBytesMax, answerBytesMax: configuration.fetchBytesMax,
            partitionBytesMax: configuration.partitionBytesMax)
        var state = ConsumerState(
            fetcher: Fetcher(limits: limits, retry: cluster.configuration.retry), nowMs: 0)
        if case .assignment(let partitions, _) = configuration.subscription {
            for (partition, start) in partitions { state.assign(partition, start: start) }
        }
        if case .group(let group) = configuration.subscription {
            let ownID = UUID128.random(using: &state.generator).base64
            state.group = GroupPlace(group, ownID: ownID, retry: cluster.configuration.retry)
        }
        self.state = Mutex(state)
        (self.assignments, self.reconciliations) = AsyncStream.makeStream()
        self.commits = Mutex(CommitQueue(intervalMs: configuration.autoCommitInterval?.milliseconds))
        (self.signals, self.signal) = AsyncStream.makeStream()
        let (events, eventContinuation) = AsyncStream<KafkaConsumerEvent>.makeStream(
            bufferingPolicy: .bufferingNewest(KafkaConsumerEvents.bufferedMax))
        self.events = KafkaConsumerEvents(stream: events)
        self.eventContinuation = eventContinuation
    }

    /// Gives `body` a consumer that runs beside it, and closes it when `body` ends: what was processed is committed,
    /// and the group left. When the consumer fails, `body` learns it from its iterators.
    ///
    /// Throws what `body` throws, otherwise what ended the consumer, otherwise as
    /// ``init(cluster:configuration:eventLoopGroup:logger:)``.
    public static func withConsumer<Result>(
        _ cluster: KafkaClusterConfiguration, configuration: KafkaConsumerConfiguration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = .disabled,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (KafkaConsumer) async throws -> Result
    ) async throws -> Result {
        let consumer = try KafkaConsumer(
            cluster: cluster, configuration: configuration, eventLoopGroup: eventLoopGroup, logger: logger)
        return try await consumer.whileRunning(body)
    }

    /// The same with a consumer that shares a cluster, as ``init(sharing:configuration:)`` makes it.
    public static func withConsumer<Result>(
        sharing cluster: KafkaCluster, configuration: KafkaConsumerConfiguration,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (KafkaConsumer) async throws -> Result
    ) async throws -> Result {
        try await KafkaConsumer(sharing: cluster, configuration: configuration).whileRunning(body)
    }

    /// Runs beside `body`, and closes after it.
    private func whileRunning<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: (KafkaConsumer) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await self.run() }
            let result: Result
            do {
                result = try await body(self)
            } catch {
                self.close()
                // What `body` threw is what the caller wants to know.
                _ = await tasks.nextResult()
                throw error
            }
            self.close()
            try await tasks.next()
            return result
        }
    }

    // MARK: State

    var logger: Logger { self.cluster.logger }

    /// Looks at the state or changes it, and wakes those whom that concerns.
    func withState<Value>(_ body: (inout sending ConsumerState) throws -> sending Value) rethrows -> Value {
        let (value, hasRoom, hasLookups) = try self.state.withLock { state in
            let value = try body(&state)
            defer {
                state.fetcher.hasRoom = false
                state.fetcher.hasLookups = false
            }
            return (value, state.fetcher.hasRoom, state.fetcher.hasLookups)
        }
        if hasRoom { self.wakeFetchers() }
        if hasLookups { self.lookupWaker.wake() }
        return value
    }

    /// As ``withState(_:)``, for changes after which a batch in hand may have to be put down.
    func interrupt<Value>(_ body: (inout sending ConsumerState) throws -> sending Value) rethrows -> Value {
        defer { self.interruptions.wrappingAdd(1, ordering: .acquiringAndReleasing) }
        return try self.withState(body)
    }

    private func wakeFetchers() {
        let wakers = self.loops.withLock { Array($0.values) }
        for waker in wakers { waker.wake() }
    }

    /// Starts to fetch from brokers that lead something and are not fetched from yet.
    func startFetching() {
        let brokers = self.withState { $0.fetcher.brokers }
        for broker in brokers {
            let waker = self.loops.withLock { loops -> Waker? in
                guard loops[broker] == nil else { return nil }
                let waker = Waker()
                loops[broker] = waker
                return waker
            }
            if let waker { self.signal.yield(.fetch(broker, waker)) }
        }
    }

    /// A broker leads nothing any more. False when that has changed meanwhile.
    func stopFetching(from broker: BrokerAddress) -> Bool {
        self.loops.withLock { loops in
            guard self.withoutWaking({ $0.fetcher.order[broker] == nil }) else { return false }
            loops[broker] = nil
            return true
        }
    }

    private func withoutWaking<Value: Sendable>(_ body: (ConsumerState) -> Value) -> Value {
        self.state.withLock { body($0) }
    }

    func ask(
        iteration: Int, progress: RecordProgress?, remaining: Int64?, isLast: Bool
    ) -> ConsumerState.Ask {
        let (answer, done, joins) = self.withState { state in
            let nowMs = self.now()
            let done = state.hand.map { (partition: $0.delivery.partition, ms: nowMs - state.lastAskMs) }
            let answer = state.ask(
                iteration: iteration, progress: progress, remaining: remaining, isLast: isLast, nowMs: nowMs)
            return (answer, done, state.group?.ask() ?? false)
        }
        if let done {
            self.handIsFree()
            self.cluster.telemetry.metrics?.batchProcessed(
                from: done.partition, group: self.configuration.subscription.groupID, after: .milliseconds(done.ms),
                error: nil)
        }
        if joins { self.membershipWaker.wake() }
        return answer
    }

    /// Whoever waits for the batch in hand to be processed looks again.
    func handIsFree() { self.handWaker.wake() }

    /// Something came that an iterator may wait for.
    func wakeReader() { self.reader.wake() }

    func tell(_ event: KafkaConsumerEvent) {
        self.configuration.onEvent?(event)
        self.eventContinuation.yield(event)
    }

    /// Ends the consumer for a reason that does not go away. The first counts.
    func fail(_ error: any Error) {
        self.interrupt { state in
            if state.failure == nil, state.phase != .ended { state.failure = error }
        }
        self.signal.yield(.end)
        self.reader.wake()
    }

    // MARK: Running

    /// Reads until ``close()`` was called, something failed that does not go away, or the task is cancelled. However it
    /// ends, what was processed is committed, if the consumer commits by itself, and the group is left; that takes no
    /// longer than a few requests may take. May be called once.
    ///
    /// Throws `KafkaClientError` or, when cancelled, `CancellationError`.
    public func run() async throws {
        self.withState { state in
            precondition(state.phase != .running && state.phase != .ended, "a KafkaConsumer runs once")
            if state.phase == .idle { state.phase = .running }
            state.lastAskMs = self.now()
        }
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await self.lookUp() }
            #if ServiceLifecycle
            tasks.addTask { await self.closeOnGracefulShutdown() }
            #endif
            if self.configuration.subscription.groupID != nil { tasks.addTask { await self.sendCommits() } }
            if case .group(let group) = self.configuration.subscription {
                tasks.addTask { await self.sendHeartbeats(group.groupID) }
                tasks.addTask { await self.carryOutAssignments(group) }
                tasks.addTask { await self.watchReceiver(group) }
            }
            // Ends when the task is cancelled, too.
            loop: for await signal in self.signals {
                switch signal {
                case .fetch(let broker, let waker): tasks.addTask { await self.fetch(from: broker, waker) }
                case .close: tasks.addTask { await self.waitForLastBatch() }
                case .end: break loop
                }
            }
            tasks.cancelAll()
        }
        await CancellationShield.withShield { await self.finish() }
        if let failure = self.withState(\.failure) { throw failure }
        try Task.checkCancellation()
    }

    /// Begins the end: nothing more is delivered, the batch or record that is being processed is waited for as
    /// ``KafkaConsumerConfiguration/closeTimeout`` allows, what was processed is committed, and the group is left;
    /// ``run()`` returns then. May be called again, and before ``run()``.
    public func close() {
        self.interrupt { state in
            if state.phase == .idle || state.phase == .running { state.phase = .closing }
        }
        self.signal.yield(.close)
        self.reader.wake()
    }

    /// Ends when nobody has a batch in hand any more.
    private func waitForLastBatch() async {
        await self.waitForHand(atMost: self.configuration.closeTimeout) { $0.hand == nil }
        self.signal.yield(.end)
    }

    /// Waits until what the receiver has in hand allows for something, or the time is over.
    func waitForHand(atMost limit: Duration, until isFree: (ConsumerState) -> Bool) async {
        let deadline = self.now() + limit.milliseconds
        while !Task.isCancelled {
            let wakes = self.handWaker.wakes
            let left = deadline - self.now()
            guard left > 0, !self.withState({ isFree($0) }) else { return }
            await self.handWaker.wait(after: wakes, for: .milliseconds(left), clock: self.clock)
        }
    }

    /// How long the last commit and the leaving may be tried again and again, when nobody may be there to take them.
    private static let goodbyeTimeout = Duration.seconds(15)

    private func finish() async {
        // A receiver in a task that goes on gets nothing more, so that what it processes now is what is committed.
        self.interrupt { state in
            if state.phase == .running { state.phase = .closing }
        }
        self.reader.wake()
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.sayGoodbye() }
            // Cancelled, it only cuts waits short: what is on its way behind the shield gets its answer.
            tasks.addTask { _ = try? await self.clock.sleep(for: Self.goodbyeTimeout) }
            await tasks.next()
            tasks.cancelAll()
        }
        self.interrupt { $0.phase = .ended }
        self.reader.wake()
        self.eventContinuation.finish()
        await self.cluster.close(self.fetchLane)
        await self.cluster.close(self.membershipLane)
        if self.ownsCluster { await self.cluster.close() }
    }

    private func sayGoodbye() async {
        await self.commitFinally()
        if case .group = self.configuration.subscription {
            let held = self.withState { $0.revoking.union($0.fetcher.partitions.keys).sorted() }
            self.forgetLag(of: held)
            if !held.isEmpty { self.tell(.revoked(held)) }
        }
        await self.leaveGroup()
    }
}
