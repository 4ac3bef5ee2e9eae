// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

@testable import KafkaClient

/// A coordinator of one classic group, as a test needs it: it answers when all members have come, hands on what the
/// leader says, and forgets members when it is told to.
struct ClassicGroupSketch {
    enum Phase { case stable, preparing, completing }

    struct Member {
        var subscriptions: [JoinGroupRequest.JoinGroupRequestProtocol] = []
        var hasJoined = false
        var assignment: ByteBuffer?
        var isWaitingForSync = false
    }

    var phase = Phase.stable
    var generation: Int32 = 0
    var members: [String: Member] = [:]
    var leader = ""
    /// Ids that were handed out and not used yet (KIP-394).
    private var promised: Set<String> = []
    private var made = 0
    /// Answers that became due, by member id.
    var answers: [(memberID: String, MembershipAnswer)] = []

    mutating func join(_ request: JoinGroupRequest) -> MembershipAnswer? {
        var response = JoinGroupResponse()
        if request.memberID.isEmpty {
            self.made += 1
            response.memberID = "m\(self.made)"
            response.errorCode = ErrorCode.memberIDRequired.rawValue
            self.promised.insert(response.memberID)
            return .join(response)
        }
        guard self.promised.remove(request.memberID) != nil || self.members[request.memberID] != nil else {
            response.errorCode = ErrorCode.unknownMemberID.rawValue
            return .join(response)
        }
        self.prepare()
        self.members[request.memberID, default: Member()].subscriptions = request.protocols
        self.members[request.memberID]?.hasJoined = true
        self.completeIfAllJoined()
        return nil
    }

    /// Begins to share out anew; whoever waits for the last time hears of it.
    mutating func prepare() {
        guard self.phase != .preparing else { return }
        self.phase = .preparing
        for (id, member) in self.members {
            if member.isWaitingForSync { self.answers.append((id, Self.sync(.rebalanceInProgress))) }
            self.members[id]?.isWaitingForSync = false
            self.members[id]?.hasJoined = false
        }
    }

    mutating func completeIfAllJoined() {
        guard self.phase == .preparing, self.members.values.allSatisfy(\.hasJoined), !self.members.isEmpty else {
            return
        }
        self.phase = .completing
        self.generation += 1
        if self.members[self.leader] == nil { self.leader = self.members.keys.min() ?? "" }
        for (id, member) in self.members {
            self.members[id]?.assignment = nil
            var response = JoinGroupResponse()
            response.generationID = self.generation
            response.protocolType = "consumer"
            response.protocolName = member.subscriptions.first?.name
            response.leader = self.leader
            response.memberID = id
            if id == self.leader {
                response.members = self.members.map { id, member in
                    var entry = JoinGroupResponse.JoinGroupResponseMember()
                    entry.memberID = id
                    entry.metadata = member.subscriptions.first?.metadata ?? ByteBuffer()
                    return entry
                }
            }
            self.answers.append((id, .join(response)))
        }
    }

    private static func sync(_ errorCode: ErrorCode, _ assignment: ByteBuffer = ByteBuffer()) -> MembershipAnswer {
        var response = SyncGroupResponse()
        response.errorCode = errorCode.rawValue
        response.assignment = assignment
        return .sync(response)
    }

    mutating func sync(_ request: SyncGroupRequest) -> MembershipAnswer? {
        guard let member = self.members[request.memberID] else { return Self.sync(.unknownMemberID) }
        guard request.generationID == self.generation else { return Self.sync(.illegalGeneration) }
        switch self.phase {
        case .preparing:
            return Self.sync(.rebalanceInProgress)
        case .stable:
            return Self.sync(.none, member.assignment ?? ByteBuffer())
        case .completing:
            self.members[request.memberID]?.isWaitingForSync = true
            guard request.memberID == self.leader else { return nil }
            for share in request.assignments { self.members[share.memberID]?.assignment = share.assignment }
            self.phase = .stable
            for (id, member) in self.members where member.isWaitingForSync {
                self.members[id]?.isWaitingForSync = false
                self.answers.append((id, Self.sync(.none, member.assignment ?? ByteBuffer())))
            }
            return nil
        }
    }

    func heartbeat(_ request: HeartbeatRequest) -> MembershipAnswer {
        var response = HeartbeatResponse()
        var errorCode = ErrorCode.none
        if self.members[request.memberID] == nil {
            errorCode = .unknownMemberID
        } else if request.generationID != self.generation {
            errorCode = .illegalGeneration
        } else if self.phase == .preparing {
            errorCode = .rebalanceInProgress
        }
        response.errorCode = errorCode.rawValue
        return .heartbeat(response)
    }

    /// A member left, or was not heard of for too long.
    mutating func remove(_ memberID: String) {
        guard let member = self.members.removeValue(forKey: memberID) else { return }
        if member.isWaitingForSync { self.answers.append((memberID, Self.sync(.unknownMemberID))) }
        if member.hasJoined, self.phase == .preparing {
            var response = JoinGroupResponse()
            response.errorCode = ErrorCode.unknownMemberID.rawValue
            self.answers.append((memberID, .join(response)))
        }
        self.prepare()
        self.completeIfAllJoined()
    }
}

/// A whole group in one thread: members, their drivers, the coordinator, and what can go wrong between them.
struct ClassicGroupSimulation {
    struct Member {
        var membership: ClassicMembership
        /// What it reads: the driver's idea.
        var reading: Set<TopicPartition> = []
        var pending: MembershipReconciliation?
        var isWaiting = false
        var answer: MembershipAnswer?
        var isGone = false
    }

    var random: TestRandom
    var partitionCounts: [String: Int]
    var group = ClassicGroupSketch()
    var members: [Member] = []
    var nowMs: Int64 = 0
    /// In percent, how often a request or an answer is lost, a member is taken for dead, or a topic grows.
    var faults = 0
    let assignors: [any ClassicAssignor]

    init(seed: UInt64, assignors: [any ClassicAssignor]) {
        self.random = TestRandom(seed: seed)
        self.assignors = assignors
        self.partitionCounts = [:]
        for topic in 0...self.random.upTo(2) { self.partitionCounts["t\(topic)"] = 1 + self.random.upTo(5) }
    }

    mutating func addMember() {
        var configuration = ClassicMembership.Configuration(
            groupID: "g", topics: .names(Set(self.partitionCounts.keys)), assignors: self.assignors)
        configuration.topicsInterval = .seconds(10)
        self.members.append(Member(membership: ClassicMembership(configuration, retry: RetryPolicy())))
    }

    /// Lets one thing happen.
    mutating func tick() {
        self.nowMs += Int64(self.random.upTo(400))
        if self.faults > 0, self.random.upTo(99) < self.faults { self.fault() }
        guard !self.members.isEmpty else { return }
        let number = self.random.upTo(self.members.count - 1)
        if self.members[number].isGone { return }
        if self.members[number].pending != nil, self.random.upTo(1) == 0 { return self.release(number) }
        if let answer = self.members[number].answer { return self.deliver(answer, to: number) }
        if !self.members[number].isWaiting { self.step(number) }
    }

    private mutating func fault() {
        switch self.random.upTo(4) {
        case 0:
            // The session of a member ends, or the time it has to join again.
            if let id = self.group.members.keys.sorted().randomElement(using: &self.random) { self.forget(id) }
        case 1:
            let topic = self.partitionCounts.keys.sorted().randomElement(using: &self.random) ?? ""
            if self.random.upTo(9) == 0 { self.partitionCounts[topic, default: 0] += 1 }
        case 2:
            // A connection breaks: the answer, should there be one, is not heard.
            let waiting = self.members.indices.filter { self.members[$0].isWaiting && !self.members[$0].isGone }
            guard let number = waiting.randomElement(using: &self.random) else { return }
            self.members[number].isWaiting = false
            self.members[number].answer = nil
            let error = KafkaClientError(.connectionClosed, "lost")
            let now = self.nowMs
            self.react(self.members[number].membership.failed(error, nowMs: now, using: &self.random), number)
        case 3 where self.loads.count > 1:
            let here = self.members.indices.filter { !self.members[$0].isGone }
            guard let number = here.randomElement(using: &self.random) else { return }
            // It leaves in good order: it reads no more when the group hears of it.
            self.members[number].reading = []
            self.members[number].pending = nil
            self.members[number].isWaiting = false
            self.members[number].answer = nil
            self.members[number].membership.leave()
        default:
            if self.loads.count < 6 { self.addMember() }
        }
    }

    mutating func forget(_ id: String) {
        self.group.remove(id)
        self.pass()
    }

    private mutating func step(_ number: Int) {
        let now = self.nowMs
        switch self.members[number].membership.step(nowMs: now) {
        case .wait:
            break
        case .ended:
            self.members[number].isGone = true
        case .send(let request, _):
            self.members[number].isWaiting = true
            self.members[number].answer = self.carryOut(request)
            self.pass()
        }
    }

    private mutating func carryOut(_ request: MembershipRequest) -> MembershipAnswer? {
        switch request {
        case .join(let request): return self.group.join(request)
        case .sync(let request): return self.group.sync(request)
        case .heartbeat(let request): return self.group.heartbeat(request)
        case .leave(let leave):
            self.group.remove(leave.memberID)
            return .left
        case .lead(let leadership): return .lead(leadership.shareOut(self.partitionCounts))
        case .topics: return .topics(self.partitionCounts)
        case .consumerHeartbeat: return nil
        }
    }

    /// Hands answers that became due to those who wait for them.
    private mutating func pass() {
        for (id, answer) in self.group.answers {
            let waiting = self.members.firstIndex { $0.membership.memberID == id && $0.isWaiting && $0.answer == nil }
            if let waiting { self.members[waiting].answer = answer }
        }
        self.group.answers = []
    }

    private mutating func deliver(_ answer: MembershipAnswer, to number: Int) {
        self.members[number].answer = nil
        self.members[number].isWaiting = false
        let now = self.nowMs
        self.react(self.members[number].membership.answered(answer, nowMs: now, using: &self.random), number)
    }

    private mutating func release(_ number: Int) {
        guard let pending = self.members[number].pending else { return }
        self.members[number].pending = nil
        self.members[number].reading.subtract(pending.revoked.compactMap(\.named))
        self.members[number].reading.formUnion(pending.added.compactMap(\.named))
        let now = self.nowMs
        self.react(self.members[number].membership.released(pending.number, nowMs: now), number)
    }

    private mutating func react(_ reaction: MembershipReaction, _ number: Int) {
        switch reaction {
        case .none, .retry: break
        case .reconcile(let reconciliation): self.members[number].pending = reconciliation
        case .lose:
            self.members[number].reading = []
            self.members[number].pending = nil
        case .fail(let error): preconditionFailure("\(self.random): \(error)")
        }
    }

    /// A partition that two members read of whom the group knows; nil when all is well.
    var conflict: String? {
        var readers: [TopicPartition: String] = [:]
        for member in self.members where self.group.members[member.membership.memberID] != nil {
            for partition in member.reading {
                if let other = readers[partition] { return "\(partition): \(other), \(member.membership.memberID)" }
                readers[partition] = member.membership.memberID
            }
        }
        return nil
    }

    /// How many partitions each member reads that has not gone.
    var loads: [Int] { self.members.filter { !$0.isGone }.map(\.reading.count) }
}
