// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Why a change of the cluster's metadata was refused or could not be kept.
public struct MetadataError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is. An open set: new kinds may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The kind's name, for logs and tests.
        public let description: String

        /// The name is not one a topic can have, or collides with another's.
        public static let invalidTopicName = Code(description: "invalidTopicName")
        /// A topic of that name exists.
        public static let topicAlreadyExists = Code(description: "topicAlreadyExists")
        /// No topic has that name.
        public static let unknownTopic = Code(description: "unknownTopic")
        /// No topic has that id.
        public static let unknownTopicID = Code(description: "unknownTopicID")
        /// The topic has no such partition.
        public static let unknownPartition = Code(description: "unknownPartition")
        /// The number of partitions is not possible.
        public static let invalidPartitions = Code(description: "invalidPartitions")
        /// There are not as many brokers as replicas are asked for.
        public static let invalidReplicationFactor = Code(description: "invalidReplicationFactor")
        /// The replicas are not consistently assigned, or to brokers that there are not.
        public static let invalidReplicaAssignment = Code(description: "invalidReplicaAssignment")
        /// The change is older than what is known: its leader epoch is not above the present one.
        public static let staleLeaderEpoch = Code(description: "staleLeaderEpoch")
        /// One of this module's limits is reached.
        public static let limitReached = Code(description: "limitReached")
        /// The store belongs to another cluster or another node.
        public static let identityMismatch = Code(description: "identityMismatch")
        /// The store holds something that this version cannot read.
        public static let incompatibleStore = Code(description: "incompatibleStore")
        /// The store could not be read or written; `cause` tells more.
        public static let storage = Code(description: "storage")
    }

    /// What kind of failure it is.
    public let code: Code
    /// A whole sentence without a full stop, fit to be shown to whoever asked.
    public let message: String
    /// The error below, if there is one.
    public let cause: (any Error)?

    /// An error with a message made to be shown.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The message, with the cause's.
    public var description: String {
        guard let cause = self.cause else { return self.message }
        return "\(self.message): \(cause)"
    }
}
