// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages
import KafkaWire

extension GroupShard {
    mutating func replayClassic(_ key: GroupMetadataKey, _ value: GroupMetadataValue?) {
        guard let value else {
            self.classicGroups[key.group] = nil
            return
        }
        self.classicGroups[key.group, default: ClassicGroup(id: key.group)].replay(value)
    }

    /// Joins a group, or makes a classic one. The answer comes at once or when the rebalance is over, at the latest after
    /// the longest rebalance time-out of its members.
    public mutating func joinGroup(
        _ request: JoinGroupRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            if let refusal = shard.refusalOfJoin(request, call, step.settings) {
                return step.effects.answer(call.token, .join(refusal))
            }
            if shard.consumerGroups[request.groupID]?.isEmpty == false {
                shard.consumerGroups[request.groupID]?.joinClassic(request, call, &step)
                return shard.downgradeIfDue(request.groupID, &step)
            }
            shard.deleteIfEmptyConsumerGroup(request.groupID, &step)
            if shard.classicGroups[request.groupID] == nil {
                var group = ClassicGroup(id: request.groupID)
                group.isByJoin = true
                shard.classicGroups[request.groupID] = group
            }
            shard.classicGroups[request.groupID]?.join(request, call, &step)
            shard.forgetIfUnused(request.groupID)
        }
    }

    private func refusalOfJoin(
        _ request: JoinGroupRequest, _ call: GroupCall, _ settings: GroupSettings
    ) -> JoinGroupResponse? {
        let timeouts = settings.minSessionTimeoutMs...max(settings.minSessionTimeoutMs, settings.maxSessionTimeoutMs)
        if request.groupID.isEmpty {
            return ClassicGroup.refusal(.invalidGroupID, request.memberID, call.apiVersion)
        }
        if !timeouts.contains(request.sessionTimeoutMs) {
            return ClassicGroup.refusal(.invalidSessionTimeout, request.memberID, call.apiVersion)
        }
        if self.consumerGroups[request.groupID]?.isEmpty == false { return nil }
        if self.classicGroups[request.groupID] == nil, !request.memberID.isEmpty {
            return ClassicGroup.refusal(.unknownMemberID, request.memberID, call.apiVersion)
        }
        return nil
    }

    /// Asks for the assignment of a generation, and brings everybody's if the member is the leader. Answered when the
    /// leader has come.
    public mutating func syncGroup(
        _ request: SyncGroupRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            let error: ErrorCode? =
                if ClassicVersion.syncMustNameProtocol(call.apiVersion),
                    request.protocolType == nil || request.protocolName == nil
                {
                    .inconsistentGroupProtocol
                } else {
                    shard.refusalOfMember(of: request.groupID)
                }
            if let error {
                return step.effects.answer(call.token, .sync(ClassicGroup.refusalOfSync(error)))
            }
            shard.classicGroups[request.groupID]?.sync(request, call, &step)
            shard.consumerGroups[request.groupID]?.syncClassic(request, call, &step)
        }
    }

    /// Keeps a member in its group, and tells it of a rebalance. Constant time.
    public mutating func heartbeat(
        _ request: HeartbeatRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            var response = HeartbeatResponse()
            let error =
                shard.refusalOfMember(of: request.groupID)
                ?? shard.classicGroups[request.groupID]?.heartbeat(request, step)
                ?? shard.consumerGroups[request.groupID]?.heartbeatClassic(request, &step) ?? .unknownMemberID
            response.errorCode = error.rawValue
            // That all is well, or a rebalance of a classic group under way, no record says.
            let isNews = shard.consumerGroups[request.groupID] != nil || error != .rebalanceInProgress
            let waits = error != .none && isNews
            step.effects.answer(call.token, .heartbeat(response), waitsForWrites: waits)
        }
    }

    /// Takes members out of their group, by member id or by instance id.
    public mutating func leaveGroup(
        _ request: LeaveGroupRequest, _ call: GroupCall, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(request.groupID, environment) { shard, step in
            switch shard.refusalOfMember(of: request.groupID) {
            case nil:
                shard.classicGroups[request.groupID]?.leave(request, call, &step)
                shard.consumerGroups[request.groupID]?.leaveClassic(request, call, &step)
                shard.forgetIfUnused(request.groupID)
                shard.downgradeIfDue(request.groupID, &step)
            case .unknownMemberID?:
                let answers = ClassicGroup.leaving(request, call).map { ClassicGroup.answer(to: $0, .unknownMemberID) }
                step.effects.answer(call.token, .leave(ClassicGroup.response(answers, call)))
            case let error?:
                var response = LeaveGroupResponse()
                response.errorCode = error.rawValue
                step.effects.answer(call.token, .leave(response))
            }
        }
    }

    /// Gives up a parked JoinGroup or SyncGroup, because its connection is gone or the broker stops: it is answered with
    /// COORDINATOR_NOT_AVAILABLE. Does nothing when it has been answered. Linear in the number of parked requests.
    public mutating func abandon(
        _ token: RequestToken, group: String, _ environment: GroupEnvironment
    ) -> GroupEffects {
        self.run(group, environment) { shard, step in
            shard.classicGroups[group]?.abandon(token, &step)
        }
    }

    /// What DescribeGroups says of a group: state `Dead` when there is no such classic group.
    public func describeClassic(_ groupID: String) -> DescribeGroupsResponse.DescribedGroup {
        if let group = self.classicGroups[groupID] { return group.describe() }
        var memberless = DescribeGroupsResponse.DescribedGroup()
        memberless.groupID = groupID
        let state: ClassicGroup.State = self.standing(of: groupID) == .simple ? .empty : .dead
        memberless.groupState = state.rawValue
        return memberless
    }

    /// Why no member of that group can be served; nil when there is a group of either protocol to ask.
    private func refusalOfMember(of groupID: String) -> ErrorCode? {
        if groupID.isEmpty { return .invalidGroupID }
        return self.classicGroups[groupID] == nil && self.consumerGroups[groupID] == nil ? .unknownMemberID : nil
    }

    /// Drops a group that a JoinGroup made and that nobody has come into: it is in no record.
    mutating func forgetIfUnused(_ groupID: String) {
        if self.classicGroups[groupID]?.isUnused == true { self.classicGroups[groupID] = nil }
    }
}
