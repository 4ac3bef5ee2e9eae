// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// From one generation to the next.
extension ClassicGroup {
    /// After somebody came, changed or went: starts a rebalance, or goes on with the one under way.
    mutating func rebalanceOrGoOn(_ what: String, _ clientReason: String?, _ step: inout Step) {
        if self.state == .preparingRebalance { return self.completeJoinIfAllJoined(&step) }
        let reason = clientReason.map { "\(what): \($0)" } ?? what
        self.prepareRebalance(reason, &step)
    }

    mutating func prepareRebalance(_ reason: String, _ step: inout Step) {
        self.rebalanceReason = String(String.UnicodeScalarView(reason.unicodeScalars.prefix(Self.reasonMax)))
        step.effects.note(
            self.id, "a rebalance begins", isRebalance: true,
            ["generation": "\(self.generation)", "members": "\(self.members.count)", "reason": self.rebalanceReason])
        self.refuseSyncs(.rebalanceInProgress, &step)
        self.syncEndsAt = .max
        let isInitial = self.state == .empty
        self.transition(to: .preparingRebalance, step.now)
        let delayMs = Int64(step.settings.initialRebalanceDelayMs)
        if isInitial, delayMs > 0 {
            let leftMs = max(0, Int64(self.rebalanceTimeoutMs) - delayMs)
            self.initialDelay = InitialDelay(delayMs: delayMs, leftMs: leftMs)
            self.endJoin(at: step.now.monotonicMs + delayMs)
        } else if isInitial || self.allJoined {
            self.completeJoin(&step)
        } else {
            self.endJoin(at: Self.deadline(step.now, self.rebalanceTimeoutMs))
        }
    }

    private mutating func endJoin(at time: Int64) {
        self.joinEndsAt = time
        self.wakeAt = min(self.wakeAt, time)
    }

    /// The longest that a member wants the others to wait for it.
    private var rebalanceTimeoutMs: Int32 { self.members.values.reduce(0) { max($0, $1.rebalanceTimeoutMs) } }

    /// Whether there is anybody left to wait for. Ids that were given out are waited for on behalf of members only.
    private var allJoined: Bool {
        self.joins.count == self.members.count && (self.pending.isEmpty || self.members.isEmpty)
    }

    /// The first rebalance of an empty group waits for its time, whoever has joined.
    mutating func completeJoinIfAllJoined(_ step: inout Step) {
        if self.state == .preparingRebalance, self.initialDelay == nil, self.allJoined { self.completeJoin(&step) }
    }

    // MARK: The end of the join phase

    /// The time for joining is up.
    mutating func joinTimeEnded(_ step: inout Step) {
        guard var delay = self.initialDelay, delay.grew, delay.leftMs > 0 else { return self.completeJoin(&step) }
        // Members are still coming in: a little longer, but not longer than they would wait themselves.
        let nextMs = min(Int64(step.settings.initialRebalanceDelayMs), delay.leftMs)
        delay = InitialDelay(delayMs: nextMs, leftMs: max(0, delay.leftMs - delay.delayMs))
        self.initialDelay = delay
        self.endJoin(at: step.now.monotonicMs + max(1, nextMs))
    }

    /// Begins a generation with those who have joined. Static members stay without having joined: they may be on their
    /// way back, until their session ends.
    mutating func completeJoin(_ step: inout Step) {
        self.joinEndsAt = .max
        self.initialDelay = nil
        for (id, member) in self.members where member.instanceID == nil && self.joins[id] == nil {
            self.remove(id, &step)
        }
        if self.members.isEmpty { return self.becomeEmpty(&step) }
        if self.leader.map({ self.joins[$0] == nil }) ?? true {
            guard let leader = self.joins.keys.min() else {
                // Only static members are left, and none has come: they get another chance.
                return self.endJoin(at: Self.deadline(step.now, self.rebalanceTimeoutMs))
            }
            self.leader = leader
        }
        self.beginGeneration()
        self.protocolName = self.selectProtocol()
        self.transition(to: .completingRebalance, step.now)
        let joins = self.joins
        self.joins = [:]
        for id in self.members.keys.sorted() {
            self.members[id]?.isNew = false
            self.members[id]?.epochBefore = nil
            self.members[id]?.owesSync = true
            self.renewSession(id, step.now)
            if let join = joins[id] {
                step.effects.answer(join.token, .join(self.generationAnswer(to: id, join.version)))
            }
        }
        self.syncEndsAt = Self.deadline(step.now, self.rebalanceTimeoutMs)
        self.wakeAt = min(self.wakeAt, self.syncEndsAt)
    }

    private mutating func becomeEmpty(_ step: inout Step) {
        self.beginGeneration()
        self.protocolName = nil
        self.leader = nil
        self.transition(to: .empty, step.now)
        self.writeGroup(&step)
        step.effects.note(self.id, "the group is empty", ["generation": "\(self.generation)"])
    }

    private mutating func beginGeneration() {
        self.generation = self.generation < .max ? self.generation + 1 : 1
    }

    /// What the next generation speaks: each member votes for the first of its protocols that all can speak; of those
    /// with equally many votes the one that the leader likes best. Nil only when there is none.
    func selectProtocol() -> String? {
        var votes: [String: Int] = [:]
        for member in self.members.values {
            if let vote = member.protocols.first(where: { self.supporters[$0.name] == self.members.count }) {
                votes[vote.name, default: 0] += 1
            }
        }
        let preferences = self.leader.flatMap { self.members[$0]?.protocols.map(\.name) } ?? votes.keys.sorted()
        var best: (name: String, votes: Int)?
        for name in preferences {
            if let count = votes[name], count > best?.votes ?? 0 { best = (name, count) }
        }
        return best?.name
    }

    // MARK: Sync

    mutating func sync(_ request: SyncGroupRequest, _ call: GroupCall, _ step: inout Step) {
        let id = request.memberID
        if let error = self.refusalOfSync(request) {
            return step.effects.answer(call.token, .sync(Self.refusalOfSync(error)))
        }
        switch self.state {
        case .empty, .dead:
            step.effects.answer(call.token, .sync(Self.refusalOfSync(.unknownMemberID)))
        case .preparingRebalance:
            step.effects.answer(call.token, .sync(Self.refusalOfSync(.rebalanceInProgress)))
        case .completingRebalance:
            self.members[id]?.owesSync = false
            if let overtaken = self.syncs.updateValue(call.token, forKey: id) {
                step.effects.answer(overtaken, .sync(Self.refusalOfSync(.rebalanceInProgress)))
            }
            if self.leader == id { self.takeAssignments(request, &step) }
        case .stable:
            self.members[id]?.owesSync = false
            step.effects.answer(call.token, .sync(self.assignmentAnswer(to: id)))
        }
    }

    private func refusalOfSync(_ request: SyncGroupRequest) -> ErrorCode? {
        if let error = self.refusal(of: request.memberID, instanceID: request.groupInstanceID) { return error }
        if !self.isRight(request.generationID, for: request.memberID) { return .illegalGeneration }
        func contradicts(_ said: String?, _ own: String?) -> Bool { said != nil && own != nil && said != own }
        return contradicts(request.protocolType, self.protocolType)
            || contradicts(request.protocolName, self.protocolName) ? .inconsistentGroupProtocol : nil
    }

    static func refusalOfSync(_ error: ErrorCode) -> SyncGroupResponse {
        var response = SyncGroupResponse()
        response.errorCode = error.rawValue
        return response
    }

    private func assignmentAnswer(to id: String) -> SyncGroupResponse {
        var response = SyncGroupResponse()
        response.protocolType = self.protocolType
        response.protocolName = self.protocolName
        response.assignment = self.members[id]?.assignment ?? ByteBuffer()
        return response
    }

    /// The leader has shared out. Members that it forgot get nothing; those that it invented are passed over.
    private mutating func takeAssignments(_ request: SyncGroupRequest, _ step: inout Step) {
        var shares: [String: ByteBuffer] = [:]
        for entry in request.assignments where self.members[entry.memberID] != nil {
            shares[entry.memberID] = entry.assignment
        }
        guard self.recordBytes(with: shares) <= Self.recordBytesMax else {
            self.refuseSyncs(.unknownServerError, &step)
            return self.prepareRebalance("subscriptions and assignments take too many bytes for one record", &step)
        }
        for id in self.members.keys { self.members[id]?.assignment = shares[id]?.detached ?? ByteBuffer() }
        self.transition(to: .stable, step.now)
        self.writeGroup(&step)
        step.effects.note(
            self.id, "the rebalance is over",
            [
                "generation": "\(self.generation)", "members": "\(self.members.count)",
                "protocol": self.protocolName ?? "",
            ])
        for id in self.syncs.keys.sorted() { self.answerSync(id, self.assignmentAnswer(to: id), &step) }
    }

    /// What members had in the generation before is kept until the next one: it is what the last record says, and what
    /// they may still be working on.
    private mutating func refuseSyncs(_ error: ErrorCode, _ step: inout Step) {
        for id in self.syncs.keys.sorted() { self.answerSync(id, Self.refusalOfSync(error), &step) }
    }

    private mutating func answerSync(_ id: String, _ answer: SyncGroupResponse, _ step: inout Step) {
        guard let token = self.syncs.removeValue(forKey: id) else { return }
        step.effects.answer(token, .sync(answer))
        self.renewSession(id, step.now)
    }

    /// Members that were told of the generation and never asked for their part of it are removed.
    mutating func syncTimeEnded(_ step: inout Step) {
        self.syncEndsAt = .max
        guard self.state == .completingRebalance || self.state == .stable else { return }
        let silent = self.members.values.filter(\.owesSync).map(\.id).sorted()
        if silent.isEmpty { return }
        for id in silent { self.remove(id, &step) }
        self.prepareRebalance("did not sync in time: \(silent.joined(separator: ", "))", &step)
    }
}
