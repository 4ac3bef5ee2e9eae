// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// The membership of one consumer in one group of the consumer protocol (KIP-848), without IO: what to send when, and
/// what its answers mean.
///
///     joining ──answer──▶ member ──leave()──▶ leaving ──answer, or none──▶ ended
///        ▲                  │
///        └──────fenced──────┘         a refusal that will not go away: ended
///
/// How it is driven is told by ``Membership``. Its own invariant, beside those of every membership: after a heartbeat
/// that failed, the next one says everything, since nobody knows what arrived.
struct GroupMembership: Membership {
    typealias Partition = GroupPartition
    typealias Reconciliation = MembershipReconciliation
    typealias Reaction = MembershipReaction

    private enum Phase {
        case joining, member, leaving, ended
    }

    /// How long a member waits for its instance id to become free: longer than the usual `consumer.session.timeout.ms`,
    /// after which a predecessor that was killed is gone.
    static let instanceWaitMaxMs: Int64 = 60_000
    /// The shortest interval between heartbeats that is believed: anything less comes from a broken broker.
    static let heartbeatIntervalMinMs: Int64 = 10
    /// As the wire says that a member leaves, or that a static member leaves for a while.
    private static let leaveEpoch: Int32 = -1
    private static let staticLeaveEpoch: Int32 = -2
    /// How long the answer to a heartbeat may take. The coordinator answers at once: it is stuck, or gone.
    private static let heartbeatTimeout = Duration.seconds(10)

    private let groupID: String
    private let subscription: Configuration
    private let retry: RetryPolicy

    private(set) var memberID: String
    /// 0 while the member has not joined.
    private(set) var epoch: Int32 = 0
    private var phase = Phase.joining
    private var hasJoined = false

    /// What the member has, as far as it has told or is about to tell.
    private(set) var owned: Set<Partition> = []
    private var target: Set<Partition>?
    private var reconciliation: Reconciliation?
    private var reconciliations = 0

    private var weight: Int32?
    private var sendsEverything = true
    private var toldOwned: Set<Partition> = []
    private var toldWeight: Int32?
    /// A heartbeat is on its way, or was abandoned: the coordinator may know the member.
    private var isAwaiting = false
    private var isLeaveSent = false

    private var nextHeartbeatMs: Int64 = 0
    private var heartbeatIntervalMs: Int64 = 3000
    private var failures = 0
    private var instanceTakenSinceMs: Int64?

    init(_ configuration: Configuration, memberID: String, retry: RetryPolicy) {
        self.groupID = configuration.groupID
        self.subscription = configuration
        self.weight = configuration.weight
        self.memberID = memberID
        self.retry = retry
    }

    var isMember: Bool { self.epoch > 0 }

    // MARK: What the driver asks

    mutating func step(nowMs: Int64) -> MembershipStep {
        switch self.phase {
        case .ended:
            return .ended
        case .leaving:
            guard self.hasJoined || self.isAwaiting, !self.isLeaveSent else {
                self.phase = .ended
                return .ended
            }
            self.isLeaveSent = true
            return .send(.consumerHeartbeat(self.leaveRequest), timeout: Self.heartbeatTimeout)
        case .joining, .member:
            guard nowMs >= self.nextHeartbeatMs else { return .wait(untilMs: self.nextHeartbeatMs) }
            self.isAwaiting = true
            return .send(.consumerHeartbeat(self.heartbeat()), timeout: Self.heartbeatTimeout)
        }
    }

    private var leaveRequest: ConsumerGroupHeartbeatRequest {
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = self.groupID
        request.memberID = self.memberID
        request.instanceID = self.subscription.instanceID
        request.memberEpoch = self.subscription.instanceID == nil ? Self.leaveEpoch : Self.staticLeaveEpoch
        return request
    }

    /// All there is to say, or what has changed since it was said last.
    private mutating func heartbeat() -> ConsumerGroupHeartbeatRequest {
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = self.groupID
        request.memberID = self.memberID
        request.memberEpoch = self.epoch
        request.instanceID = self.subscription.instanceID
        if self.sendsEverything {
            request.rackID = self.subscription.rackID
            request.rebalanceTimeoutMs = Int32(clamping: self.subscription.rebalanceTimeout.milliseconds)
            switch self.subscription.topics {
            case .names(let names):
                request.subscribedTopicNames = names
            case .regex(let regex):
                request.subscribedTopicNames = []
                request.subscribedTopicRegex = regex
            }
            request.serverAssignor = self.subscription.assignor
        }
        if self.sendsEverything || self.toldOwned != self.owned { request.topicPartitions = Self.wire(self.owned) }
        if self.sendsEverything || self.toldWeight != self.weight { request.weight = self.weight ?? -1 }
        self.toldOwned = self.owned
        self.toldWeight = self.weight
        self.sendsEverything = false
        return request
    }

    private static func wire(_ partitions: Set<Partition>) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        var topics: [ConsumerGroupHeartbeatRequest.TopicPartitions] = []
        for partition in partitions.sorted() {
            guard let topicID = partition.topicID else { continue }
            if topics.last?.topicID != topicID {
                var topic = ConsumerGroupHeartbeatRequest.TopicPartitions()
                topic.topicID = topicID
                topics.append(topic)
            }
            topics[topics.count - 1].partitions.append(partition.index.rawValue)
        }
        return topics
    }

    // MARK: What happens

    mutating func answered(
        _ answer: MembershipAnswer, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> Reaction {
        guard case .consumerHeartbeat(let response) = answer else {
            preconditionFailure("a member of the consumer protocol asks for nothing but heartbeats")
        }
        self.isAwaiting = false
        if self.isLeaveSent || self.phase == .ended {
            self.phase = .ended
            return .none
        }
        let errorCode = ErrorCode(rawValue: response.errorCode)
        let error = KafkaClientError(errorCode, subject: "group \(self.groupID)", message: response.errorMessage)
        switch errorCode {
        case .none:
            return self.accepted(response, nowMs: nowMs)
        case .fencedMemberEpoch, .unknownMemberID:
            return self.fenced(error, nowMs: nowMs, using: &generator)
        case .unreleasedInstanceID where self.mayWaitForInstance(nowMs: nowMs):
            return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
        case let code where code.isRetriable:
            return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
        default:
            self.phase = .ended
            return .fail(self.explained(error))
        }
    }

    mutating func failed(
        _ error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> Reaction {
        self.isAwaiting = false
        if self.isLeaveSent || self.phase == .ended {
            self.phase = .ended
            return .none
        }
        // A cluster that was there before is expected to come back.
        guard error.isRetriable || (self.hasJoined && error.isUnreachable) else {
            self.phase = .ended
            return .fail(self.explained(error))
        }
        return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
    }

    private mutating func accepted(_ response: ConsumerGroupHeartbeatResponse, nowMs: Int64) -> Reaction {
        self.failures = 0
        self.instanceTakenSinceMs = nil
        self.hasJoined = true
        if let memberID = response.memberID, !memberID.isEmpty { self.memberID = memberID }
        self.epoch = max(response.memberEpoch, 0)
        self.heartbeatIntervalMs = max(Int64(response.heartbeatIntervalMs), Self.heartbeatIntervalMinMs)
        self.nextHeartbeatMs = nowMs + self.heartbeatIntervalMs
        if let assignment = response.assignment {
            self.target = Set(
                assignment.topicPartitions.flatMap { topic in
                    topic.partitions.map { Partition(topicID: topic.topicID, index: PartitionIndex($0)) }
                })
        }
        guard self.phase != .leaving else { return .none }
        self.phase = .member
        // What was told and what is to be told may differ by what happened while the heartbeat was on its way.
        if self.toldOwned != self.owned || self.toldWeight != self.weight { self.nextHeartbeatMs = nowMs }
        return self.reconcileIfNeeded()
    }

    private mutating func reconcileIfNeeded() -> Reaction {
        guard self.phase == .member, self.reconciliation == nil, let target = self.target, target != self.owned else {
            return .none
        }
        self.reconciliations += 1
        let next = Reconciliation(
            number: self.reconciliations, revoked: self.owned.subtracting(target),
            added: target.subtracting(self.owned))
        self.reconciliation = next
        return .reconcile(next)
    }

    private mutating func fenced(
        _ error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> Reaction {
        // The first time at once; who is turned away again and again must not hurry.
        let delay = self.epoch > 0 ? .zero : self.delay(using: &generator)
        self.failures += 1
        self.epoch = 0
        self.owned = []
        self.target = nil
        self.reconciliation = nil
        self.sendsEverything = true
        self.nextHeartbeatMs = nowMs + delay.milliseconds
        if self.phase == .member { self.phase = .joining }
        return .lose(error)
    }

    private mutating func tryAgain(
        after error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> Reaction {
        self.failures += 1
        self.sendsEverything = true
        self.nextHeartbeatMs = nowMs + self.delay(using: &generator).milliseconds
        return .retry(error)
    }

    /// However often it failed: a consumer has nothing better to do than to come back.
    private func delay(using generator: inout some RandomNumberGenerator) -> Duration {
        let attempt = min(max(self.failures, 1), max(self.retry.attemptsMax - 1, 1))
        return self.retry.delay(afterAttempt: attempt, using: &generator) ?? self.retry.delayMax
    }

    private mutating func mayWaitForInstance(nowMs: Int64) -> Bool {
        guard self.epoch == 0 else { return false }
        let since = self.instanceTakenSinceMs ?? nowMs
        self.instanceTakenSinceMs = since
        return nowMs - since < Self.instanceWaitMaxMs
    }

    private func explained(_ error: KafkaClientError) -> KafkaClientError {
        var error = error
        switch error.errorCode {
        case .unsupportedVersion:
            error.message += "; groups of the consumer protocol (KIP-848) need Kafka 4.0 or newer, or Martlet"
        case .unreleasedInstanceID:
            error.message =
                "the instance id \(self.subscription.instanceID ?? "") is in use by another member of group"
                + " \(self.groupID)"
        case .fencedInstanceID:
            error.message =
                "another member of group \(self.groupID) has taken the instance id"
                + " \(self.subscription.instanceID ?? "")"
        default:
            break
        }
        return error
    }

    // MARK: What the driver decides

    mutating func released(_ number: Int, nowMs: Int64) -> Reaction {
        guard let done = self.reconciliation, done.number == number else { return .none }
        self.owned = self.owned.subtracting(done.revoked).union(done.added)
        self.reconciliation = nil
        if self.failures == 0 { self.nextHeartbeatMs = nowMs }
        return self.reconcileIfNeeded()
    }

    func isUnderWay(_ number: Int) -> Bool { self.reconciliation?.number == number }

    mutating func checkSoon(nowMs: Int64) {
        if self.failures == 0, self.phase == .member { self.nextHeartbeatMs = nowMs }
    }

    mutating func setWeight(_ weight: Int32, nowMs: Int64) {
        self.weight = weight
        self.checkSoon(nowMs: nowMs)
    }

    mutating func leave() {
        if self.phase != .ended { self.phase = .leaving }
    }
}
