// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import NIOCore
import Testing

@testable import GroupCoordinator

/// Clients that do anything at any time: right requests, late ones, wrong ones, none.
@Suite struct ClassicGroupRandomTests {
    @Test("whatever clients do, the group keeps its invariants and answers everybody once", arguments: 0..<100)
    func invariants(_ seed: UInt64) throws {
        var run = RandomRun(seed: seed)
        for _ in 0..<300 {
            run.step()
            if let failure = run.failure {
                Issue.record("seed \(seed): \(failure)")
                return
            }
        }
        run.letAllTimeOut()
        #expect(run.failure == nil, "seed \(seed)")
        #expect(run.unanswered.isEmpty, "seed \(seed)")
        #expect(run.shard.classicGroups["g"]?.isEmpty ?? true, "seed \(seed)")
        #expect(run.shard.nextWakeUp == nil, "seed \(seed)")
    }
}

private struct RandomRun {
    var shard = GroupShard()
    var failure: String?
    private(set) var unanswered: Set<RequestToken> = []

    private var generator: SeededGenerator
    private var settings = GroupSettings()
    private var nowMs: Int64 = 0
    private var tokens: UInt64 = 0
    private var log: [CoordinatorRecord] = []
    /// Ids that were ever given out.
    private var ids: [String] = []
    private static let instances = ["i", "j"]
    private static let protocolLists = [["range"], ["range", "sticky"], ["sticky", "range"]]

    init(seed: UInt64) {
        self.generator = SeededGenerator(seed: seed)
        self.settings.initialRebalanceDelayMs = [0, 3_000].randomElement(using: &self.generator) ?? 0
        self.settings.maxSize = [3, 8].randomElement(using: &self.generator) ?? 8
    }

    private var environment: GroupEnvironment {
        GroupEnvironment(
            now: GroupTime(monotonicMs: self.nowMs, wallMs: self.nowMs), topics: ScenarioTopics(),
            settings: self.settings)
    }

    private var group: ClassicGroup? { self.shard.classicGroups["g"] }

    mutating func step() {
        switch Int.random(in: 0..<100, using: &self.generator) {
        case 0..<40: self.join()
        case 40..<60: self.sync()
        case 60..<75: self.heartbeat()
        case 75..<80: self.leave()
        case 80..<85: self.abandon()
        case 85..<86: self.restart()
        default: self.pass(Int64.random(in: 0..<6_000, using: &self.generator))
        }
        self.check()
    }

    mutating func letAllTimeOut() {
        for _ in 0..<2_000 where self.failure == nil {
            guard let next = self.shard.nextWakeUp else { return }
            self.pass(max(0, next - self.nowMs))
            self.check()
        }
    }

    // MARK: What clients do

    private mutating func call(_ version: Int16) -> GroupCall {
        self.tokens += 1
        let token = RequestToken(self.tokens)
        self.unanswered.insert(token)
        return GroupCall(
            token: token, apiVersion: version, clientID: "c", clientHost: "/h",
            freshID: UUID128(high: 0, low: self.tokens))
    }

    private mutating func someID() -> String { self.ids.randomElement(using: &self.generator) ?? "" }

    private mutating func generation() -> Int32 {
        let current = self.group?.generation ?? 0
        return Bool.random(using: &self.generator) ? current : current - 1
    }

    /// A member's own instance id, or now and then another's.
    private mutating func instance(of id: String) -> String? {
        Int.random(in: 0..<10, using: &self.generator) > 0 ? self.group?.members[id]?.instanceID : "i"
    }

    private mutating func join() {
        var request = JoinGroupRequest()
        request.groupID = "g"
        request.protocolType = "consumer"
        request.sessionTimeoutMs = Int32.random(in: 6_000..<20_000, using: &self.generator)
        request.rebalanceTimeoutMs = Int32.random(in: -1..<20_000, using: &self.generator)
        if Int.random(in: 0..<3, using: &self.generator) > 0 {
            request.memberID = self.someID()
            request.groupInstanceID = self.instance(of: request.memberID)
        } else if Bool.random(using: &self.generator) {
            request.groupInstanceID = Self.instances.randomElement(using: &self.generator)
        }
        for name in Self.protocolLists.randomElement(using: &self.generator) ?? [] {
            var spoken = JoinGroupRequest.JoinGroupRequestProtocol()
            spoken.name = name
            spoken.metadata = ByteBuffer(string: Bool.random(using: &self.generator) ? "x" : "y")
            request.protocols.append(spoken)
        }
        let call = self.call(Int16.random(in: 0...9, using: &self.generator))
        self.take(self.shard.joinGroup(request, call, self.environment))
    }

    private mutating func sync() {
        var request = SyncGroupRequest()
        request.groupID = "g"
        request.memberID =
            Bool.random(using: &self.generator) ? self.someID() : self.group?.leader ?? self.someID()
        request.groupInstanceID = self.instance(of: request.memberID)
        request.generationID = self.generation()
        request.assignments = (self.group?.members.keys.sorted() ?? []).map { id in
            var assignment = SyncGroupRequest.SyncGroupRequestAssignment()
            assignment.memberID = id
            assignment.assignment = ByteBuffer(string: id)
            return assignment
        }
        let call = self.call(4)
        self.take(self.shard.syncGroup(request, call, self.environment))
    }

    private mutating func heartbeat() {
        var request = HeartbeatRequest()
        request.groupID = "g"
        request.memberID = self.someID()
        request.groupInstanceID = self.instance(of: request.memberID)
        request.generationID = self.generation()
        let call = self.call(4)
        self.take(self.shard.heartbeat(request, call, self.environment))
    }

    private mutating func leave() {
        var request = LeaveGroupRequest()
        request.groupID = "g"
        for _ in 0..<Int.random(in: 1..<3, using: &self.generator) {
            var identity = LeaveGroupRequest.MemberIdentity()
            identity.memberID = Bool.random(using: &self.generator) ? self.someID() : ""
            identity.groupInstanceID = self.instance(of: identity.memberID)
            request.members.append(identity)
        }
        let call = self.call(5)
        self.take(self.shard.leaveGroup(request, call, self.environment))
    }

    private mutating func abandon() {
        guard let token = self.unanswered.sorted(by: { $0.rawValue < $1.rawValue }).first else { return }
        self.take(self.shard.abandon(token, group: "g", self.environment))
    }

    private mutating func restart() {
        self.shard = GroupShard()
        for record in self.log { self.shard.replay(record) }
        self.unanswered = []
        self.take(self.shard.finishLoading(self.environment))
    }

    private mutating func pass(_ milliseconds: Int64) {
        let end = self.nowMs + milliseconds
        while let next = self.shard.nextWakeUp, next <= end {
            self.nowMs = max(self.nowMs, next)
            self.take(self.shard.expire(self.environment))
            if let again = self.shard.nextWakeUp, again <= self.nowMs { return self.failure = "expire does not end" }
        }
        self.nowMs = end
    }

    // MARK: What must hold

    private mutating func take(_ effects: GroupEffects) {
        self.log += effects.records
        for answered in effects.answers {
            if self.unanswered.remove(answered.token) == nil { self.failure = "answered twice: \(answered)" }
            if case .join(let response) = answered.answer, !response.memberID.isEmpty,
                !self.ids.contains(response.memberID)
            {
                self.ids.append(response.memberID)
            }
        }
    }

    private mutating func check() {
        guard let group = self.group else {
            if !self.unanswered.isEmpty { self.failure = "no group, and \(self.unanswered.count) wait for it" }
            return
        }
        func require(_ holds: Bool, _ what: String) { if !holds { self.failure = "\(what): \(group)" } }
        let members = Set(group.members.keys)
        require(Set(group.joins.keys).isSubset(of: members), "a parked join of a stranger")
        require(Set(group.syncs.keys).isSubset(of: members), "a parked sync of a stranger")
        require(group.joins.isEmpty || group.state == .preparingRebalance, "a parked join outside of a rebalance")
        require(group.syncs.isEmpty || group.state == .completingRebalance, "a parked sync outside of its phase")
        require(members.isEmpty || group.state != .empty, "an empty group with members")
        require(!members.isEmpty || group.state == .empty || group.initialDelay != nil, "a group without members")
        require(members.isDisjoint(with: group.pending.keys), "a member that is pending")
        let waiting = Set(group.joins.values.map(\.token)).union(group.syncs.values)
        require(waiting == self.unanswered, "somebody waits who is not parked")

        var supporters: [String: Int] = [:]
        var instances: [String: String] = [:]
        for member in group.members.values {
            for spoken in member.protocols { supporters[spoken.name, default: 0] += 1 }
            if let instance = member.instanceID { instances[instance] = member.id }
        }
        require(supporters == group.supporters, "supporters are miscounted")
        require(instances == group.staticIDs, "static members are misplaced")
        if group.state == .stable || group.state == .completingRebalance {
            require(group.leader.map(members.contains) ?? false, "the leader is no member")
            require(group.protocolName.map { supporters[$0] == members.count } ?? false, "not all speak the protocol")
        }
        let expected = group.members.values.filter { group.joins[$0.id] == nil && group.syncs[$0.id] == nil }
        let next = expected.map(\.sessionEndsAt) + group.pending.values + [group.joinEndsAt, group.syncEndsAt]
        require(group.wakeAt <= next.min() ?? .max, "it would wake up too late")
        require(self.shard.nextWakeUp ?? .max <= group.wakeAt, "the shard would wake it up too late")
    }
}
