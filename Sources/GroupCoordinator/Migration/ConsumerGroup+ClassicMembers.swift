// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// Members of a consumer group that use the classic protocol, while a service goes from one to the other (KIP-848).
///
/// To such a member the group looks like a classic one that somebody else leads. The coordinator tells it
/// REBALANCE_IN_PROGRESS when there is something to do; it joins again, is answered at once with its member epoch as the
/// generation, and gets by SyncGroup what it may use now. What it owns, its subscription says. So a step on the way to
/// its target is one round of JoinGroup and SyncGroup, where a consumer member needs a heartbeat.
extension ConsumerGroup {
    typealias ClassicMetadata = ConsumerGroupMemberMetadataValue.ClassicMemberMetadata

    // MARK: JoinGroup

    mutating func joinClassic(_ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step) {
        do throws(ConsumerRefusal) {
            try self.takeJoin(request, call, &step)
        } catch {
            step.effects.answer(call.token, .join(ClassicGroup.refusal(error.code, "", call.apiVersion)))
        }
    }

    private mutating func takeJoin(
        _ request: JoinGroupRequest, _ call: GroupCall, _ step: inout Step
    ) throws(ConsumerRefusal) {
        let holder = request.groupInstanceID.flatMap { self.staticMember($0) }
        let isKnown = holder != nil || self.members[request.memberID] != nil
        if !isKnown, self.members.count >= Int(step.settings.consumerMaxSize) {
            throw ConsumerRefusal(.groupMaxSizeReached, "The consumer group \(self.id) is full.")
        }
        let protocols = ClassicProtocol.list(request.protocols)
        guard request.protocolType == ConsumerProtocol.type, self.classicMembers.shares(oneOf: protocols.map(\.name)),
            let first = protocols.first, let subscription = ConsumerProtocol.subscription(first.metadata)
        else {
            throw ConsumerRefusal(.inconsistentGroupProtocol, "The group \(self.id) speaks other protocols.")
        }
        if !isKnown, !request.memberID.isEmpty, !subscription.ownedPartitions.isEmpty {
            // It was taken out while it was away. Let in, it would go on with partitions that others have by now.
            throw ConsumerRefusal(.unknownMemberID, "Member \(request.memberID) is out of the group \(self.id).")
        }
        if request.memberID.isEmpty, request.groupInstanceID == nil, ClassicVersion.joinNeedsKnownID(call.apiVersion) {
            // Nothing has to be kept of it: whoever comes with an id is let in.
            let id = ClassicGroup.newMemberID(request, call)
            let answer = ClassicGroup.refusal(.memberIDRequired, id, call.apiVersion)
            return step.effects.answer(call.token, .join(answer), waitsForWrites: false)
        }
        let id = try self.memberID(of: request, holder: holder, call)
        let before = holder ?? self.members[id]
        let details = Self.details(before?.details ?? ConsumerMember.Details(), request, subscription, call)
        var classic = ClassicMetadata()
        classic.sessionTimeoutMs = request.sessionTimeoutMs
        classic.supportedProtocols = protocols.map { spoken in
            var written = ConsumerGroupMemberMetadataValue.ClassicProtocol()
            written.name = spoken.name
            written.metadata = spoken.metadata
            return written
        }
        if let before, before.id != id {
            self.replace(before, by: id, self.memberRecord(id, details, classic: classic), &step)
        } else if before.map({ $0.details != details || !$0.uses(classic) }) ?? true {
            self.write(self.memberRecord(id, details, classic: classic), &step)
        }
        self.emptySinceMs = nil
        var isNews = before?.details.subscription != details.subscription
        isNews = self.refreshTopics(&step) || isNews
        isNews = self.refreshWeightRules(step.settings) || isNews
        if isNews { self.bumpEpoch(&step) }
        self.updateTarget(&step)
        self.reconcile(id, owned: Self.owned(subscription, step.topics), &step)
        self.continueAssignment(&step)
        // It must come for its assignment now.
        self.awaitRebalance(of: id, &step)
        self.keepAlive(id, step)

        var response = JoinGroupResponse()
        response.memberID = id
        response.generationID = self.members[id]?.current.epoch ?? -1
        response.protocolType = ConsumerProtocol.type
        response.protocolName = first.name
        step.effects.answer(call.token, .join(response))
    }

    /// As whom a request joins.
    private func memberID(
        of request: JoinGroupRequest, holder: ConsumerMember?, _ call: GroupCall
    ) throws(ConsumerRefusal) -> String {
        if request.memberID.isEmpty { return ClassicGroup.newMemberID(request, call) }
        guard let instanceID = request.groupInstanceID else { return request.memberID }
        if let error = self.refusal(of: request.memberID, instanceID: instanceID) {
            throw ConsumerRefusal(error, "Instance id \(instanceID) is not that of \(request.memberID).")
        }
        return request.memberID
    }

    /// A static member that starts anew with the classic protocol takes the place of its former self, whichever that
    /// used, and fences it.
    private mutating func replace(
        _ old: ConsumerMember, by id: String, _ member: CoordinatorRecord, _ step: inout Step
    ) {
        let target = self.target[old.id] ?? PartitionSet()
        var current = old.current
        current.epoch = 0
        current.previousEpoch = 0
        for record in self.tombstones(of: old.id) { self.write(record, &step) }
        self.write(member, &step)
        self.write(self.targetRecord(id, target), &step)
        self.write(self.currentRecord(id, current), &step)
    }

    private static func details(
        _ known: ConsumerMember.Details, _ request: JoinGroupRequest, _ subscription: ConsumerProtocolSubscription,
        _ call: GroupCall
    ) -> ConsumerMember.Details {
        var details = known
        details.clientID = call.clientID
        details.clientHost = call.clientHost
        details.instanceID = request.groupInstanceID ?? details.instanceID
        details.rackID = subscription.rackID ?? details.rackID
        details.rebalanceTimeoutMs = ClassicVersion.rebalanceTimeoutMs(of: request, call)
        details.subscription = Subscription(names: subscription.topics, pattern: nil)
        return details
    }

    /// What a member has according to its subscription. Eager members gave up everything before they joined.
    private static func owned(
        _ subscription: ConsumerProtocolSubscription, _ topics: any TopicsView
    ) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        subscription.ownedPartitions.compactMap { owned in
            topics.topic(named: owned.topic).map { facts in
                var partitions = ConsumerGroupHeartbeatRequest.TopicPartitions()
                partitions.topicID = facts.id
                partitions.partitions = owned.partitions
                return partitions
            }
        }
    }

    // MARK: SyncGroup and Heartbeat

    mutating func syncClassic(_ request: SyncGroupRequest, _ call: GroupCall, _ step: inout Step) {
        let id = request.memberID
        let error =
            self.refusalOfClassic(id, request.groupInstanceID, request.generationID)
            ?? self.refusalOfProtocol(request)
        if let error { return step.effects.answer(call.token, .sync(ClassicGroup.refusalOfSync(error))) }
        guard let member = self.members[id], let spoken = member.classicMemberMetadata?.supportedProtocols.first else {
            return step.effects.answer(call.token, .sync(ClassicGroup.refusalOfSync(.unknownMemberID)))
        }
        // A member that is giving up partitions must do so first, and for that it must be told.
        if member.current.epoch < self.epoch, member.current.state != .unrevokedPartitions {
            self.awaitRejoin(of: id, &step)
            return step.effects.answer(call.token, .sync(ClassicGroup.refusalOfSync(.rebalanceInProgress)))
        }
        var response = SyncGroupResponse()
        do throws(WireError) {
            response.assignment = try ConsumerProtocol.assignment(
                of: member.current.assigned, answering: spoken.metadata, step.topics
            )
        } catch {
            return step.effects.answer(call.token, .sync(ClassicGroup.refusalOfSync(.unknownServerError)))
        }
        response.protocolType = ConsumerProtocol.type
        response.protocolName = spoken.name
        step.effects.answer(call.token, .sync(response))
        self.members[id]?.rebalanceDeadline = .max
        self.keepAlive(id, step)
    }

    private func refusalOfProtocol(_ request: SyncGroupRequest) -> ErrorCode? {
        let own = self.members[request.memberID]?.classicMemberMetadata?.supportedProtocols.first?.name
        let isRight =
            request.protocolType ?? ConsumerProtocol.type == ConsumerProtocol.type
            && request.protocolName ?? own == own
        return isRight ? nil : .inconsistentGroupProtocol
    }

    /// Constant time when there is nothing new, except for a member that waits for partitions of others: that looks at
    /// its own partitions whenever somebody gave some up.
    mutating func heartbeatClassic(_ request: HeartbeatRequest, _ step: inout Step) -> ErrorCode {
        let id = request.memberID
        if let error = self.refusalOfClassic(id, request.groupInstanceID, request.generationID) { return error }
        if self.refreshTopics(&step) { self.bumpEpoch(&step) }
        self.keepAlive(id, step)
        guard self.mustRejoin(id) else { return .none }
        self.awaitRejoin(of: id, &step)
        return .rebalanceInProgress
    }

    private mutating func mustRejoin(_ id: String) -> Bool {
        guard let member = self.members[id] else { return false }
        if member.current.epoch < self.epoch { return true }
        switch member.current.state {
        case .stable: return false
        case .unrevokedPartitions, .unknown: return true
        case .unreleasedPartitions:
            if member.releasesSeen == self.owners.releases { return false }
            let waits = self.waitsForOthers(member)
            if waits { self.members[id]?.releasesSeen = self.owners.releases }
            return !waits
        }
    }

    /// Whether another member still owns a partition of its target: as long as one does, it need not come.
    private func waitsForOthers(_ member: ConsumerMember) -> Bool {
        let target = self.target[member.id] ?? PartitionSet()
        return target.topics.contains { topic in
            target[topic].contains { index in
                self.owners.owner(of: topic, index).map { $0 != member.id } ?? false
            }
        }
    }

    // MARK: LeaveGroup

    /// Takes out the members that the request names, as far as they use the classic protocol.
    mutating func leaveClassic(_ request: LeaveGroupRequest, _ call: GroupCall, _ step: inout Step) {
        var left: [String] = []
        let answers = ClassicGroup.leaving(request, call).map { identity in
            let id =
                identity.memberID.isEmpty
                ? identity.groupInstanceID.flatMap { self.staticMembers[$0] } ?? "" : identity.memberID
            let isTwice = left.contains(id)
            let error = isTwice ? .unknownMemberID : self.refusalOfClassic(id, identity.groupInstanceID, nil)
            if error == nil { left.append(id) }
            var answer = ClassicGroup.answer(to: identity, error ?? .none)
            if error == nil { answer.memberID = id }
            return answer
        }
        if !left.isEmpty {
            let reasons = Set(request.members.compactMap(\.reason)).sorted().joined(separator: "; ")
            self.remove(left, reasons.isEmpty ? "left" : "left: \(reasons)", &step)
        }
        step.effects.answer(call.token, .leave(ClassicGroup.response(answers, call)))
    }

    // MARK: Who may

    /// Why a classic request of that member is refused; nil when it is not. No generation is asked of those who leave.
    private func refusalOfClassic(_ id: String, _ instanceID: String?, _ generation: Int32?) -> ErrorCode? {
        if let error = self.refusal(of: id, instanceID: instanceID) { return error }
        guard let member = self.members[id], member.classicMemberMetadata != nil else { return .unknownMemberID }
        return generation ?? member.current.epoch == member.current.epoch ? nil : .illegalGeneration
    }

    private func refusal(of id: String, instanceID: String?) -> ErrorCode? {
        if let instanceID {
            guard let holder = self.staticMembers[instanceID] else { return .unknownMemberID }
            if holder != id { return .fencedInstanceID }
        }
        return self.members[id] == nil ? .unknownMemberID : nil
    }

    // MARK: Time

    /// The member was told to join again: its rebalance time-out begins, unless it has begun.
    private mutating func awaitRejoin(of id: String, _ step: inout Step) {
        if self.members[id]?.rebalanceDeadline == .max { self.awaitRebalance(of: id, &step) }
    }

    private mutating func awaitRebalance(of id: String, _ step: inout Step) {
        guard let timeoutMs = self.members[id]?.details.rebalanceTimeoutMs else { return }
        let deadline = ClassicGroup.deadline(step.now, timeoutMs)
        self.members[id]?.rebalanceDeadline = deadline
        self.wakeAt = min(self.wakeAt, deadline)
    }
}

extension ConsumerMember {
    /// Whether the member uses the classic protocol in just that way.
    fileprivate func uses(_ classic: ConsumerGroup.ClassicMetadata) -> Bool {
        guard let own = self.classicMemberMetadata else { return false }
        return own.sessionTimeoutMs == classic.sessionTimeoutMs
            && own.supportedProtocols.elementsEqual(classic.supportedProtocols) {
                $0.name == $1.name && $0.metadata == $1.metadata
            }
    }
}
