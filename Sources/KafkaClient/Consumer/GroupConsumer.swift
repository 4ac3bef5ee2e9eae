// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

import KafkaMessages
import KafkaWire
import Synchronization

/// A member of a consumer group (KIP-848): reads the partitions that the group gives it, and commits how far it has
/// come.
///
/// A batch counts as done when the receiver returns, and only then may its offsets be committed: whatever happens,
/// every record is received at least once. Heartbeats have a task and a connection of their own, so that neither slow
/// receivers nor slow fetches end the membership.
///
/// Decisions are in `GroupMembership` and `OffsetTracker`; here they are carried out. All that concerns assignments,
/// offsets and reading happens in one task, ``main()``, one thing after the other, so that offsets are never committed
/// out of order.
public final class GroupConsumer: Sendable {
    /// What happened, for the main task.
    enum Signal: Sendable {
        case reconcile(MembershipReconciliation)
        case lost([TopicPartition], KafkaClientError)
        case commit
        /// Reading has ended by itself. The number is that of the reading.
        case readingFailed(KafkaClientError, Int)
        /// Something was put off.
        case resume
        case failed(any Error)
        case stop
    }

    struct Handlers: Sendable {
        var onEvent: @Sendable (GroupConsumerEvent) -> Void
        var process: @Sendable (ReadBatch) async throws -> GroupConsumerDecision
    }

    struct State {
        var membership: GroupMembership
        var offsets = OffsetTracker()
        /// Assigned, and not read yet: names or offsets are not known.
        var pending: Set<GroupPartition> = []
        /// Names of topics that were assigned. An id never gets another name.
        var names: [TopicID: String] = [:]
        var reader: Task<Void, Never>?
        /// Counts the readings, so that an old one cannot be taken for the one that goes on.
        var readings = 0
        var isResumeScheduled = false
        var isCommitQueued = false
        /// What the heartbeats wait on, and that they are not to begin waiting.
        var sleeper: Task<Void, Never>?
        var isWoken = false
        var handlers: Handlers?
        var generator = SystemRandomNumberGenerator()
    }

    /// How it takes part.
    public let configuration: GroupConsumerConfiguration
    /// For fetches, whose answers may take their time.
    let cluster: KafkaCluster
    /// For everything that must not wait behind a fetch.
    let coordination: KafkaCluster
    let state: Mutex<State>
    let signals: AsyncStream<Signal>
    let continuation: AsyncStream<Signal>.Continuation
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    /// A consumer that has not joined yet. It reads through `cluster`, which has to stay open while it runs, and has
    /// connections of its own to the group's coordinator.
    ///
    /// Throws `invalidRequest` for a configuration that no broker would take.
    public init(cluster: KafkaCluster, configuration: GroupConsumerConfiguration) throws(KafkaClientError) {
        try configuration.validate()
        self.configuration = configuration
        self.cluster = cluster
        self.coordination = cluster.sibling()
        self.start = self.clock.now
        (self.signals, self.continuation) = AsyncStream.makeStream()
        var generator = SystemRandomNumberGenerator()
        let memberID = UUID128.random(using: &generator).base64
        self.state = Mutex(
            State(
                membership: GroupMembership(
                    configuration, memberID: memberID, retry: cluster.configuration.retry)))
    }

    /// Joins the group and hands every batch of the assigned partitions to `process`, until ``stop()``, an error, or the
    /// cancellation of the task. It leaves the group and commits what is done before it returns or throws, however it
    /// ends; a batch that is being processed is waited for.
    ///
    /// The batches of one partition come in order, one after the other; those of partitions with different leaders may
    /// come at the same time. After another member has failed, batches may come that it has already received. A
    /// broker that cannot be reached is no error once the group was joined: it is tried again without end, and `onEvent`
    /// is told. It may be called once.
    ///
    /// Throws what `process` throws; `KafkaClientError`, for example with `unsupportedVersion` for a broker without
    /// KIP-848; and `CancellationError`.
    public func run(
        onEvent: @escaping @Sendable (GroupConsumerEvent) -> Void = { _ in },
        process: @escaping @Sendable (ReadBatch) async throws -> GroupConsumerDecision
    ) async throws {
        let isFirst = self.state.withLock { state in
            defer { state.handlers = state.handlers ?? Handlers(onEvent: onEvent, process: process) }
            return state.handlers == nil
        }
        guard isFirst else { throw KafkaClientError(.invalidRequest, "a GroupConsumer runs once") }
        // Leaving has to work although the caller's task was cancelled.
        let main = Task { try await self.main() }
        try await withTaskCancellationHandler {
            try await main.value
        } onCancel: {
            self.stop()
        }
        try Task.checkCancellation()
    }

    /// Finishes the batch at hand, commits, leaves the group and lets ``run(onEvent:process:)`` return. A static member
    /// leaves so that it may come back to its partitions.
    public func stop() { self.continuation.yield(.stop) }

    /// Changes what this member can carry, 0 to ``GroupConsumerConfiguration/weightMax``; 0 drains it. The coordinator
    /// is told at once. Throws `invalidRequest` for another weight.
    public func setWeight(_ weight: Int32) throws(KafkaClientError) {
        try GroupConsumerConfiguration.validate(weight: weight)
        self.state.withLock { $0.membership.setWeight(weight, nowMs: self.nowMs) }
        self.wake()
    }

    /// The id that the group knows this member by.
    public var memberID: String { self.state.withLock(\.membership.memberID) }

    // MARK: The main task

    /// How long committing may take at the end, when nobody may be there to take it.
    private static let lastCommitLimit = Duration.seconds(10)

    private func main() async throws {
        let heartbeats = Task { await self.sendHeartbeats() }
        let commits = Task { await self.queueCommits() }
        var failure: (any Error)?
        loop: for await signal in self.signals {
            switch signal {
            case .reconcile(let reconciliation): await self.reconcile(reconciliation)
            case .lost(let partitions, let error): await self.lose(partitions, error)
            case .commit: await self.commitQueued()
            case .readingFailed(let error, let number): self.readingFailed(error, number)
            case .resume: await self.resume()
            case .failed(let error):
                failure = error
                break loop
            case .stop: break loop
            }
        }
        commits.cancel()
        await self.stopReading()
        let commit = Task { await self.commit() }
        let limit = Task { [clock] in
            try await clock.sleep(for: Self.lastCommitLimit)
            commit.cancel()
        }
        await commit.value
        limit.cancel()
        self.state.withLock { $0.membership.leave() }
        self.wake()
        await heartbeats.value
        await self.coordination.close()
        if let failure { throw failure }
    }

    /// Milliseconds since this consumer was made.
    var nowMs: Int64 { (self.clock.now - self.start).milliseconds }

    func sleep(for duration: Duration) async throws { try await self.clock.sleep(for: duration) }

    func tell(_ event: GroupConsumerEvent) { self.state.withLock(\.handlers)?.onEvent(event) }
}
