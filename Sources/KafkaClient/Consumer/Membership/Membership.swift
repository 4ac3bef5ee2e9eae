// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// The membership of one consumer in one group, without IO: what to send when, and what the answers mean. There is one
/// for each protocol: ``GroupMembership`` (KIP-848) and ``ClassicMembership`` (JoinGroup and SyncGroup).
///
/// A driver asks ``step(nowMs:)`` what to do, carries it out, reports what came of it with ``answered(_:nowMs:using:)``
/// or ``failed(_:nowMs:using:)``, and does what the reaction says. One request is on its way at a time. Times are
/// milliseconds of any clock that only goes forward. Everything but `step` may be called at any moment, and whatever
/// is called may bring the next step forward: a driver that waits asks again.
///
/// Invariants of every membership:
/// - The group is told that partitions were given up only after ``released(_:nowMs:)``, that is, when nobody reads them
///   any more and their offsets are committed.
/// - One reconciliation is under way at a time; assignments that come meanwhile wait, and only the last one counts.
/// - Heartbeats go on while a reconciliation is under way, however long it takes: giving up on a driver that is stuck is
///   the driver's own business (`max.poll.interval.ms`), and it does so with ``leave()``.
protocol Membership: Sendable {
    /// The id that the group knows this member by; empty while the coordinator has not given it one.
    var memberID: String { get }
    /// The member epoch (KIP-848) or the generation, for OffsetCommit; means nothing unless ``isMember``.
    var epoch: Int32 { get }
    /// The member may fetch and commit offsets.
    var isMember: Bool { get }

    /// What to do now. A request that it returns counts as sent: its end has to be reported.
    mutating func step(nowMs: Int64) -> MembershipStep

    /// The request that was sent last was answered.
    mutating func answered(
        _ answer: MembershipAnswer, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction

    /// The request that was sent last was not answered.
    mutating func failed(
        _ error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction

    /// Nobody reads the partitions that were to be given up any more, and their offsets are committed: the group is told
    /// at once. Does nothing for a reconciliation from before the member lost everything.
    mutating func released(_ number: Int, nowMs: Int64) -> MembershipReaction

    /// The reconciliation has begun and is not done, and nothing was lost since.
    func isUnderWay(_ number: Int) -> Bool

    /// A coordinator has refused a commit: it knows something that the member does not, which the next heartbeat, now
    /// due, will tell.
    mutating func checkSoon(nowMs: Int64)

    /// What the member can carry beside the others has changed. Only KIP-848 and Martlet know of weights; elsewhere it
    /// does nothing.
    mutating func setWeight(_ weight: Int32, nowMs: Int64)

    /// The next step is to leave the group. What is committed after this is refused.
    ///
    /// A request that is on its way need not be waited for, and a JoinGroup may take minutes: the driver may cancel it
    /// and ask for the next step without reporting anything.
    mutating func leave()
}

extension Membership {
    mutating func setWeight(_ weight: Int32, nowMs: Int64) {}
}

/// A partition as an assignment names it: with the topic's name in the classic protocol, with its id in KIP-848.
struct GroupPartition: Hashable, Comparable, Sendable {
    enum Topic: Hashable, Comparable, Sendable {
        case name(String)
        case id(TopicID)
    }

    var topic: Topic
    var index: PartitionIndex

    init(topic: Topic, index: PartitionIndex) {
        self.topic = topic
        self.index = index
    }

    init(topicID: TopicID, index: PartitionIndex) { self.init(topic: .id(topicID), index: index) }

    init(_ partition: TopicPartition) { self.init(topic: .name(partition.topic), index: partition.partition) }

    /// The partition by name, when that is what the assignment says.
    var named: TopicPartition? {
        guard case .name(let name) = self.topic else { return nil }
        return TopicPartition(topic: name, partition: self.index)
    }

    /// The id of the topic, when that is what the assignment says.
    var topicID: TopicID? {
        guard case .id(let id) = self.topic else { return nil }
        return id
    }

    static func < (lhs: GroupPartition, rhs: GroupPartition) -> Bool {
        (lhs.topic, lhs.index) < (rhs.topic, rhs.index)
    }
}

/// The way from what the member has to what it is to have.
struct MembershipReconciliation: Equatable, Sendable {
    /// Tells one from those before a member lost everything.
    var number: Int
    /// To be given up before anything is reported.
    var revoked: Set<GroupPartition>
    /// To be read as well. Not both are empty.
    var added: Set<GroupPartition>
}

/// What the driver does next.
enum MembershipStep: Sendable {
    /// To be carried out by `KafkaCluster.carryOut`, and the end reported.
    case send(MembershipRequest, timeout: Duration)
    case wait(untilMs: Int64)
    case ended
}

/// What a membership has to ask. Most of it goes to the group's coordinator.
enum MembershipRequest: Sendable {
    case consumerHeartbeat(ConsumerGroupHeartbeatRequest)
    case join(JoinGroupRequest)
    case sync(SyncGroupRequest)
    case heartbeat(HeartbeatRequest)
    case leave(ClassicLeave)
    /// This member was made the leader: look up the topics that the group reads, and share their partitions out.
    case lead(ClassicLeadership)
    /// Look at the topics anew: they may have come, gone, or grown.
    case topics(TopicQuestion)
}

/// What a ``MembershipRequest`` of the same name came to. Error codes inside are the membership's business.
enum MembershipAnswer: Sendable {
    case consumerHeartbeat(ConsumerGroupHeartbeatResponse)
    case join(JoinGroupResponse)
    case sync(SyncGroupResponse)
    case heartbeat(HeartbeatResponse)
    case left
    case lead(ClassicLeadership.Outcome)
    /// The numbers of partitions by topic. Topics that do not exist are left out.
    case topics([String: Int])
}

/// Which topics are asked about.
enum TopicQuestion: Hashable, Sendable {
    case names(Set<String>)
    /// All, but of those that belong to the cluster itself only these.
    case all(internal: Set<String>)
}

/// What a classic member says when it leaves (LeaveGroup has two forms, and the broker decides which).
struct ClassicLeave: Hashable, Sendable {
    var groupID: String
    var memberID: String
    /// Shown in the log of the coordinator (KIP-800).
    var reason = "the consumer is being closed"
}

/// What an answer, or its absence, means to the driver.
enum MembershipReaction: Sendable {
    case none
    /// Give up, take on, and report with `released`.
    case reconcile(MembershipReconciliation)
    /// The group has given everything that the member had to others. It joins again by itself.
    case lose(KafkaClientError)
    /// The request is repeated by itself. The coordinator is to be looked up again, unless it only has to finish loading.
    case retry(KafkaClientError)
    /// The membership has ended for a reason that does not go away.
    case fail(KafkaClientError)
}
