// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// A member of the classic protocol, as consumers are: joins, makes the assignment if it is told to, syncs, heartbeats.
///
/// An eager one gives up everything before it joins. A cooperative one keeps what it has, is told in SyncGroup what to
/// give up, and joins once more when it has.
final class ClassicClient: ModelClient {
    enum Phase { case away, joining, syncing, stable }

    /// Its assignors, the dearest first.
    let protocols: [String]
    let joinVersion: Int16
    private(set) var phase = Phase.away
    private var wantsToJoin = true
    private var retryAt: Int64 = 0
    private var isLeader = false
    /// The last generation of which it had an assignment.
    private var ownedGeneration: Int32 = -1
    /// What the leader made its assignment of: it joins again when that is no longer true.
    private var assignedFor: [TopicFacts?] = []
    private var membersSubscribe: Set<Int> = []

    /// Cooperative only if all of its assignors are: as in the real ones, one eager assignor makes the member eager.
    var isCooperative: Bool { self.protocols == [Self.cooperative] }

    static let range = "range"
    static let cooperative = "cooperative-sticky"

    init(
        number: Int, group: Int, instanceID: String?, subscription: [Int], world: GroupSimulation, protocols: [String],
        joinVersion: Int16
    ) {
        self.protocols = protocols
        self.joinVersion = joinVersion
        super.init(number: number, group: group, instanceID: instanceID, subscription: subscription, world: world)
    }

    override var ownedSince: Int32 { self.ownedGeneration }

    override func timeOut(of request: SimulatedRequest) -> Int64 {
        if case .join = request { return Int64(self.world.plan.rebalanceTimeoutMs) + 5_000 }
        return super.timeOut(of: request)
    }

    override func work() {
        switch self.phase {
        case .away: if self.world.now >= self.retryAt { self.join() }
        case .joining, .syncing: break
        case .stable:
            self.process()
            self.watchTopics()
            if self.world.now >= self.busyUntil, self.wantsToJoin { return self.join() }
            self.fetchPositions()
            if self.world.oneIn(2) { self.commit() }
            if !self.isAwaitingMembership { self.heartbeat() }
        }
    }

    /// The leader made its assignment for topics that have changed since.
    private func watchTopics() {
        guard self.isLeader else { return }
        if self.subscribedTopics() != self.assignedFor { self.wantsToJoin = true }
    }

    private func subscribedTopics() -> [TopicFacts?] {
        SimulatedTopics.names.indices.map { self.membersSubscribe.contains($0) ? self.world.topics[$0] : nil }
    }

    override func subscriptionChanged() {
        self.wantsToJoin = true
        self.wake(at: self.world.now)
    }

    override func sayGoodbye() {
        guard !self.memberID.isEmpty, self.instanceID == nil else { return }
        var request = LeaveGroupRequest()
        request.groupID = self.world.groupIDs[self.group]
        var member = LeaveGroupRequest.MemberIdentity()
        member.memberID = self.memberID
        member.reason = "the simulation wants it"
        request.members = [member]
        self.send(.leave(request))
    }

    // MARK: Joining

    private func join() {
        if self.isAwaitingMembership { self.reconnect() }
        if !self.isCooperative {
            self.commit()
            self.setOwned([])
        }
        self.phase = .joining
        self.wantsToJoin = false
        var request = JoinGroupRequest()
        request.groupID = self.world.groupIDs[self.group]
        request.sessionTimeoutMs = self.world.plan.sessionTimeoutMs
        request.rebalanceTimeoutMs = self.world.plan.rebalanceTimeoutMs
        request.memberID = self.memberID
        request.groupInstanceID = self.instanceID
        request.protocolType = "consumer"
        request.protocols = self.protocols.map { name in
            var entry = JoinGroupRequest.JoinGroupRequestProtocol()
            entry.name = name
            entry.metadata = ClassicBytes.subscription(
                topics: self.subscription, owned: self.ownedPartitions, generation: self.epoch, version: 3)
            return entry
        }
        request.reason = "the simulation wants it"
        self.send(.join(request, version: self.joinVersion))
    }

    private func joined(_ response: JoinGroupResponse) {
        guard self.phase == .joining else { return }
        switch ErrorCode(rawValue: response.errorCode) {
        case .none:
            self.memberID = response.memberID
            self.epoch = response.generationID
            self.isLeader = response.leader == response.memberID
            self.phase = .syncing
            self.sync(response)
        case .memberIDRequired:
            self.memberID = response.memberID
            self.join()
        case .rebalanceInProgress: self.retry(after: 100)
        case let code: self.membershipRefused(code)
        }
    }

    private func sync(_ joined: JoinGroupResponse) {
        var request = SyncGroupRequest()
        request.groupID = self.world.groupIDs[self.group]
        request.generationID = self.epoch
        request.memberID = self.memberID
        request.groupInstanceID = self.instanceID
        request.protocolType = joined.protocolType
        request.protocolName = joined.protocolName
        if self.isLeader {
            let members = joined.members.compactMap { self.member($0) }
            if members.count != joined.members.count {
                self.world.fail("\(self.name): a subscription came back from the coordinator that nobody sent")
            }
            self.membersSubscribe = members.reduce(into: []) { $0.formUnion($1.topics) }
            // What its former self shared out it does not know, so it will join again and look.
            self.assignedFor = joined.skipAssignment ? [] : self.subscribedTopics()
            if !joined.skipAssignment {
                let shares =
                    joined.protocolName == Self.range
                    ? ClassicAssignors.range(members, self.world.topics)
                    : ClassicAssignors.cooperativeSticky(members, self.world.topics)
                request.assignments = members.map { member in
                    var entry = SyncGroupRequest.SyncGroupRequestAssignment()
                    entry.memberID = member.id
                    entry.assignment = ClassicBytes.assignment(shares[member.id] ?? [])
                    return entry
                }
            }
        }
        self.send(.sync(request))
    }

    private func member(_ joined: JoinGroupResponse.JoinGroupResponseMember) -> ClassicAssignors.Member? {
        guard let subscription = ClassicBytes.subscription(joined.metadata) else { return nil }
        let owned = subscription.ownedPartitions.flatMap { entry in
            entry.partitions.compactMap { self.world.partition(named: entry.topic, $0) }
        }
        return ClassicAssignors.Member(
            id: joined.memberID, topics: Set(subscription.topics.compactMap { SimulatedTopics.slot(named: $0) }),
            owned: owned, generation: subscription.generationID)
    }

    private func synced(_ response: SyncGroupResponse, _ request: SyncGroupRequest) {
        guard self.phase == .syncing, request.generationID == self.epoch else { return }
        let code = ErrorCode(rawValue: response.errorCode)
        if code == .rebalanceInProgress { return self.retry(after: 0) }
        if code != .none { return self.membershipRefused(code) }
        guard let assignment = ClassicBytes.assignment(response.assignment) else {
            return self.world.fail("\(self.name) was sent an assignment that no leader made")
        }
        self.phase = .stable
        let assigned = assignment.compactMap { self.world.partition(named: $0.topic, $0.index) }
        if self.epoch > self.ownedGeneration + 1 { self.forgetPositions() }
        self.ownedGeneration = self.epoch
        let givesUp = self.ownedPartitions.contains { !assigned.contains($0) }
        if givesUp { self.commit() }
        self.setOwned(assigned)
        if self.isCooperative, givesUp { self.wantsToJoin = true }
        if self.wantsToJoin { self.wake(at: self.world.now + self.world.random(0...200)) }
        self.fetchPositions()
    }

    /// Joins again, with what it has.
    private func retry(after milliseconds: Int64) {
        self.phase = .away
        self.retryAt = self.world.now + milliseconds
        self.wake(at: self.retryAt)
    }

    /// The membership is gone, and with it what was owned.
    private func forget(keepingID: Bool) {
        self.setOwned([])
        self.epoch = -1
        self.isLeader = false
        if !keepingID { self.memberID = "" }
        self.retry(after: self.world.random(0...100))
    }

    private func membershipRefused(_ code: ErrorCode) {
        self.world.trace { "\(self.name) (\(self.memberID)) hears \(code)" }
        switch code {
        case .unknownMemberID: self.forget(keepingID: false)
        case .illegalGeneration: self.forget(keepingID: true)
        case .fencedInstanceID, .groupMaxSizeReached, .inconsistentGroupProtocol: self.die()
        case .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator, .requestTimedOut:
            self.phase == .stable ? () : self.retry(after: self.world.random(50...500))
        default: self.world.fail("\(self.name) did nothing wrong and hears \(code)")
        }
    }

    // MARK: In between

    private func heartbeat() {
        var request = HeartbeatRequest()
        request.groupID = self.world.groupIDs[self.group]
        request.generationID = self.epoch
        request.memberID = self.memberID
        request.groupInstanceID = self.instanceID
        self.send(.heartbeat(request))
    }

    private func isCurrent(_ memberID: String, _ generation: Int32) -> Bool {
        self.phase == .stable && memberID == self.memberID && generation == self.epoch
    }

    override func received(_ answer: GroupAnswer, to request: SimulatedRequest) {
        switch (answer, request) {
        case (.join(let response), .join): self.joined(response)
        case (.sync(let response), .sync(let sync)): self.synced(response, sync)
        case (.heartbeat(let response), .heartbeat(let heartbeat)):
            guard self.isCurrent(heartbeat.memberID, heartbeat.generationID) else { return }
            switch ErrorCode(rawValue: response.errorCode) {
            case .none: break
            case .rebalanceInProgress:
                self.wantsToJoin = true
                self.wake(at: max(self.busyUntil, self.world.now + self.world.random(0...300)))
            case let code: self.membershipRefused(code)
            }
        case (.leave, .leave): break
        default: self.world.fail("\(self.name) asked \(request.name) and was answered something else")
        }
    }

    override func refused(_ code: ErrorCode, _ request: SimulatedRequest) {
        if case .commit(let attempt) = request, !self.isCurrent(attempt.memberID, attempt.epoch) { return }
        if case .fetch = request { return }
        switch code {
        case .rebalanceInProgress: self.wantsToJoin = true
        case .unknownTopicOrPartition, .unknownTopicID, .groupIDNotFound: break
        case .staleMemberEpoch: self.wantsToJoin = true
        default: self.membershipRefused(code)
        }
    }

    override func failed(_ request: SimulatedRequest) {
        switch request {
        case .join, .sync: self.retry(after: self.world.random(50...500))
        default: break
        }
    }
}
