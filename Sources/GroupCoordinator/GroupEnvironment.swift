// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// When something happens, by both clocks.
public struct GroupTime: Sendable, Hashable {
    /// Milliseconds since some moment in the past; never goes back. All time-outs count by it.
    public var monotonicMs: Int64
    /// Milliseconds since 1970. Only ever data: what records and answers say.
    public var wallMs: Int64

    /// Both readings are of the same moment.
    public init(monotonicMs: Int64, wallMs: Int64) {
        self.monotonicMs = monotonicMs
        self.wallMs = wallMs
    }
}

/// What a topic is to a group.
public struct TopicFacts: Sendable, Hashable {
    /// Changes when a topic is deleted and made again.
    public let id: TopicID
    /// The topic's name.
    public let name: String
    /// Its partitions are 0 up to this, excluded.
    public let partitionCount: Int32

    /// Nothing is checked.
    public init(id: TopicID, name: String, partitionCount: Int32) {
        self.id = id
        self.name = name
        self.partitionCount = partitionCount
    }
}

/// The topics that there are at this moment. Cheap to make and to hand on.
public protocol TopicsView: Sendable {
    /// Grows whenever a topic is made, deleted or gets partitions, so that groups need not compare all topics.
    var version: Int64 { get }

    /// The topic of that name; nil when there is none.
    func topic(named name: String) -> TopicFacts?

    /// The topic of that id; nil when there is none.
    func topic(id: TopicID) -> TopicFacts?

    /// The names of all topics that the whole of `pattern`, a regular expression, matches, but no internal ones.
    /// Sorted. Linear in the number of topics.
    func names(matching pattern: String) throws(TopicPatternError) -> [String]
}

/// Why a regular expression cannot be used: what is wrong with it, and where.
public struct TopicPatternError: Error, Sendable, CustomStringConvertible {
    /// A sentence for whoever wrote the expression.
    public let description: String

    /// The sentence.
    public init(_ description: String) { self.description = description }
}

/// What a command may look at besides the state of its shard: the time, the topics, the configs.
public struct GroupEnvironment: Sendable {
    /// When the command runs.
    public var now: GroupTime
    /// The topics that there are.
    public var topics: any TopicsView
    /// The configs in force.
    public var settings: GroupSettings

    /// For one command.
    public init(now: GroupTime, topics: any TopicsView, settings: GroupSettings) {
        self.now = now
        self.topics = topics
        self.settings = settings
    }
}

/// The number by which a request that is under way is known to the shard until its answer comes. Unique among those of
/// one shard.
public struct RequestToken: Hashable, Sendable {
    /// Any number.
    public let rawValue: UInt64

    /// Any number that no other request under way has.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Who asks, and as which request.
public struct GroupCall: Sendable {
    /// What the answer is to be given under.
    public let token: RequestToken
    /// The version of the request, where it decides what a field means.
    public let apiVersion: Int16
    /// What the client calls itself, empty when it does not.
    public let clientID: String
    /// The client's address as Kafka writes it into records: `/127.0.0.1`.
    public let clientHost: String
    /// A random id that nobody has been given: for a member that comes without one.
    public let freshID: UUID128

    /// All of it is data to the coordinator.
    public init(token: RequestToken, apiVersion: Int16, clientID: String, clientHost: String, freshID: UUID128) {
        self.token = token
        self.apiVersion = apiVersion
        self.clientID = clientID
        self.clientHost = clientHost
        self.freshID = freshID
    }
}
