// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

/// A way to share the partitions of a group out among its members, in the classic protocol (`partition.assignment.strategy`).
///
/// Each member offers the assignors it knows, the coordinator picks one that all of them offer, and one member, the
/// leader, carries it out for all. So assignors of one name must agree, whatever library they come with: ``name`` says
/// which rules are meant. The library brings ``RangeAssignor``, ``RoundRobinAssignor``, ``StickyAssignor`` and
/// ``CooperativeStickyAssignor``, which agree with those of Kafka's Java client and of librdkafka.
public protocol ClassicAssignor: Sendable {
    /// What the members call it, for example `range`. Two assignors of one consumer must not have the same name.
    var name: String { get }

    /// Members keep what they have while the group shares out anew, and give up only what goes to others (KIP-429).
    /// When all assignors of a consumer are cooperative, it is; otherwise it gives everything up before it joins.
    ///
    /// An assignor need not care who has what at present: a partition that is to move is held back for one generation
    /// by the library, until its owner has given it up.
    var isCooperative: Bool { get }

    /// What a member tells the leader beside its subscription, in bytes that only assignors of this name understand; nil
    /// for nothing, which is the default.
    func userData(of member: ClassicMemberHistory) -> ByteBuffer?

    /// Shares out. The result has the partitions of each member, by member id; members that are left out get nothing.
    ///
    /// Every partition of a topic to which a member is subscribed has to be given to one member that is subscribed to
    /// it. It is called on the leader only, with members ascending by id, on the task that runs the consumer. What it
    /// throws ends the leader's consumer.
    func assign(_ problem: ClassicAssignmentProblem) throws -> [String: [TopicPartition]]
}

extension ClassicAssignor {
    /// False.
    public var isCooperative: Bool { false }
    /// Nil.
    public func userData(of member: ClassicMemberHistory) -> ByteBuffer? { nil }
}

/// What a member had, when it joins again.
public struct ClassicMemberHistory: Sendable {
    /// The topics to which it is subscribed, ascending.
    public var topics: [String]
    /// What it was given last, ascending. It may have given that up since, or lost it to others.
    public var lastAssignment: [TopicPartition]
    /// The generation in which it was given that; nil for none.
    public var generation: Int32?
}

/// A group as its leader sees it.
public struct ClassicAssignmentProblem: Sendable {
    /// Ascending by member id.
    public var members: [ClassicGroupMember]
    /// How many partitions the topics have to which members are subscribed. Topics that do not exist are left out.
    public var partitionCounts: [String: Int]

    /// A group, for tests of assignors.
    public init(members: [ClassicGroupMember], partitionCounts: [String: Int]) {
        self.members = members.sorted { $0.memberID < $1.memberID }
        self.partitionCounts = partitionCounts
    }
}

/// A member of a group, as its leader sees it. Everything but the id is what the member itself says: it may be wrong.
public struct ClassicGroupMember: Sendable {
    /// The id that the coordinator gave it.
    public var memberID: String
    /// Its `group.instance.id` (KIP-345).
    public var instanceID: String?
    /// What it is subscribed to, without repetitions.
    public var topics: Set<String>
    /// What it has at present and means to keep (KIP-429); empty in groups that are not cooperative. There may be
    /// partitions among them that do not exist, and some that others claim, too.
    public var owned: [TopicPartition] = []
    /// The generation in which it was given ``owned`` (KIP-792): of two claims, the later one is right. Nil from clients
    /// that do not say.
    public var generation: Int32?
    /// Its `client.rack` (KIP-881).
    public var rackID: String?
    /// What its assignor of this name says, see ``ClassicAssignor/userData(of:)``.
    public var userData: ByteBuffer?

    /// A member that has nothing yet.
    public init(memberID: String, topics: Set<String>) {
        self.memberID = memberID
        self.topics = topics
    }
}
