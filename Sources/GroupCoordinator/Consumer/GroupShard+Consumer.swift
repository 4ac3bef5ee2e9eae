// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages
import KafkaWire

extension GroupShard {
    /// A member of a consumer group joins it, stays in it, or leaves it (KIP-848). Answered at once.
    ///
    /// Constant time when there is nothing new; linear in the member's partitions while it moves to a new target; in
    /// members and partitions of the group, times a logarithm, when that is made.
    public mutating func consumerHeartbeat(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            do throws(ConsumerRefusal) {
                try HeartbeatRules.check(request, call, step.settings)
            } catch {
                return step.refuse(call, error, waitsForWrites: false)
            }
            do throws(ConsumerRefusal) {
                try shard.takeHeartbeat(request, call, &step)
            } catch {
                step.refuse(call, error, waitsForWrites: true)
            }
        }
    }

    private mutating func takeHeartbeat(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ step: inout Step
    ) throws(ConsumerRefusal) {
        let id = request.groupID
        if request.memberEpoch == 0, self.consumerGroups[id] == nil {
            return try self.openConsumerGroup(request, call, &step)
        }
        guard self.consumerGroups[id] != nil else { throw self.notAConsumerGroup(id) }
        if request.memberEpoch < 0 {
            try self.consumerGroups[id]?.leave(request, call, &step)
            self.downgradeIfDue(id, &step)
        } else if let admission = try self.consumerGroups[id]?.admit(request, call, step.environment) {
            self.consumerGroups[id]?.heartbeat(request, as: admission, call, &step)
        }
    }

    /// Makes the group that a member joins as the first. A classic group of that name gives way if nobody is in it.
    private mutating func openConsumerGroup(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ step: inout Step
    ) throws(ConsumerRefusal) {
        let id = request.groupID
        if self.classicGroups[id]?.isEmpty == false { return try self.upgrade(request, call, &step) }
        var group = ConsumerGroup(id: id)
        let admission = try group.admit(request, call, step.environment)
        self.deleteEmptyGroup(id, &step)
        self.consumerGroups[id] = group
        self.consumerGroups[id]?.heartbeat(request, as: admission, call, &step)
    }

    private func notAConsumerGroup(_ id: String) -> ConsumerRefusal {
        let text = self.classicGroups[id] == nil ? "Group \(id) not found." : "Group \(id) is not a consumer group."
        return ConsumerRefusal(.groupIDNotFound, text)
    }

    /// What ConsumerGroupDescribe answers about one group: GROUP_ID_NOT_FOUND for one that there is not, or that is of
    /// the classic protocol. Linear in its members and partitions.
    public func describeConsumer(
        _ groupID: String, _ environment: GroupEnvironment
    ) -> ConsumerGroupDescribeResponse.DescribedGroup {
        if let group = self.consumerGroups[groupID] { return group.described(environment) }
        let refusal = self.notAConsumerGroup(groupID)
        var group = ConsumerGroupDescribeResponse.DescribedGroup()
        group.groupID = groupID
        group.errorCode = refusal.code.rawValue
        group.errorMessage = refusal.message
        return group
    }

    mutating func replayConsumer(_ record: CoordinatorRecord) {
        let id = record.groupID
        if case .consumerGroup(_, nil) = record {
            self.consumerGroups[id] = nil
            return
        }
        if self.consumerGroups[id] == nil {
            if record.isConsumerTombstone { return }
            self.consumerGroups[id] = ConsumerGroup(id: id)
            // A classic group without members only keeps offsets: it may have been made for commits that stand before.
            if self.classicGroups[id]?.isEmpty == true { self.classicGroups[id] = nil }
        }
        self.consumerGroups[id]?.replay(record)
    }
}

extension CoordinatorRecord {
    /// Whether it says that something of a consumer group is gone.
    fileprivate var isConsumerTombstone: Bool {
        switch self {
        case .offsetCommit, .classicGroup: false
        case .consumerGroup(_, let value): value == nil
        case .consumerTopics(_, let value): value == nil
        case .consumerMember(_, let value): value == nil
        case .consumerTarget(_, let value): value == nil
        case .consumerMemberTarget(_, let value): value == nil
        case .consumerMemberCurrent(_, let value): value == nil
        }
    }
}

extension Step {
    /// Answers a heartbeat with an error.
    fileprivate mutating func refuse(_ call: GroupCall, _ refusal: ConsumerRefusal, waitsForWrites: Bool) {
        var response = ConsumerGroupHeartbeatResponse()
        response.errorCode = refusal.code.rawValue
        response.errorMessage = refusal.message
        self.effects.answer(call.token, .consumerHeartbeat(response), waitsForWrites: waitsForWrites)
    }
}
