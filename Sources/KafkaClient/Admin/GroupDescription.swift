// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// What a group is doing. The set is open: brokers may know states that this client does not.
public struct GroupState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// Kafka's name of the state.
    public var rawValue: String

    /// Any name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// It has no members; committed offsets keep it alive.
    public static let empty = GroupState(rawValue: "Empty")
    /// All members have what they are to have.
    public static let stable = GroupState(rawValue: "Stable")
    /// A classic group waits for its members to join.
    public static let preparingRebalance = GroupState(rawValue: "PreparingRebalance")
    /// A classic group waits for its leader to share the partitions out.
    public static let completingRebalance = GroupState(rawValue: "CompletingRebalance")
    /// A consumer group is about to share the partitions out (KIP-848).
    public static let assigning = GroupState(rawValue: "Assigning")
    /// Members of a consumer group are on their way to what they are to have (KIP-848).
    public static let reconciling = GroupState(rawValue: "Reconciling")
    /// There is no such group.
    public static let dead = GroupState(rawValue: "Dead")

    /// The states that are known here, in the order of a group's life.
    public static let all: [GroupState] = [
        .preparingRebalance, .completingRebalance, .assigning, .reconciling, .stable, .empty, .dead,
    ]

    /// Kafka's name.
    public var description: String { self.rawValue }
}

/// The protocol that a group speaks. The set is open.
public struct GroupType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// Kafka's name in lower case: brokers do not agree on the case.
    public let rawValue: String

    /// Any name, in any case.
    public init(rawValue: String) { self.rawValue = rawValue.lowercased() }

    /// JoinGroup and SyncGroup, where a member shares the partitions out.
    public static let classic = GroupType(rawValue: "classic")
    /// ConsumerGroupHeartbeat, where the broker shares them out (KIP-848).
    public static let consumer = GroupType(rawValue: "consumer")

    /// Kafka's name in lower case.
    public var description: String { self.rawValue }
}

/// A group as ListGroups shows it.
public struct GroupListing: Sendable {
    /// Its name.
    public var groupID: String
    /// `consumer` for consumers, `connect` for workers of Kafka Connect; empty for a group that has only offsets.
    public var protocolType: String
    /// Nil from brokers before 2.6.
    public var state: GroupState?
    /// Nil from brokers before 3.7, whose groups are all classic.
    public var type: GroupType?
}

/// A group and its members.
public struct GroupDescription: Sendable {
    /// Its name.
    public var groupID: String
    /// Which protocol it speaks.
    public var type: GroupType
    /// What it is doing.
    public var state: GroupState
    /// As in ``GroupListing/protocolType``.
    public var protocolType: String
    /// The broker that looks after it.
    public var coordinator: BrokerDescription
    /// How the partitions are shared out; empty while nobody has decided.
    public var assignor: String
    /// Counts the changes of a consumer group; nil for classic groups.
    public var groupEpoch: Int32?
    /// The group epoch for which partitions were shared out last; nil for classic groups.
    public var assignmentEpoch: Int32?
    /// Ascending by client id, then by member id.
    public var members: [GroupMember]
}

/// One member of a group.
public struct GroupMember: Sendable {
    /// The id that the group knows it by.
    public var memberID: String
    /// The id that outlives restarts, for static members (KIP-345).
    public var instanceID: String?
    /// Where it runs, if it says so.
    public var rackID: String?
    /// How the client names itself.
    public var clientID: String
    /// Where it connected from.
    public var clientHost: String
    /// How far it has followed the group; nil in classic groups.
    public var memberEpoch: Int32?
    /// It speaks the classic protocol, in whatever type of group; nil when the broker does not say.
    public var usesClassicProtocol: Bool?
    /// The topics it asked for, ascending.
    public var subscribedTopics: [String]
    /// The topics it asked for as a regular expression.
    public var subscribedRegex: String?
    /// The partitions that it has, ascending.
    public var assignment: [TopicPartition]
    /// The partitions that it is to have once others have let go of them, ascending; nil in classic groups.
    public var targetAssignment: [TopicPartition]?
    /// Its subscription or assignment is not in the format of consumers, or damaged; they are empty then.
    public var isUnreadable = false
}

/// How far a group has come in one partition.
public struct GroupOffset: Sendable {
    /// The next offset that the group will read.
    public var offset: Offset
    /// The epoch of the leader that wrote the last record that was read; `none` when the group did not say.
    public var leaderEpoch: LeaderEpoch
    /// What the group stored beside the offset.
    public var metadata: String
    /// The end of the partition, when it was asked for and its leader answered.
    public var endOffset: Offset?
    /// How many offsets lie before the end: no more records than that. Never negative; nil as for the end.
    public var lag: Int64?
    /// How long the record that the group reads next has been waiting, by its timestamp; zero when there is none. Only
    /// Martlet's brokers tell.
    public var timeLag: Duration?
}

/// A member that is to be taken out of its group.
public enum GroupMemberReference: Hashable, Sendable, CustomStringConvertible {
    /// By the id that the coordinator gave it.
    case memberID(String)
    /// A static member, by its `group.instance.id`.
    case instanceID(String)

    /// For messages.
    public var description: String {
        switch self {
        case .memberID(let id): "member \(id)"
        case .instanceID(let id): "static member \(id)"
        }
    }
}
