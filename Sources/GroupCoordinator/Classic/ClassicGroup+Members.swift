// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// Members come, are replaced and go, and the indexes with them.
extension ClassicGroup {
    /// Puts a member in, or in the place of the one with the same id.
    mutating func insert(_ member: ClassicMember) {
        let old = self.members.updateValue(member, forKey: member.id)
        for spoken in old?.protocols ?? [] { self.lose(supporterOf: spoken.name) }
        for spoken in member.protocols { self.supporters[spoken.name, default: 0] += 1 }
        if let instanceID = member.instanceID { self.staticIDs[instanceID] = member.id }
    }

    /// Takes a member or a pending id out. What the member waits for is answered with UNKNOWN_MEMBER_ID: if its client is
    /// still there, it joins as somebody new.
    mutating func remove(_ id: String, _ step: inout Step) {
        self.pending[id] = nil
        guard let member = self.members.removeValue(forKey: id) else { return }
        for spoken in member.protocols { self.lose(supporterOf: spoken.name) }
        if let instanceID = member.instanceID, self.staticIDs[instanceID] == id { self.staticIDs[instanceID] = nil }
        if self.leader == id { self.leader = nil }
        self.answerParked(of: id, .unknownMemberID, joinsAs: "", &step)
    }

    private mutating func lose(supporterOf name: String) {
        guard let count = self.supporters[name] else { return }
        self.supporters[name] = count > 1 ? count - 1 : nil
    }

    private mutating func answerParked(
        of id: String, _ error: ErrorCode, joinsAs memberID: String, _ step: inout Step
    ) {
        if let join = self.joins.removeValue(forKey: id) {
            step.effects.answer(join.token, .join(Self.refusal(error, memberID, join.version)))
        }
        if let token = self.syncs.removeValue(forKey: id) {
            step.effects.answer(token, .sync(Self.refusalOfSync(error)))
        }
    }

    // MARK: Static members

    /// KIP-345: a static member that was started anew takes the place of its former self, assignment and all; whoever
    /// still goes under the old id is fenced. In a Stable group nobody else notices, as long as what the group speaks
    /// and what the member reads stay the same.
    mutating func replaceStatic(
        _ oldID: String, by id: String, _ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step
    ) {
        guard let old = self.members.removeValue(forKey: oldID) else { return }
        for spoken in old.protocols { self.lose(supporterOf: spoken.name) }
        self.answerParked(of: oldID, .fencedInstanceID, joinsAs: oldID, &step)
        var member = ClassicMember(id: id, request: request, call: call)
        member.assignment = old.assignment
        member.owesSync = old.owesSync
        self.insert(member)
        self.renewSession(id, step.now)
        let formerLeader = self.leader
        if self.leader == oldID { self.leader = id }

        if self.state == .stable, self.selectProtocol() == self.protocolName, self.readsTheSame(old, member) {
            self.writeGroup(&step)
            let answer = self.answerToReplaced(id, formerLeader, call.apiVersion)
            return step.effects.answer(call.token, .join(answer))
        }
        self.park(id, request, call, &step)
        self.rebalanceOrGoOn("\(id) took the place of \(oldID)", request.reason, &step)
    }

    /// Whether two selves of a static member subscribed to the same topics. The rest of a subscription, such as the
    /// partitions that a member owned, differs after every start and is no reason to rebalance.
    private func readsTheSame(_ old: ClassicMember, _ new: ClassicMember) -> Bool {
        guard self.usesConsumerProtocol else { return true }
        let before = ConsumerProtocol.topics(of: old.metadata(of: self.protocolName))
        return before == ConsumerProtocol.topics(of: new.metadata(of: self.protocolName))
    }

    /// A leader must not share out anew: clients that know of KIP-814 are told so, older ones are told that the leader is
    /// who it was before, which they are not.
    private func answerToReplaced(_ id: String, _ formerLeader: String?, _ version: Int16) -> JoinGroupResponse {
        var answer = self.generationAnswer(to: id, version)
        if ClassicVersion.joinCanSkipAssignment(version) {
            answer.skipAssignment = self.leader == id
        } else {
            answer.leader = formerLeader ?? ""
            answer.members = []
        }
        return answer
    }

    // MARK: Heartbeats

    mutating func heartbeat(_ request: HeartbeatRequest, _ step: Step) -> ErrorCode {
        if let error = self.refusal(of: request.memberID, instanceID: request.groupInstanceID) { return error }
        if !self.isRight(request.generationID, for: request.memberID) { return .illegalGeneration }
        self.renewSession(request.memberID, step.now)
        return self.state == .preparingRebalance ? .rebalanceInProgress : .none
    }

    // MARK: Leaving

    mutating func leave(_ request: LeaveGroupRequest, _ call: GroupCall, _ step: inout Step) {
        let leaving = Self.leaving(request, call)
        var answers: [LeaveGroupResponse.MemberResponse] = []
        var left: [String] = []
        for identity in leaving {
            switch self.memberToLeave(identity) {
            case .success(let id):
                if self.members[id] != nil { left.append(identity.reason.map { "\(id): \($0)" } ?? id) }
                self.remove(id, &step)
                answers.append(Self.answer(to: identity, .none))
            case .failure(let refusal): answers.append(Self.answer(to: identity, refusal.error))
            }
        }
        step.effects.answer(call.token, .leave(Self.response(answers, call)))
        if left.isEmpty {
            self.completeJoinIfAllJoined(&step)
        } else {
            self.rebalanceOrGoOn("left: \(left.joined(separator: ", "))", nil, &step)
        }
    }

    private struct Refusal: Error { let error: ErrorCode }

    /// The member or pending id that is meant. An administrator names an instance and no member id.
    private func memberToLeave(_ identity: LeaveGroupRequest.MemberIdentity) -> Result<String, Refusal> {
        if identity.memberID.isEmpty {
            guard let id = identity.groupInstanceID.flatMap({ self.staticIDs[$0] }) else {
                return .failure(Refusal(error: .unknownMemberID))
            }
            return .success(id)
        }
        if self.pending[identity.memberID] != nil { return .success(identity.memberID) }
        if let error = self.refusal(of: identity.memberID, instanceID: identity.groupInstanceID) {
            return .failure(Refusal(error: error))
        }
        return .success(identity.memberID)
    }

    /// Who wants to leave, in any version.
    static func leaving(_ request: LeaveGroupRequest, _ call: GroupCall) -> [LeaveGroupRequest.MemberIdentity] {
        if ClassicVersion.leaveIsBatch(call.apiVersion) { return request.members }
        var single = LeaveGroupRequest.MemberIdentity()
        single.memberID = request.memberID
        return [single]
    }

    static func answer(
        to identity: LeaveGroupRequest.MemberIdentity, _ error: ErrorCode
    ) -> LeaveGroupResponse.MemberResponse {
        var answer = LeaveGroupResponse.MemberResponse()
        answer.memberID = identity.memberID
        answer.groupInstanceID = identity.groupInstanceID
        answer.errorCode = error.rawValue
        return answer
    }

    /// Before batches the only member's error is that of the request.
    static func response(_ answers: [LeaveGroupResponse.MemberResponse], _ call: GroupCall) -> LeaveGroupResponse {
        var response = LeaveGroupResponse()
        if ClassicVersion.leaveIsBatch(call.apiVersion) {
            response.members = answers
        } else {
            response.errorCode = answers.first?.errorCode ?? 0
        }
        return response
    }
}
