// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How a consumer takes part in a group. What Java calls an option stands beside each.
public struct ConsumerGroupConfiguration: Sendable {
    /// Which topics are wanted.
    public enum Topics: Sendable, Hashable {
        /// These, whether they exist yet or not.
        case names([String])
        /// All whose whole name matches, now and later. Under the consumer protocol the broker looks for them, in RE2's
        /// syntax; under the classic one this client does, in Swift's.
        case regex(String)
    }

    /// How the members of the group agree on who reads what. Java: `group.protocol`.
    public enum GroupProtocol: Sendable {
        /// KIP-848: the broker decides, and partitions move one by one. Needs Kafka 4.0 or Martlet. `assignor` is one
        /// of the broker's, for example `uniform` or `range`, nil for what it prefers (Java: `group.remote.assignor`).
        /// `weight` is what this member can carry beside the others, 0 to ``ConsumerGroupConfiguration/weightMax``, 0
        /// to drain it, nil for what is usual; only Martlet's assignor `weighted` looks at it.
        case consumer(assignor: String? = nil, weight: Int32? = nil)
        /// JoinGroup and SyncGroup: one member shares the partitions out for all, by one of these assignors, the most
        /// wanted first, that all members know (Java: `partition.assignment.strategy`). Every broker has it. If all are
        /// cooperative, members keep reading what stays theirs.
        case classic([any ClassicAssignor])
    }

    /// The largest weight.
    public static let weightMax: Int32 = 1_000_000

    /// The name of the group. Not empty. Java: `group.id`.
    public var groupID: String
    /// What to read.
    public var topics: Topics
    /// How members agree. Default: the consumer protocol.
    public var `protocol` = GroupProtocol.consumer()
    /// An id that outlives restarts (KIP-345): whoever comes back with it soon gets the same partitions. Not empty;
    /// default: none. Java: `group.instance.id`.
    public var instanceID: String?
    /// Where this consumer runs, for assignors that look at it. Default: not told. Java: `client.rack`. It is not used
    /// to read from a follower: leaders are read from (KIP-392 is not used).
    public var rackID: String?
    /// How long the group waits for this member to give up partitions: longer than a batch may take to be processed.
    /// More than zero; default: 5 minutes. Java: `max.poll.interval.ms`.
    public var rebalanceTimeout: Duration = .seconds(300)
    /// Classic protocol only: after this time without a heartbeat the group takes the member for dead. The broker has
    /// its limits, usually 6 seconds to 30 minutes. Default: 45 seconds. Java: `session.timeout.ms`.
    public var sessionTimeout: Duration = .seconds(45)
    /// Classic protocol only: how often the member says that it lives. More than zero, a third of ``sessionTimeout`` at
    /// most; default: 3 seconds. Java: `heartbeat.interval.ms`.
    public var heartbeatInterval: Duration = .seconds(3)
    /// Classic protocol only: how often it is looked whether topics have come, gone, or grown. More than zero; default:
    /// 5 minutes. Java: `metadata.max.age.ms`.
    public var topicsInterval: Duration = .seconds(300)

    /// A member with the defaults.
    public init(_ groupID: String, topics: Topics) {
        self.groupID = groupID
        self.topics = topics
    }

    /// Throws `invalidRequest` for what no broker would take.
    func validate() throws(KafkaClientError) {
        guard !self.groupID.isEmpty else { throw KafkaClientError(.invalidRequest, "the group id is empty") }
        switch self.topics {
        case .names(let names) where names.isEmpty || names.contains(""):
            throw KafkaClientError(.invalidRequest, "group \(self.groupID): no topics to read")
        case .regex(let regex) where regex.isEmpty:
            throw KafkaClientError(.invalidRequest, "group \(self.groupID): the regular expression is empty")
        default:
            break
        }
        guard self.instanceID != "" else { throw KafkaClientError(.invalidRequest, "the instance id is empty") }
        guard self.rebalanceTimeout > .zero else {
            throw KafkaClientError(
                .invalidRequest, "rebalanceTimeout is more than zero, and not \(self.rebalanceTimeout)")
        }
        switch self.protocol {
        case .consumer(_, let weight):
            if let weight { try Self.validate(weight: weight) }
        case .classic(let assignors):
            if case .regex(let regex) = self.topics, (try? Regex(regex)) == nil {
                throw KafkaClientError(
                    .invalidRequest, "group \(self.groupID): \(regex) is no regular expression that Swift understands")
            }
            try self.ofClassicProtocol(assignors).validate()
        }
    }

    static func validate(weight: Int32) throws(KafkaClientError) {
        guard (0...Self.weightMax).contains(weight) else {
            throw KafkaClientError(.invalidRequest, "a weight is 0 to \(Self.weightMax), and not \(weight)")
        }
    }
}
