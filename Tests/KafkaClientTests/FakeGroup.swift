// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization

@testable import KafkaClient

/// The coordinator of the group `g` and the leader of the topic `orders`, for one member: what it gets the test says,
/// and what it does the test reads.
final class FakeGroup: Sendable {
    struct State: Sendable {
        /// What the member is to have.
        var target: [Int32] = []
        /// What it was told last.
        var told: [Int32]?
        var epoch: Int32 = 0
        var joins = 0
        var heartbeats = 0
        /// The next heartbeat is answered with this.
        var refusal: ErrorCode?
        /// Every commit is answered with this.
        var commitRefusal: ErrorCode?
        var commitAttempts = 0
        var committed: [Int32: Int64] = [:]
        /// Each partition has the offsets from `start` up to, not including, `end`.
        var start: Int64 = 0
        var end: Int64 = 0
        /// What the member has done, in order: join, own, commit, leave.
        var log: [String] = []
    }

    private struct Waiter {
        var condition: @Sendable (State) -> Bool
        var continuation: CheckedContinuation<Void, Never>
    }

    private let state: Mutex<State>
    private let waiters = Mutex<[Waiter]>([])

    /// Soon, and never at once.
    private static let heartbeatIntervalMs: Int32 = 20

    init(_ change: (inout State) -> Void) {
        var state = State()
        change(&state)
        self.state = Mutex(state)
    }

    /// Runs `body` with a consumer of the group, which waits by `clock`. With a policy for retries those are waited for
    /// really; otherwise they follow each other at once.
    static func run(
        _ group: FakeGroup, partitions: Int = 4, versions: [APIKey: ClosedRange<Int16>?] = [:],
        retry: RetryPolicy? = nil, clock: any Clock<Duration> = ContinuousClock(),
        configure: (inout KafkaConsumerConfiguration) -> Void = { _ in },
        _ body: @escaping @Sendable (KafkaConsumer) async throws -> Void
    ) async throws {
        var configuration = KafkaConsumerConfiguration(group: "g", topics: ["orders"])
        configuration.autoCommitInterval = .seconds(3600)
        configure(&configuration)
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": Array(repeating: 0, count: partitions)], coordinators: ["g": 0],
            versions: versions, handler: { _, request in .answer(try group.answer(request)) }
        ) { [configuration] _, impatient in
            var cluster = impatient
            if let retry {
                var patient = impatient.configuration
                patient.retry = retry
                cluster = KafkaCluster(patient)
            }
            try await body(
                try KafkaConsumer(cluster, isOwner: retry != nil, configuration: configuration, clock: clock))
        }
    }

    func update(_ change: (inout State) -> Void) {
        let state = self.state.withLock { state in
            change(&state)
            return state
        }
        let due = self.waiters.withLock { waiters in
            let due = waiters.filter { $0.condition(state) }
            waiters.removeAll { $0.condition(state) }
            return due
        }
        for waiter in due { waiter.continuation.resume() }
    }

    var log: [String] { self.state.withLock(\.log) }
    var committed: [Int32: Int64] { self.state.withLock(\.committed) }

    /// Returns when the condition holds.
    func wait(until condition: @escaping @Sendable (State) -> Bool) async {
        await withCheckedContinuation { continuation in
            self.waiters.withLock { $0.append(Waiter(condition: condition, continuation: continuation)) }
            self.update { _ in }
        }
    }

    private func answer(_ request: ScriptedBroker.Request) throws -> any KafkaMessage {
        let (body, version) = (request.body, request.version)
        switch request.api {
        case .consumerGroupHeartbeat:
            return self.heartbeat(try ConsumerGroupHeartbeatRequest.decode(body, version: version))
        case .offsetFetch:
            return self.offsets(try OffsetFetchRequest.decode(body, version: version))
        case .offsetCommit:
            return self.commit(try OffsetCommitRequest.decode(body, version: version))
        case .listOffsets:
            return self.ends(try ListOffsetsRequest.decode(body, version: version))
        default:
            return try self.fetch(try FetchRequest.decode(body, version: version))
        }
    }

    // MARK: The coordinator

    private func heartbeat(_ request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        var response = ConsumerGroupHeartbeatResponse()
        response.memberID = request.memberID
        response.heartbeatIntervalMs = Self.heartbeatIntervalMs
        self.update { state in
            state.heartbeats += 1
            if request.memberEpoch < 0 {
                state.log.append("leave \(request.memberEpoch)")
                response.memberEpoch = request.memberEpoch
                return
            }
            if let refusal = state.refusal {
                state.refusal = nil
                state.told = nil
                response.errorCode = refusal.rawValue
                return
            }
            if request.memberEpoch == 0 {
                state.joins += 1
                state.epoch += 1
                state.log.append("join")
            } else if let owned = request.topicPartitions {
                state.log.append("own \(owned.flatMap(\.partitions).sorted())")
            }
            response.memberEpoch = state.epoch
            if state.told != state.target {
                state.told = state.target
                var topic = ConsumerGroupHeartbeatResponse.TopicPartitions()
                topic.topicID = FakeCluster.topicID(of: "orders")
                topic.partitions = state.target
                var assignment = ConsumerGroupHeartbeatResponse.Assignment()
                assignment.topicPartitions = state.target.isEmpty ? [] : [topic]
                response.assignment = assignment
            }
        }
        return response
    }

    private func offsets(_ request: OffsetFetchRequest) -> OffsetFetchResponse {
        let committed = self.committed
        var response = OffsetFetchResponse()
        response.groups = request.groups.map { asked in
            var group = OffsetFetchResponse.OffsetFetchResponseGroup()
            group.groupID = asked.groupID
            if asked.memberEpoch != self.state.withLock(\.epoch) {
                group.errorCode = ErrorCode.staleMemberEpoch.rawValue
                return group
            }
            group.topics = (asked.topics ?? []).map { asked in
                var topic = OffsetFetchResponse.OffsetFetchResponseTopics()
                topic.name = asked.name
                topic.partitions = asked.partitionIndexes.map { index in
                    var partition = OffsetFetchResponse.OffsetFetchResponsePartitions()
                    partition.partitionIndex = index
                    partition.committedOffset = committed[index] ?? -1
                    return partition
                }
                return topic
            }
            return group
        }
        return response
    }

    private func commit(_ request: OffsetCommitRequest) -> OffsetCommitResponse {
        var response = OffsetCommitResponse()
        self.update { state in
            let isCurrent = request.generationIDOrMemberEpoch == state.epoch && state.commitRefusal == nil
            state.commitAttempts += 1
            var parts: [String] = []
            response.topics = request.topics.map { asked in
                var topic = OffsetCommitResponse.OffsetCommitResponseTopic()
                topic.name = asked.name
                topic.partitions = asked.partitions.map { asked in
                    var partition = OffsetCommitResponse.OffsetCommitResponsePartition()
                    partition.partitionIndex = asked.partitionIndex
                    if isCurrent {
                        state.committed[asked.partitionIndex] = asked.committedOffset
                        parts.append("\(asked.partitionIndex):\(asked.committedOffset)")
                    } else {
                        partition.errorCode = (state.commitRefusal ?? .staleMemberEpoch).rawValue
                    }
                    return partition
                }
                return topic
            }
            if isCurrent { state.log.append("commit \(parts.sorted().joined(separator: " "))") }
        }
        return response
    }

    // MARK: The leader

    private func ends(_ request: ListOffsetsRequest) -> ListOffsetsResponse {
        let state = self.state.withLock(\.self)
        return request.answer { $0.timestamp == OffsetSpecification.earliest.wireTimestamp ? state.start : state.end }
    }

    /// One batch of up to five records of each partition.
    private func fetch(_ request: FetchRequest) throws -> FetchResponse {
        let state = self.state.withLock(\.self)
        return try request.answer { asked, partition in
            partition.highWatermark = state.end
            partition.logStartOffset = state.start
            let count = min(state.end - asked.fetchOffset, 5)
            if asked.fetchOffset < state.start {
                partition.errorCode = ErrorCode.offsetOutOfRange.rawValue
            } else if count > 0 {
                partition.records = .buffer(try ReadCursorTests.batch(asked.fetchOffset, count: Int(count)))
            }
        }
    }
}
