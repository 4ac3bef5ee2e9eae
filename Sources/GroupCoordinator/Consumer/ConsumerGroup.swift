// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// A group of the consumer protocol (KIP-848): the coordinator makes the assignment, members follow it step by step.
///
/// Three kinds of epoch go after each other. The group's epoch grows when anything changes that an assignment depends
/// on: members, what they want, topics. The target assignment is made for a group epoch and has that as its own. A
/// member's epoch reaches the target's when it has given up what the target took from it.
///
/// A heartbeat with nothing new looks at its member only, whatever the size of the group.
///
/// Invariants: a partition has one owner, `owners`, and is in `current` of that member alone; the epoch of a member
/// is never above the target's, and the target's never above the group's.
struct ConsumerGroup: Sendable {
    let id: String
    /// When `expire` wants to be called, at the latest; `.max` for never. May be too early, never too late.
    var wakeAt: Int64 = .max

    /// The group epoch: 0 before the first member.
    var epoch: Int32 = 0
    /// The epoch for which the target assignment was made.
    var targetEpoch: Int32 = 0
    /// What each member is to have.
    var target: [String: PartitionSet] = [:]
    /// The topics that members want, as they were when the group's epoch last took note of them.
    var topics: [TopicID: TopicFacts] = [:]
    /// All members by id. Changed by `replay`, but for what is not in records.
    var members: [String: ConsumerMember] = [:]

    // What follows is made from members.

    /// Which member has which instance id.
    var staticMembers: [String: String] = [:]
    /// The number of members that ask for each assignor.
    var votes: [String: Int] = [:]
    var subscriptions = SubscriptionTable()
    var owners = PartitionOwners()
    /// How many members have not arrived at the target yet.
    var underWay = 0
    /// The members that use the classic protocol.
    var classicMembers = ClassicMembersTable()

    // Not in records.

    /// The rules by which weights were last looked at. After loading: those of that moment.
    var weightRules: [WeightRule] = []
    /// The target that needs no other one after it: the assignor moves nothing more. Nil when that is not known.
    var settledEpoch: Int32?
    /// Since when nobody is in the group, in milliseconds since 1970; nil while there are members. Not in records:
    /// after loading it is the time of loading, so offsets may stay that much longer.
    var emptySinceMs: Int64?

    init(id: String) { self.id = id }

    /// Nobody is in it: its offsets grow old, it may be deleted.
    var isEmpty: Bool { self.members.isEmpty }

    /// Kafka's names.
    enum State: String, Sendable {
        case empty = "Empty"
        case assigning = "Assigning"
        case reconciling = "Reconciling"
        case stable = "Stable"
        case dead = "Dead"
    }

    var state: State {
        if self.members.isEmpty { return .empty }
        if self.epoch > self.targetEpoch { return .assigning }
        return self.underWay == 0 ? .stable : .reconciling
    }

    /// Whether some member wants that topic; true as well when that cannot be known.
    func subscribes(to topic: String) -> Bool { self.subscriptions.includes(topic) }

    /// The member whose instance id that is.
    func staticMember(_ instanceID: String) -> ConsumerMember? {
        self.staticMembers[instanceID].flatMap { self.members[$0] }
    }

    /// How long a member may be silent, in milliseconds.
    func sessionTimeoutMs(of member: ConsumerMember, _ settings: GroupSettings) -> Int64 {
        Int64(member.classicMemberMetadata?.sessionTimeoutMs ?? settings.consumerSessionTimeoutMs(of: self.id))
    }

    /// The assignor that most members ask for; the earlier in `group.consumer.assignors` of two that as many ask for,
    /// and the first when nobody asks for any of them.
    func assignor(_ settings: GroupSettings) -> any PartitionAssignor.Type {
        var best: (assignor: any PartitionAssignor.Type, votes: Int)?
        for name in settings.consumerAssignors {
            guard let assignor = Assignors.named(name) else { continue }
            let votes = self.votes[name] ?? 0
            if best.map({ votes > $0.votes }) ?? true { best = (assignor, votes) }
        }
        return best?.assignor ?? UniformAssignor.self
    }
}

/// Why the coordinator does not do what a member asks.
struct ConsumerRefusal: Error {
    let code: ErrorCode
    let message: String

    init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }
}

// MARK: Offsets

extension ConsumerGroup {
    /// Whether an offset commit is from a member of this epoch; nil when it is. Who is not a member, and says so with a
    /// negative epoch, may commit while nobody else is there.
    func refusalOfCommit(_ request: OffsetCommitRequest) -> ErrorCode? {
        if request.generationIDOrMemberEpoch < 0, self.members.isEmpty { return nil }
        return self.refusal(memberID: request.memberID, epoch: request.generationIDOrMemberEpoch)
    }

    /// Whether a fetch of offsets is from a member of this epoch, or from nobody in particular; nil when it is.
    func refusalOfFetch(memberID: String?, memberEpoch: Int32) -> ErrorCode? {
        guard let memberID else { return memberEpoch < 0 ? nil : .unknownMemberID }
        return self.refusal(memberID: memberID, epoch: memberEpoch)
    }

    private func refusal(memberID: String, epoch: Int32) -> ErrorCode? {
        guard let member = self.members[memberID] else { return .unknownMemberID }
        if epoch == member.current.epoch { return nil }
        return member.classicMemberMetadata == nil ? .staleMemberEpoch : .illegalGeneration
    }
}
