// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// How a consumer takes part in a group.
public struct GroupConsumerConfiguration: Sendable {
    /// Which topics are wanted.
    public enum Topics: Sendable, Hashable {
        /// These, whether they exist yet or not.
        case names([String])
        /// All whose whole name matches, now and later, as the broker understands it: RE2 syntax.
        case regex(String)
    }

    /// Where to begin in a partition of which the group has committed nothing, or an offset that is not there any more.
    public enum OffsetReset: Sendable, Hashable {
        /// With the first record that is there.
        case earliest
        /// With records that are written from now on.
        case latest
        /// Not at all: an error.
        case fail
    }

    /// The largest weight.
    public static let weightMax: Int32 = 1_000_000

    /// The name of the group: `group.id`.
    public var groupID: String
    /// What to read.
    public var topics: Topics
    /// An id that outlives restarts (KIP-345): whoever comes back with it soon gets the same partitions.
    public var instanceID: String?
    /// Where this consumer runs: `client.rack`.
    public var rackID: String?
    /// How the broker shares the partitions out, for example `uniform` or `range`; nil for what it prefers.
    public var assignor: String?
    /// What this member can carry beside the others, 0 to ``weightMax``; 0 drains it. Only Martlet's brokers and their
    /// assignor `weighted` look at it. Nil for what the broker takes for usual.
    public var weight: Int32?
    /// How long the broker waits for this member to give up partitions: longer than a batch may take to be processed.
    public var rebalanceTimeout: Duration = .seconds(300)
    /// Where to begin.
    public var offsetReset = OffsetReset.earliest
    /// How often offsets are committed while reading goes on; they are also committed when partitions are given up, and
    /// at the end.
    public var commitInterval: Duration = .seconds(5)
    /// How to read. Its `outOfRangePolicy` is not used: `offsetReset` says what to do.
    public var reading = ReadConfiguration()

    /// A member of a group with the defaults.
    public init(groupID: String, topics: Topics) {
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
        if let weight = self.weight { try Self.validate(weight: weight) }
    }

    static func validate(weight: Int32) throws(KafkaClientError) {
        guard (0...Self.weightMax).contains(weight) else {
            throw KafkaClientError(.invalidRequest, "a weight is 0 to \(Self.weightMax), and not \(weight)")
        }
    }
}

/// What a receiver of batches wants next.
public enum GroupConsumerDecision: Sendable, Hashable {
    /// The batch is done: its offsets may be committed. Go on.
    case more
    /// Leave the group. Of this batch, what comes before the offset is done.
    case stop(at: Offset)
}

/// What a consumer tells of its life in the group, beside the records.
public enum GroupConsumerEvent: Sendable {
    /// These partitions are read from now on, beside those from before.
    case assigned([TopicPartition])
    /// These partitions are read no more; what was done of them has been committed.
    case revoked([TopicPartition])
    /// The group has given these partitions to others without waiting, for example because heartbeats did not get
    /// through. What was done since the last commit will be read again. The consumer joins again by itself.
    case lost([TopicPartition], KafkaClientError)
    /// Reading begins elsewhere than where the group was, because that offset is not in the partition; `from` is nil
    /// when the group had committed nothing.
    case reset(TopicPartition, from: Offset?, to: Offset)
    /// Something failed and is tried again.
    case retrying(KafkaClientError)
    /// Offsets could not be committed; they are with the next commit, unless it was the last.
    case commitFailed(KafkaClientError)
}
