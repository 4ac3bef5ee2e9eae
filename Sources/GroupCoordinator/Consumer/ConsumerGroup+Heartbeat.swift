// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

extension ConsumerGroup {
    /// As which member a heartbeat comes.
    enum Admission: Sendable, Hashable {
        /// As one that is in the group.
        case known(String)
        /// As one that is not yet.
        case new(String)
        /// As a static member that takes the place of one that went away, by the id of `member`.
        case replacing(_ old: String, member: String)
    }

    /// Decides whether a heartbeat or a join may be. Changes nothing but what expressions are known to match, so that
    /// a refused request leaves no trace.
    ///
    /// - Throws: any of the errors of a member that is not, or no longer, what it thinks it is.
    mutating func admit(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) throws(ConsumerRefusal) -> Admission {
        let memberID = request.memberID.isEmpty ? call.freshID.base64 : request.memberID
        let admission = try self.admission(of: memberID, request)
        if case .new = admission, self.members.count >= Int(environment.settings.consumerMaxSize) {
            throw ConsumerRefusal(
                .groupMaxSizeReached,
                "The consumer group \(self.id) has reached its maximum capacity of "
                    + "\(environment.settings.consumerMaxSize) members (group.consumer.max.size)."
            )
        }
        if let pattern = request.subscribedTopicRegex, !pattern.isEmpty {
            do {
                _ = try self.subscriptions.names(matching: pattern, environment.topics)
            } catch {
                throw ConsumerRefusal(
                    .invalidRegularExpression,
                    "SubscribedTopicRegex \(pattern) is not a valid regular expression: \(error.description)"
                )
            }
        }
        return admission
    }

    private func admission(
        of memberID: String, _ request: ConsumerGroupHeartbeatRequest
    ) throws(ConsumerRefusal) -> Admission {
        let isJoin = request.memberEpoch == 0
        guard let instanceID = request.instanceID else {
            guard let member = self.members[memberID] else {
                if isJoin { return .new(memberID) }
                throw self.unknown(memberID)
            }
            try self.checkEpoch(of: member, request)
            return .known(memberID)
        }
        guard let holder = self.staticMember(instanceID) else {
            if isJoin { return self.members[memberID] == nil ? .new(memberID) : .known(memberID) }
            throw ConsumerRefusal(
                .unknownMemberID, "Instance id \(instanceID) is unknown in group \(self.id)."
            )
        }
        if isJoin, holder.current.epoch == CurrentAssignment.awayEpoch || holder.classicMemberMetadata != nil {
            return .replacing(holder.id, member: memberID)
        }
        if holder.id == memberID {
            try self.checkEpoch(of: holder, request)
            return .known(memberID)
        }
        if isJoin {
            throw ConsumerRefusal(
                .unreleasedInstanceID,
                "Static member \(memberID) with instance id \(instanceID) cannot join the group \(self.id) because the "
                    + "instance id is owned by member \(holder.id)."
            )
        }
        throw self.fenced(memberID, instanceID, by: holder)
    }

    private func unknown(_ memberID: String) -> ConsumerRefusal {
        ConsumerRefusal(.unknownMemberID, "Member \(memberID) is not a member of group \(self.id).")
    }

    private func fenced(_ memberID: String, _ instanceID: String, by holder: ConsumerMember) -> ConsumerRefusal {
        ConsumerRefusal(
            .fencedInstanceID,
            "Static member \(memberID) with instance id \(instanceID) was fenced by member \(holder.id) of group "
                + "\(self.id)."
        )
    }

    /// A member is in the epoch that it was told. It may also be in the one before, if the answer that told it of the
    /// new one was lost: then what it has must be what it was assigned. And it may begin anew, having given up all.
    private func checkEpoch(
        of member: ConsumerMember, _ request: ConsumerGroupHeartbeatRequest
    ) throws(ConsumerRefusal) {
        let (received, known) = (request.memberEpoch, member.current.epoch)
        if received == 0 { return }
        if member.current.state == .unknown, request.topicPartitions?.isEmpty != true {
            throw ConsumerRefusal(
                .fencedMemberEpoch,
                "The state of the member \(member.id) in group \(self.id) is not known to this coordinator. The member "
                    + "must abandon all its partitions and rejoin."
            )
        }
        if received == known { return }
        let lostAnswer = received < known && received == member.current.previousEpoch
        if lostAnswer, member.current.covers(request.topicPartitions) { return }
        throw ConsumerRefusal(
            .fencedMemberEpoch,
            "The member \(member.id) of group \(self.id) has a \(received > known ? "greater" : "smaller") member epoch "
                + "(\(received)) than the one known by the group coordinator (\(known)). The member must abandon all "
                + "its partitions and rejoin."
        )
    }
}

// MARK: Heartbeat

extension ConsumerGroup {
    /// Does what an admitted request asks for, and answers it.
    mutating func heartbeat(
        _ request: ConsumerGroupHeartbeatRequest, as admission: Admission, _ call: GroupCall, _ step: inout Step
    ) {
        let memberID: String
        var isNews: Bool
        let before: PartitionSet?
        switch admission {
        case .known(let id):
            memberID = id
            before = self.members[id]?.current.assigned
            isNews = self.update(id, request, call, &step)
        case .new(let id):
            memberID = id
            before = nil
            let details = ConsumerMember.Details().updated(by: request, call)
            self.write(self.memberRecord(id, details), &step)
            isNews = true
        case .replacing(let old, let id):
            memberID = id
            before = nil
            isNews = self.replace(old, by: id, request, call, &step)
        }
        self.emptySinceMs = nil
        // Both look, each at something else.
        isNews = self.refreshTopics(&step) || isNews
        isNews = self.refreshWeightRules(step.settings) || isNews
        if isNews { self.bumpEpoch(&step) }
        self.updateTarget(&step)
        self.reconcile(memberID, owned: request.topicPartitions, &step)
        self.continueAssignment(&step)
        self.keepAlive(memberID, step)
        self.answer(request, of: memberID, before: before, call, &step)
    }

    /// Milliseconds after which a member that is on its way to its target is to ask again, or its usual interval if that
    /// is shorter. Partitions that others have given up are without an owner until then.
    static let heartbeatIntervalOnTheWayMs: Int32 = 500

    private func heartbeatIntervalMs(_ current: CurrentAssignment, _ settings: GroupSettings) -> Int32 {
        let usual = settings.consumerHeartbeatIntervalMs(of: self.id)
        return current.isReconciled(to: self.epoch) ? usual : min(usual, Self.heartbeatIntervalOnTheWayMs)
    }

    /// - Parameter before: what the member had assigned before; nil when it was not there.
    private func answer(
        _ request: ConsumerGroupHeartbeatRequest, of memberID: String, before: PartitionSet?, _ call: GroupCall,
        _ step: inout Step
    ) {
        guard let current = self.members[memberID]?.current else { return }
        var response = ConsumerGroupHeartbeatResponse()
        response.memberID = memberID
        response.memberEpoch = current.epoch
        response.heartbeatIntervalMs = self.heartbeatIntervalMs(current, step.settings)
        // A member that says everything about itself may have missed anything.
        if request.isFull || before != current.assigned {
            var assignment = ConsumerGroupHeartbeatResponse.Assignment()
            assignment.topicPartitions = current.assigned.written()
            response.assignment = assignment
        }
        // A member that names its epoch was told it by an answer that had waited.
        let isNews = response.assignment != nil || response.memberEpoch != request.memberEpoch
        step.effects.answer(
            call.token, .consumerHeartbeat(response), waitsForWrites: isNews || !step.effects.records.isEmpty
        )
    }

    /// Takes in what a member says about itself.
    ///
    /// - Returns: whether the assignment has to follow.
    private mutating func update(
        _ memberID: String, _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ step: inout Step
    ) -> Bool {
        guard let member = self.members[memberID] else { return false }
        let details = member.details.updated(by: request, call)
        // A member that speaks the consumer protocol no longer uses the classic one.
        if details == member.details, member.classicMemberMetadata == nil { return false }
        let assignor = self.assignor(step.settings).name
        self.write(self.memberRecord(memberID, details), &step)
        return self.concerns(member.details, details, assignor, step.settings)
    }

    /// Whether an assignment made for a member of `old` details, by the assignor of that name, is not one for `new`.
    private func concerns(
        _ old: ConsumerMember.Details, _ new: ConsumerMember.Details, _ assignor: String, _ settings: GroupSettings
    ) -> Bool {
        if old.subscription != new.subscription || self.assignor(settings).name != assignor { return true }
        return self.weighs(settings) && old.weight(under: self.weightRules) != new.weight(under: self.weightRules)
    }

    /// Puts a static member in the place of its predecessor, which went away: with its target and its partitions, so
    /// that nobody else notices.
    ///
    /// - Returns: whether the assignment has to follow.
    private mutating func replace(
        _ old: String, by memberID: String, _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall,
        _ step: inout Step
    ) -> Bool {
        guard let member = self.members[old] else { return false }
        let assignor = self.assignor(step.settings).name
        let details = member.details.updated(by: request, call)
        let target = self.target[old] ?? PartitionSet()
        var current = member.current
        current.epoch = 0
        current.previousEpoch = 0
        for record in self.tombstones(of: old) { self.write(record, &step) }
        self.write(self.memberRecord(memberID, details), &step)
        self.write(self.targetRecord(memberID, target), &step)
        self.write(self.currentRecord(memberID, current), &step)
        return self.concerns(member.details, details, assignor, step.settings)
    }

    // MARK: Leaving

    /// A member leaves for good, or a static one for a while: then its partitions stay its own until its session is
    /// over.
    ///
    /// - Throws: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
    mutating func leave(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ step: inout Step
    ) throws(ConsumerRefusal) {
        let memberID = request.memberID
        if let instanceID = request.instanceID {
            guard let holder = self.staticMember(instanceID) else {
                throw ConsumerRefusal(.unknownMemberID, "Instance id \(instanceID) is unknown in group \(self.id).")
            }
            if holder.id != memberID { throw self.fenced(memberID, instanceID, by: holder) }
        }
        guard let member = self.members[memberID] else { throw self.unknown(memberID) }
        if request.memberEpoch == CurrentAssignment.awayEpoch {
            var current = member.current
            current.epoch = CurrentAssignment.awayEpoch
            current.pendingRevocation = PartitionSet()
            self.write(self.currentRecord(memberID, current), &step)
            self.members[memberID]?.rebalanceDeadline = .max
        } else {
            self.remove([memberID], "left", &step)
        }
        var response = ConsumerGroupHeartbeatResponse()
        response.memberID = memberID
        response.memberEpoch = request.memberEpoch
        step.effects.answer(call.token, .consumerHeartbeat(response))
    }
}

extension ConsumerGroupHeartbeatRequest {
    /// Whether the member says everything about itself: when it joins, and after an error.
    fileprivate var isFull: Bool {
        if self.memberEpoch == 0 { return true }
        let saysWhatItWants = self.subscribedTopicNames != nil || self.subscribedTopicRegex != nil
        return self.rebalanceTimeoutMs >= 0 && saysWhatItWants && self.topicPartitions != nil
    }
}
