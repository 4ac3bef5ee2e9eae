// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// JoinGroup: who comes in, and who starts a rebalance by it.
extension ClassicGroup {
    mutating func join(_ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        guard self.hasRoom(for: request, step.settings) else {
            // A member that has not joined this rebalance yet comes too late for a place in it.
            self.remove(request.memberID, &step)
            step.effects.answer(call.token, .join(Self.refusal(.groupMaxSizeReached, "", call.apiVersion)))
            return self.completeJoinIfAllJoined(&step)
        }
        guard self.canSpeak(request.protocolType, request.protocols.map(\.name)) else {
            let refusal = Self.refusal(.inconsistentGroupProtocol, request.memberID, call.apiVersion)
            return step.effects.answer(call.token, .join(refusal))
        }
        if request.memberID.isEmpty {
            self.joinNew(request, call, &step)
        } else if self.pending[request.memberID] != nil, request.groupInstanceID == nil {
            self.add(request.memberID, request, call, &step)
        } else {
            self.rejoin(request, call, &step)
        }
    }

    /// Members count against `group.max.size`; ids that were given out do not. During a rebalance those count who have
    /// joined it: the size may have been lowered, and then the last ones to come are left out.
    private func hasRoom(for request: JoinGroupRequest, _ settings: GroupSettings) -> Bool {
        let id = request.groupInstanceID.flatMap { self.staticIDs[$0] } ?? request.memberID
        switch self.state {
        case .empty, .dead: return true
        case .preparingRebalance: return self.joins[id] != nil || self.joins.count < Int(settings.maxSize)
        case .completingRebalance, .stable:
            return self.members[id] != nil || self.members.count < Int(settings.maxSize)
        }
    }

    /// An empty group speaks whatever its first member speaks; later ones must share a protocol with all others.
    private func canSpeak(_ type: String, _ names: [String]) -> Bool {
        if self.members.isEmpty { return !type.isEmpty && !names.isEmpty }
        return type == self.protocolType && names.contains { self.supporters[$0] == self.members.count }
    }

    // MARK: Newcomers

    private mutating func joinNew(_ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        let name = request.groupInstanceID ?? call.clientID
        let id =
            "\(String(String.UnicodeScalarView(name.unicodeScalars.prefix(Self.memberIDPrefixMax))))-\(call.freshID)"
        if let instanceID = request.groupInstanceID {
            if let old = self.staticIDs[instanceID] {
                self.replaceStatic(old, by: id, request, call, &step)
            } else {
                self.add(id, request, call, &step)
            }
        } else if ClassicVersion.joinNeedsKnownID(call.apiVersion) {
            self.giveID(id, request, call, &step)
        } else {
            self.add(id, request, call, &step)
        }
    }

    /// An id that nobody has been given, and that tells people whose it is.
    static func newMemberID(_ request: JoinGroupRequest, _ call: GroupCall) -> String {
        let name = request.groupInstanceID ?? call.clientID
        return "\(String(String.UnicodeScalarView(name.unicodeScalars.prefix(Self.memberIDPrefixMax))))-\(call.freshID)"
    }

    /// KIP-394: a client that never gets its answer must not leave a member behind, so it is given its id first.
    private mutating func giveID(_ id: String, _ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        guard self.pending.count < Self.pendingMax else {
            let refusal = Self.refusal(.coordinatorNotAvailable, "", call.apiVersion)
            return step.effects.answer(call.token, .join(refusal), waitsForWrites: false)
        }
        let end = Self.deadline(step.now, request.sessionTimeoutMs)
        self.pending[id] = end
        self.wakeAt = min(self.wakeAt, end)
        let answer = Self.refusal(.memberIDRequired, id, call.apiVersion)
        step.effects.answer(call.token, .join(answer), waitsForWrites: false)
    }

    private mutating func add(_ id: String, _ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        var member = ClassicMember(id: id, request: request, call: call)
        member.isNew = true
        if self.members.isEmpty { self.protocolType = request.protocolType }
        if self.leader == nil { self.leader = id }
        self.initialDelay?.grew = true
        self.pending[id] = nil
        self.insert(member)
        self.park(id, request, call, &step)
        // It cannot send heartbeats while its request waits. A client that has gone and tries again would leave a
        // member behind with each try, so those that never were in a generation are given up after a while.
        self.endSession(of: id, at: Self.deadline(step.now, step.settings.newMemberJoinTimeoutMs))
        let who = member.instanceID.map { "\(id) (instance \($0))" } ?? id
        self.rebalanceOrGoOn("\(who) joined", request.reason, &step)
    }

    // MARK: Members

    private mutating func rejoin(_ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        let id = request.memberID
        if let error = self.refusal(of: id, instanceID: request.groupInstanceID) {
            return step.effects.answer(call.token, .join(Self.refusal(error, id, call.apiVersion)))
        }
        let isUnchanged = self.members[id]?.speaks(exactly: request.protocols) ?? false
        switch self.state {
        case .empty, .dead:
            step.effects.answer(call.token, .join(Self.refusal(.unknownMemberID, id, call.apiVersion)))
        case .completingRebalance where isUnchanged:
            // Its answer was lost on the way: it is told again.
            let answer = self.generationAnswer(to: id, call.apiVersion)
            step.effects.answer(call.token, .join(answer))
        case .stable where isUnchanged && self.leader != id:
            let answer = self.generationAnswer(to: id, call.apiVersion)
            step.effects.answer(call.token, .join(answer))
        case .stable where isUnchanged:
            // So a leader says that something else has changed, such as the partitions of a topic.
            self.update(id, request, call, &step)
            self.rebalanceOrGoOn("the leader \(id) joined again", request.reason, &step)
        case .preparingRebalance, .completingRebalance, .stable:
            self.update(id, request, call, &step)
            self.rebalanceOrGoOn("\(id) joined with other protocols", request.reason, &step)
        }
    }

    private mutating func update(
        _ id: String, _ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step
    ) {
        guard var member = self.members[id] else { return }
        member.rebalanceTimeoutMs = ClassicVersion.rebalanceTimeoutMs(of: request, call)
        member.sessionTimeoutMs = request.sessionTimeoutMs
        if !member.speaks(exactly: request.protocols) { member.protocols = ClassicProtocol.list(request.protocols) }
        self.insert(member)
        self.park(id, request, call, &step)
    }

    /// The request waits for the end of the rebalance. One that the member sent before will not be looked at any more.
    mutating func park(_ id: String, _ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        let parked = ParkedJoin(
            token: call.token, version: call.apiVersion, knowsItsID: !request.memberID.isEmpty)
        if let overtaken = self.joins.updateValue(parked, forKey: id) {
            let answer = Self.refusal(.rebalanceInProgress, id, overtaken.version)
            step.effects.answer(overtaken.token, .join(answer), waitsForWrites: false)
        }
    }

    // MARK: Answers

    static func refusal(_ error: ErrorCode, _ memberID: String, _ version: Int16) -> JoinGroupResponse {
        var response = JoinGroupResponse()
        response.errorCode = error.rawValue
        response.memberID = memberID
        response.protocolName = ClassicVersion.noProtocolName(version)
        return response
    }

    /// What a member is told of this generation; the leader hears of everybody.
    func generationAnswer(to id: String, _ version: Int16) -> JoinGroupResponse {
        var response = JoinGroupResponse()
        response.memberID = id
        response.generationID = self.generation
        response.protocolType = self.protocolType
        response.protocolName = self.protocolName ?? ClassicVersion.noProtocolName(version)
        response.leader = self.leader ?? ""
        if self.leader == id { response.members = self.membersForLeader() }
        return response
    }

    private func membersForLeader() -> [JoinGroupResponse.JoinGroupResponseMember] {
        self.members.values.sorted { $0.id < $1.id }.map { member in
            var listed = JoinGroupResponse.JoinGroupResponseMember()
            listed.memberID = member.id
            listed.groupInstanceID = member.instanceID
            listed.metadata = member.metadata(of: self.protocolName)
            return listed
        }
    }
}
