// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages

/// A member of a consumer group.
struct ConsumerMember: Sendable {
    let id: String
    /// What it said about itself.
    var details = Details()
    /// Of a member that uses the classic protocol in this group; nil for the others.
    var classicMemberMetadata: ConsumerGroupMemberMetadataValue.ClassicMemberMetadata?
    /// What it has.
    var current = CurrentAssignment()

    // Not in records.

    /// Where the group's table has its subscription; nil before it has one.
    var subscriptionSlot: Int?
    /// When it has been silent for too long; `.max` until it was first heard of. Monotonic milliseconds, as below.
    var sessionDeadline: Int64 = .max
    /// When it has taken too long to give up partitions; `.max` when it has none to give up.
    var rebalanceDeadline: Int64 = .max
    /// How many partitions the group had set free when this member last looked for those it waits for.
    var releasesSeen: Int?

    init(id: String) { self.id = id }

    /// The moment at which something happens to it if nothing is heard of it.
    var deadline: Int64 { min(self.sessionDeadline, self.rebalanceDeadline) }

    /// What a member says about itself, but for what it has.
    struct Details: Sendable, Hashable {
        var instanceID: String?
        var rackID: String?
        var clientID = ""
        var clientHost = ""
        var subscription = Subscription()
        var rebalanceTimeoutMs: Int32 = -1
        /// The assignor that it votes for.
        var assignor: String?
        /// What it says it can carry; nil when it does not.
        var weight: Int32?
    }
}

extension ConsumerMember.Details {
    /// What the request says, and for the rest what was known. A request that joins says everything.
    func updated(by request: ConsumerGroupHeartbeatRequest, _ call: GroupCall) -> Self {
        var next = self
        if request.memberEpoch == 0 {
            next = Self()
            next.instanceID = self.instanceID
        }
        next.clientID = call.clientID
        next.clientHost = call.clientHost
        next.instanceID = request.instanceID ?? next.instanceID
        next.rackID = request.rackID ?? next.rackID
        next.assignor = request.serverAssignor ?? next.assignor
        if request.rebalanceTimeoutMs >= 0 { next.rebalanceTimeoutMs = request.rebalanceTimeoutMs }
        if request.weight >= 0 { next.weight = request.weight }
        if request.subscribedTopicNames != nil || request.subscribedTopicRegex != nil {
            next.subscription = Subscription(
                names: request.subscribedTopicNames ?? next.subscription.names,
                pattern: request.subscribedTopicRegex ?? next.subscription.pattern
            )
        }
        return next
    }

    /// What it can carry beside the others: what it says, else what the first rule about it says, else the default. A
    /// rule that drains it stands above what it says: an operator must be able to empty any member.
    func weight(under rules: [WeightRule]) -> Int32 {
        let rule = rules.first { $0.matches(clientID: self.clientID, instanceID: self.instanceID) }
        if rule?.weight == 0 { return 0 }
        return self.weight ?? rule?.weight ?? AssignmentInput.Member.defaultWeight
    }
}

// MARK: Records

extension ConsumerMember.Details {
    init(_ value: ConsumerGroupMemberMetadataValue) {
        self.instanceID = value.instanceID
        self.rackID = value.rackID
        self.clientID = value.clientID
        self.clientHost = value.clientHost
        self.subscription = Subscription(names: value.subscribedTopicNames, pattern: value.subscribedTopicRegex)
        self.rebalanceTimeoutMs = value.rebalanceTimeoutMs
        self.assignor = value.serverAssignor
        self.weight = value.weight >= 0 ? min(value.weight, WeightRule.weightMax) : nil
    }

    func written(
        classic: ConsumerGroupMemberMetadataValue.ClassicMemberMetadata?
    ) -> ConsumerGroupMemberMetadataValue {
        var value = ConsumerGroupMemberMetadataValue()
        value.instanceID = self.instanceID
        value.rackID = self.rackID
        value.clientID = self.clientID
        value.clientHost = self.clientHost
        value.subscribedTopicNames = self.subscription.names
        value.subscribedTopicRegex = self.subscription.pattern
        value.rebalanceTimeoutMs = self.rebalanceTimeoutMs
        value.serverAssignor = self.assignor
        value.classicMemberMetadata = classic
        value.weight = self.weight ?? -1
        return value
    }
}

extension CurrentAssignment {
    init(_ value: ConsumerGroupCurrentMemberAssignmentValue) {
        self.epoch = value.memberEpoch
        self.previousEpoch = value.previousMemberEpoch
        self.state = State(rawValue: value.state) ?? .unknown
        self.assigned = PartitionSet(value.assignedPartitions)
        self.pendingRevocation = PartitionSet(value.partitionsPendingRevocation)
    }

    var written: ConsumerGroupCurrentMemberAssignmentValue {
        var value = ConsumerGroupCurrentMemberAssignmentValue()
        value.memberEpoch = self.epoch
        value.previousMemberEpoch = self.previousEpoch
        value.state = self.state.rawValue
        value.assignedPartitions = self.assigned.written()
        value.partitionsPendingRevocation = self.pendingRevocation.written()
        return value
    }
}
