// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Shares out the partitions of a group's topics among its members: a pure function, on the coordinator (KIP-848).
public protocol PartitionAssignor: Sendable {
    /// What members ask for it by (`group.remote.assignor`).
    static var name: String { get }

    /// The partitions of each member. Every partition of a topic that somebody subscribed to goes to exactly one of its
    /// subscribers; the same input gives the same result.
    static func assign(_ input: AssignmentInput) -> [String: PartitionSet]

    /// Whether `assign` would leave all members what `input` says they have. To be asked when all have arrived at the
    /// assignment that they were given: an assignor that moves few partitions at a time answers false until it is done,
    /// and wants to assign again.
    static func isSettled(_ input: AssignmentInput) -> Bool
}

extension PartitionAssignor {
    /// One assignment is enough.
    public static func isSettled(_ input: AssignmentInput) -> Bool { true }
}

/// What an assignor knows.
public struct AssignmentInput: Sendable {
    /// All members by id.
    public var members: [String: Member]
    /// All topics that a member subscribed to and that exist.
    public var topics: [TopicID: TopicFacts]

    /// A member and what it has now.
    public struct Member: Sendable {
        /// `group.instance.id` of a static member.
        public var instanceID: String?
        /// Where the member runs, if it says.
        public var rackID: String?
        /// Topics that it wants and that exist.
        public var subscribed: Set<TopicID>
        /// What the target assignment before this one gave it.
        public var assigned: PartitionSet
        /// What it can carry beside the others; 0 for a member that is to be drained. Only `weighted` looks at it.
        public var weight: Int32

        /// A member of `defaultWeight`.
        public init(
            instanceID: String? = nil, rackID: String? = nil, subscribed: Set<TopicID>,
            assigned: PartitionSet = PartitionSet(), weight: Int32 = Self.defaultWeight
        ) {
            self.instanceID = instanceID
            self.rackID = rackID
            self.subscribed = subscribed
            self.assigned = assigned
            self.weight = weight
        }

        /// The weight of a member that nobody gave one.
        public static let defaultWeight: Int32 = 100
    }

    /// Topics in `subscribed` must be in `topics`.
    public init(members: [String: Member], topics: [TopicID: TopicFacts]) {
        self.members = members
        self.topics = topics
    }
}
