// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// The membership of one consumer in one classic group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup.
///
///                       ┌──────────────── the group shares out anew ────────────────┐
///                       ▼                                                           │
///     givingUp ─────▶ joining ──JoinGroup──▶ leading ──▶ syncing ──SyncGroup──▶ member
///     (if eager)        ▲  the leader only ──┘              │                       │
///                       └── unknown, fenced off by a generation, silent: all lost ──┘
///
///     any ──leave()──▶ leaving ──answer, or none──▶ ended ◀── a refusal that will not go away ── any
///
/// How it is driven is told by ``Membership``. An eager member (KIP-429 has the word) gives everything up before it
/// joins again. A cooperative one keeps what it has, names it to the leader when it joins, and gives up what is not in
/// its new assignment; then it joins once more, so that this can go to others.
///
/// Its own invariants, beside those of every membership:
/// - A reconciliation is under way in `givingUp` and `member` only: nobody joins while partitions change hands.
/// - What it owns is what it was given in `ownedGeneration`, or part of that.
struct ClassicMembership: Membership {
    enum Phase {
        case givingUp, joining
        case leading(ClassicLeadership)
        case syncing([SyncGroupRequest.SyncGroupRequestAssignment])
        case member, leaving, ended
    }

    /// How long the answer to a heartbeat may take. The coordinator answers at once: it is stuck, or gone.
    static let promptTimeout = Duration.seconds(10)
    /// How much longer than the rebalance time-out a coordinator may take to answer, as in Kafka's Java client.
    static let rebalanceGrace = Duration.seconds(5)
    /// The wire's word for no generation.
    static let noGeneration: Int32 = -1

    let configuration: Configuration
    let isCooperative: Bool
    private let retry: RetryPolicy

    var memberID = ""
    /// The generation, -1 for none.
    var epoch = ClassicMembership.noGeneration
    var phase = Phase.joining
    /// Why it joins again, for the log of the coordinator (KIP-800).
    var joinReason: String?
    private(set) var isLeaveSent = false

    /// What the member has.
    private(set) var owned: Set<TopicPartition> = []
    private(set) var ownedGeneration = ClassicMembership.noGeneration
    /// What it was given last, whatever became of it.
    private var lastAssignment: Set<TopicPartition> = []
    private var lastGeneration = ClassicMembership.noGeneration
    private var reconciliation: MembershipReconciliation?
    private var reconciliations = 0
    /// It has to join again as soon as no reconciliation is under way.
    private var mustRejoin = false

    /// What it is subscribed to; nil while that has to be found out.
    private(set) var topics: Set<String>?
    /// On the leader, the numbers of partitions by which it has shared out, of the topics of the whole group.
    private(set) var sharedOut: (topics: Set<String>, counts: [String: Int])?
    /// The members that the leader could not understand, and gave nothing: for a log.
    private(set) var unreadableMembers: [String] = []

    var nextHeartbeatMs: Int64 = 0
    var nextTopicsMs: Int64 = 0
    /// After a failure nothing is sent before.
    private var retryMs: Int64 = 0
    private var failures = 0
    /// When the coordinator last showed that it knows this member.
    private var lastAnswerMs: Int64 = 0

    init(_ configuration: Configuration, retry: RetryPolicy) {
        self.configuration = configuration
        self.isCooperative = configuration.isCooperative
        self.retry = retry
        if case .names(let names) = configuration.topics { self.topics = names }
    }

    var isMember: Bool { self.epoch >= 0 && !self.memberID.isEmpty }

    func isUnderWay(_ number: Int) -> Bool { self.reconciliation?.number == number }

    // MARK: What the driver asks

    mutating func step(nowMs: Int64) -> MembershipStep {
        switch self.phase {
        case .ended:
            return .ended
        case .leaving:
            // A static member stays in the group until its session is over: it may come back (KIP-345).
            guard !self.isLeaveSent, !self.memberID.isEmpty, self.configuration.instanceID == nil else {
                self.phase = .ended
                return .ended
            }
            self.isLeaveSent = true
            let leave = ClassicLeave(groupID: self.configuration.groupID, memberID: self.memberID)
            return .send(.leave(leave), timeout: Self.promptTimeout)
        case _ where nowMs < self.retryMs:
            return .wait(untilMs: self.retryMs)
        case .joining:
            guard self.topics != nil else { return self.lookUp(self.watchedTopics) }
            return .send(.join(self.joinRequest()), timeout: self.rebalanceLimit)
        case .leading(let leadership):
            return .send(.lead(leadership), timeout: Self.promptTimeout)
        case .syncing(let assignments):
            return .send(.sync(self.syncRequest(assignments)), timeout: self.rebalanceLimit)
        case .givingUp, .member:
            return self.memberStep(nowMs: nowMs)
        }
    }

    private mutating func memberStep(nowMs: Int64) -> MembershipStep {
        guard nowMs < self.nextHeartbeatMs else {
            // No longer than until the group takes the member for dead anyway, but long enough for a slow network.
            let sessionLeftMs = self.sessionEndMs - nowMs
            let timeout = max(min(Self.promptTimeout, .milliseconds(sessionLeftMs)), .seconds(1))
            return .send(.heartbeat(self.heartbeatRequest), timeout: timeout)
        }
        guard case .member = self.phase, let question = self.watchedTopics else {
            return .wait(untilMs: self.nextHeartbeatMs)
        }
        guard nowMs < self.nextTopicsMs else { return self.lookUp(question) }
        return .wait(untilMs: min(self.nextHeartbeatMs, self.nextTopicsMs))
    }

    private func lookUp(_ question: TopicQuestion?) -> MembershipStep {
        .send(.topics(question ?? .all(internal: [])), timeout: Self.promptTimeout)
    }

    /// The topics whose change makes the group share out anew; nil when others look after that.
    private var watchedTopics: TopicQuestion? {
        switch self.configuration.topics {
        case .matching: .all(internal: self.sharedOut?.topics ?? [])
        case .names: self.sharedOut.map { .names($0.topics) }
        }
    }

    private var rebalanceLimit: Duration { self.configuration.rebalanceTimeout + Self.rebalanceGrace }

    private var sessionEndMs: Int64 { self.lastAnswerMs + self.configuration.sessionTimeout.milliseconds }

    // MARK: Requests

    private func joinRequest() -> JoinGroupRequest {
        var request = JoinGroupRequest()
        request.groupID = self.configuration.groupID
        request.sessionTimeoutMs = Int32(clamping: self.configuration.sessionTimeout.milliseconds)
        request.rebalanceTimeoutMs = Int32(clamping: self.configuration.rebalanceTimeout.milliseconds)
        request.memberID = self.memberID
        request.groupInstanceID = self.configuration.instanceID
        request.protocolType = ConsumerProtocol.type
        request.reason = self.joinReason
        let topics = (self.topics ?? []).sorted()
        let history = ClassicMemberHistory(
            topics: topics, lastAssignment: self.lastAssignment.sorted(),
            generation: self.lastGeneration < 0 ? nil : self.lastGeneration)
        request.protocols = self.configuration.assignors.map { assignor in
            var offered = JoinGroupRequest.JoinGroupRequestProtocol()
            offered.name = assignor.name
            do throws(WireError) {
                offered.metadata = try ConsumerProtocol.subscription(
                    topics: topics, owned: self.owned.sorted(), generation: self.ownedGeneration,
                    rackID: self.configuration.rackID, userData: assignor.userData(of: history))
            } catch {
                // Names have come over the wire or were validated.
                preconditionFailure("the user data of the assignor \(assignor.name) does not fit: \(error)")
            }
            return offered
        }
        return request
    }

    private func syncRequest(_ assignments: [SyncGroupRequest.SyncGroupRequestAssignment]) -> SyncGroupRequest {
        var request = SyncGroupRequest()
        request.groupID = self.configuration.groupID
        request.generationID = self.epoch
        request.memberID = self.memberID
        request.groupInstanceID = self.configuration.instanceID
        request.protocolType = ConsumerProtocol.type
        request.protocolName = self.protocolName
        request.assignments = assignments
        return request
    }

    private var heartbeatRequest: HeartbeatRequest {
        var request = HeartbeatRequest()
        request.groupID = self.configuration.groupID
        request.generationID = self.epoch
        request.memberID = self.memberID
        request.groupInstanceID = self.configuration.instanceID
        return request
    }

    // MARK: What the driver decides

    mutating func released(_ number: Int, nowMs: Int64) -> MembershipReaction {
        guard let done = self.reconciliation, done.number == number else { return .none }
        self.owned.subtract(done.revoked.compactMap(\.named))
        self.owned.formUnion(done.added.compactMap(\.named))
        self.reconciliation = nil
        if case .givingUp = self.phase {
            self.phase = .joining
            return .none
        }
        if self.isCooperative, !done.revoked.isEmpty { self.mustRejoin(because: "partitions were given up") }
        return self.rejoinIfNeeded()
    }

    mutating func checkSoon(nowMs: Int64) {
        if self.failures == 0 { self.nextHeartbeatMs = nowMs }
    }

    mutating func leave() {
        if case .ended = self.phase { return }
        self.phase = .leaving
    }

    // MARK: Changes of state

    /// The protocol that the group has chosen.
    private var protocolName: String?

    /// Takes note that the coordinator knows the member.
    mutating func heard(nowMs: Int64) {
        self.failures = 0
        self.retryMs = 0
        self.lastAnswerMs = nowMs
        self.nextHeartbeatMs = nowMs + self.configuration.heartbeatInterval.milliseconds
    }

    /// The coordinator has taken the member into a generation.
    mutating func joined(generation: Int32, protocolName: String?, nowMs: Int64) {
        self.heard(nowMs: nowMs)
        self.epoch = generation
        self.protocolName = protocolName
        self.joinReason = nil
        self.mustRejoin = false
        self.sharedOut = nil
        self.unreadableMembers = []
    }

    /// The leader knows what to give to whom.
    mutating func shared(_ leadership: ClassicLeadership, _ counts: [String: Int], nowMs: Int64) {
        self.sharedOut = (leadership.topics, counts)
        self.unreadableMembers = leadership.unreadable
        self.nextTopicsMs = nowMs + self.configuration.topicsInterval.milliseconds
    }

    /// The subscription has changed, as far as there is one.
    mutating func subscribe(_ topics: Set<String>) -> Bool {
        defer { self.topics = topics }
        return self.topics != topics
    }

    /// The group has given this member these partitions.
    mutating func assigned(_ partitions: Set<TopicPartition>) -> MembershipReaction {
        self.phase = .member
        self.ownedGeneration = self.epoch
        self.lastAssignment = partitions
        self.lastGeneration = self.epoch
        guard partitions != self.owned else { return .none }
        return self.reconcile(
            revoked: self.owned.subtracting(partitions), added: partitions.subtracting(self.owned))
    }

    private mutating func reconcile(
        revoked: Set<TopicPartition>, added: Set<TopicPartition>
    ) -> MembershipReaction {
        self.reconciliations += 1
        let next = MembershipReconciliation(
            number: self.reconciliations, revoked: Set(revoked.map { GroupPartition($0) }),
            added: Set(added.map { GroupPartition($0) }))
        self.reconciliation = next
        return .reconcile(next)
    }

    mutating func mustRejoin(because reason: String?) {
        self.mustRejoin = true
        self.joinReason = self.joinReason ?? reason
    }

    mutating func rejoinIfNeeded() -> MembershipReaction {
        guard case .member = self.phase, self.mustRejoin, self.reconciliation == nil else { return .none }
        self.mustRejoin = false
        guard self.isCooperative || self.owned.isEmpty else {
            self.phase = .givingUp
            return self.reconcile(revoked: self.owned, added: [])
        }
        self.phase = .joining
        return .none
    }

    /// The group has given the partitions to others. What was given last is remembered, so that a sticky leader may
    /// give it back.
    mutating func lose(
        _ error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        // The first time at once; who is turned away again and again must not hurry.
        let delay = self.epoch >= 0 ? .zero : self.delay(using: &generator)
        self.failures += 1
        self.retryMs = nowMs + delay.milliseconds
        self.lastAnswerMs = nowMs
        self.epoch = Self.noGeneration
        self.ownedGeneration = Self.noGeneration
        self.owned = []
        self.reconciliation = nil
        self.mustRejoin = false
        self.sharedOut = nil
        self.phase = .joining
        return .lose(error)
    }

    /// Tries again after a while, unless the group must have given the member up meanwhile.
    mutating func tryAgain(
        after error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        switch self.phase {
        case .givingUp, .member: break
        // While a coordinator holds back its answer, the session does not run.
        default: if self.failures == 0 { self.lastAnswerMs = nowMs }
        }
        if self.isMember, nowMs >= self.sessionEndMs {
            let silence = KafkaClientError(
                .timedOut,
                "group \(self.configuration.groupID): no answer from the coordinator for the session time-out of"
                    + " \(self.configuration.sessionTimeout); last: \(error.message)", cause: error)
            return self.lose(silence, nowMs: nowMs, using: &generator)
        }
        self.failures += 1
        self.retryMs = nowMs + self.delay(using: &generator).milliseconds
        return .retry(error)
    }

    /// However often it failed: a consumer has nothing better to do than to come back.
    private func delay(using generator: inout some RandomNumberGenerator) -> Duration {
        let attempt = min(max(self.failures, 1), max(self.retry.attemptsMax - 1, 1))
        return self.retry.delay(afterAttempt: attempt, using: &generator) ?? self.retry.delayMax
    }

    mutating func end(_ error: KafkaClientError) -> MembershipReaction {
        self.phase = .ended
        return .fail(error)
    }
}
