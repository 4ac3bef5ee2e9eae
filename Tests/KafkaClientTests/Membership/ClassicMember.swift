// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

/// A classic membership and the time; it takes a step only when told so.
final class ClassicMember {
    var membership: ClassicMembership
    var nowMs: Int64 = 1000
    var generator = SystemRandomNumberGenerator()

    init(
        _ assignors: [any ClassicAssignor] = [CooperativeStickyAssignor()],
        _ change: (inout ClassicMembership.Configuration) -> Void = { _ in }
    ) {
        var configuration = ClassicMembership.Configuration(
            groupID: "g", topics: .names(["orders"]), assignors: assignors)
        change(&configuration)
        var retry = RetryPolicy()
        retry.jitter = 0
        self.membership = ClassicMembership(configuration, retry: retry)
    }

    var step: MembershipStep { self.membership.step(nowMs: self.nowMs) }

    var dueJoin: JoinGroupRequest? { if case .send(.join(let request), _) = self.step { request } else { nil } }
    var dueSync: SyncGroupRequest? { if case .send(.sync(let request), _) = self.step { request } else { nil } }
    var dueHeartbeat: HeartbeatRequest? {
        if case .send(.heartbeat(let request), _) = self.step { request } else { nil }
    }
    var dueLead: ClassicLeadership? { if case .send(.lead(let request), _) = self.step { request } else { nil } }
    var dueTopics: TopicQuestion? { if case .send(.topics(let request), _) = self.step { request } else { nil } }
    var dueLeave: ClassicLeave? { if case .send(.leave(let request), _) = self.step { request } else { nil } }
    var wait: Int64? { if case .wait(let until) = self.step { until - self.nowMs } else { nil } }
    var hasEnded: Bool { if case .ended = self.step { true } else { false } }

    func answer(_ answer: MembershipAnswer) -> MembershipReaction {
        self.membership.answered(answer, nowMs: self.nowMs, using: &self.generator)
    }

    func fail(_ code: KafkaClientError.Code) -> MembershipReaction {
        self.membership.failed(KafkaClientError(code, "failed"), nowMs: self.nowMs, using: &self.generator)
    }

    func answerJoin(
        _ errorCode: ErrorCode = .none, memberID: String = "me", leader: String = "other", generation: Int32 = 1,
        assignor: String? = nil, members: [JoinGroupResponse.JoinGroupResponseMember] = []
    ) -> MembershipReaction {
        var response = JoinGroupResponse()
        response.errorCode = errorCode.rawValue
        response.memberID = memberID
        response.leader = leader
        response.generationID = generation
        response.protocolType = "consumer"
        response.protocolName = assignor ?? self.membership.configuration.assignors.first?.name
        response.members = members
        return self.answer(.join(response))
    }

    func answerSync(_ errorCode: ErrorCode = .none, _ indexes: [Int32] = []) throws -> MembershipReaction {
        var response = SyncGroupResponse()
        response.errorCode = errorCode.rawValue
        response.assignment = try ConsumerProtocol.assignment(Array(Self.partitions(indexes)), version: 3)
        return self.answer(.sync(response))
    }

    func answerHeartbeat(_ errorCode: ErrorCode = .none) -> MembershipReaction {
        var response = HeartbeatResponse()
        response.errorCode = errorCode.rawValue
        return self.answer(.heartbeat(response))
    }

    /// Joins as a follower and takes what it is given.
    func join(_ indexes: [Int32], generation: Int32 = 1) throws {
        _ = try #require(self.dueJoin)
        _ = self.answerJoin(generation: generation)
        _ = try #require(self.dueSync)
        let reaction = try self.answerSync(.none, indexes)
        guard let reconciliation = reaction.asksFor else { return }
        _ = self.membership.released(reconciliation.number, nowMs: self.nowMs)
    }

    /// Lets the next heartbeat become due and gives it that answer.
    func beat(_ errorCode: ErrorCode = .none) throws -> MembershipReaction {
        self.nowMs += 3000
        _ = try #require(self.dueHeartbeat)
        return self.answerHeartbeat(errorCode)
    }

    static func partitions(_ indexes: [Int32]) -> Set<TopicPartition> {
        Set(indexes.map { TopicPartition(topic: "orders", partition: PartitionIndex($0)) })
    }

    /// As the leader is told of a member.
    static func other(_ id: String, _ topics: [String]) throws -> JoinGroupResponse.JoinGroupResponseMember {
        var member = JoinGroupResponse.JoinGroupResponseMember()
        member.memberID = id
        member.metadata = try ConsumerProtocol.subscription(
            topics: topics, owned: [], generation: -1, rackID: nil, userData: nil)
        return member
    }
}

extension MembershipReaction {
    var asksFor: MembershipReconciliation? {
        if case .reconcile(let reconciliation) = self { reconciliation } else { nil }
    }
    var isNothing: Bool { if case .none = self { true } else { false } }
    var lost: KafkaClientError? { if case .lose(let error) = self { error } else { nil } }
    var retried: KafkaClientError? { if case .retry(let error) = self { error } else { nil } }
    var ending: KafkaClientError? { if case .fail(let error) = self { error } else { nil } }
}

extension MembershipReconciliation {
    func has(revoked: [Int32], added: [Int32]) -> Bool {
        self.revoked == Set(ClassicMember.partitions(revoked).map { GroupPartition($0) })
            && self.added == Set(ClassicMember.partitions(added).map { GroupPartition($0) })
    }
}
