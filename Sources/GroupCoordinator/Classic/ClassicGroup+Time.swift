// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

/// What happens when nothing happens: sessions, joins and syncs run out; requests are given up.
extension ClassicGroup {
    /// Does what is due. Linear in the number of members.
    mutating func expire(_ step: inout Step) {
        let now = step.now.monotonicMs
        let lostIDs = self.pending.filter { $0.value <= now }.map(\.key)
        for id in lostIDs { self.pending[id] = nil }
        self.endSessions(&step)
        self.completeJoinIfAllJoined(&step)
        if self.joinEndsAt <= now { self.joinTimeEnded(&step) }
        if self.syncEndsAt <= now { self.syncTimeEnded(&step) }
        self.wakeAt = self.nextDeadline
    }

    private mutating func endSessions(_ step: inout Step) {
        let now = step.now.monotonicMs
        let silent = self.members.values.filter { $0.sessionEndsAt <= now && self.isExpected($0) }.map(\.id).sorted()
        if silent.isEmpty { return }
        for id in silent { self.remove(id, &step) }
        self.rebalanceOrGoOn("session ended: \(silent.joined(separator: ", "))", nil, &step)
    }

    /// Whether the member has to be heard of. While its request waits here it cannot send another one; it gets a whole
    /// session with the answer. Only newcomers are given up even so.
    private func isExpected(_ member: ClassicMember) -> Bool {
        member.isNew || (self.joins[member.id] == nil && self.syncs[member.id] == nil)
    }

    private var nextDeadline: Int64 {
        var next = min(self.joinEndsAt, self.syncEndsAt)
        for end in self.pending.values { next = min(next, end) }
        for member in self.members.values where self.isExpected(member) { next = min(next, member.sessionEndsAt) }
        return next
    }

    /// After loading: everybody has a whole session from now. A group that is larger than it may be is made to
    /// rebalance, so that those who find no room in it can commit before they go; and so is one without a leader, which
    /// was a consumer group before and has not been shared out since.
    mutating func resume(_ step: inout Step) {
        for id in self.members.keys { self.renewSession(id, step.now) }
        let maxSize = Int(step.settings.maxSize)
        if self.members.count > maxSize {
            self.prepareRebalance("\(self.members.count) members, and group.max.size is \(maxSize)", &step)
        } else if self.state == .stable, self.leader.map({ self.members[$0] == nil }) ?? true {
            self.prepareRebalance("nobody leads the group", &step)
        }
    }

    /// A parked request will not be waited for any more. Its member stays, if it can come back as the same.
    mutating func abandon(_ token: RequestToken, _ step: inout Step) {
        if let (id, join) = self.joins.first(where: { $0.value.token == token }) {
            self.joins[id] = nil
            let answer = Self.refusal(.coordinatorNotAvailable, id, join.version)
            step.effects.answer(token, .join(answer), waitsForWrites: false)
            self.renewSession(id, step.now)
            if !join.knowsItsID, self.members[id]?.instanceID == nil { self.remove(id, &step) }
            self.completeJoinIfAllJoined(&step)
        } else if let (id, _) = self.syncs.first(where: { $0.value == token }) {
            self.syncs[id] = nil
            step.effects.answer(token, .sync(Self.refusalOfSync(.coordinatorNotAvailable)), waitsForWrites: false)
            self.members[id]?.owesSync = true
            self.renewSession(id, step.now)
        }
    }
}
