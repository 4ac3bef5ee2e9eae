// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// What a consumer reads, and how. What Java calls an option stands beside each.
public struct KafkaConsumerConfiguration: Sendable {
    /// Who decides which partitions are read.
    public enum Subscription: Sendable {
        /// This program: these partitions, and where to begin in each. ``KafkaConsumer/assign(_:)`` changes them. With
        /// a group id (Java: `group.id`) offsets can be committed and ``ConsumerStart/committed`` has a meaning, but
        /// the group has no say in who reads what.
        case assignment([TopicPartition: ConsumerStart], groupID: String? = nil)
        /// A group, which shares its topics out among its members.
        case group(ConsumerGroupConfiguration)

        /// The group that offsets are committed in the name of.
        var groupID: String? {
            switch self {
            case .assignment(_, let groupID): groupID
            case .group(let group): group.groupID
            }
        }
    }

    /// What to read.
    public var subscription: Subscription
    /// Where to begin in a partition of which the group has committed nothing, or an offset that is not there. Default:
    /// the earliest, so that nothing is missed. Java: `auto.offset.reset`, with the default `latest`.
    public var offsetReset = OffsetReset.earliest
    /// Which records of transactions are read. Default: all. Java: `isolation.level`.
    public var isolation = ReadIsolation.readUncommitted
    /// How often offsets of what was processed are committed; they are also committed when partitions are given up and
    /// at the end. More than zero; nil: only when ``KafkaConsumer/commit()`` says so. Default: 5 seconds. Java:
    /// `enable.auto.commit`, `auto.commit.interval.ms`; there, what was fetched counts as processed.
    public var autoCommitInterval: Duration? = .seconds(5)

    /// How much may be fetched ahead, in bytes, over all partitions and brokers: what is buffered, what is in the
    /// receiver's hands, and what is asked for. A receiver that stalls stops fetching. On top of it comes, for each
    /// broker, one batch that is larger than its share, since brokers always send the first batch whole. At least 2;
    /// default: 64 MiB. Java has no such limit; librdkafka: `queued.max.messages.kbytes`.
    public var prefetchBytesMax = 64 * 1024 * 1024
    /// What one broker may send in one answer, in bytes. At least 1; default: 8 MiB. Above 16 MiB records may have to
    /// be copied, since a slice of a buffer cannot begin further in. Java: `fetch.max.bytes`, with the default 50 MiB.
    public var fetchBytesMax = 8 * 1024 * 1024
    /// A broker answers as soon as it has so many bytes. At least 0; default: 1. Java: `fetch.min.bytes`.
    public var fetchBytesMin = 1
    /// How long a broker waits for ``fetchBytesMin`` before it answers with less. From zero to one minute; default: 500
    /// ms. It is also how long a partition that is added, sought or resumed may wait while all others have nothing new.
    /// Java: `fetch.max.wait.ms`.
    public var fetchMaxWait: Duration = .milliseconds(500)
    /// What one partition may contribute to an answer, in bytes; while it has so much buffered, nothing is fetched from
    /// its broker. At least 1; default: 1 MiB. Java: `max.partition.fetch.bytes`.
    public var partitionBytesMax = 1024 * 1024
    /// Compare the checksum of every batch. Default: yes; it costs about one tenth of a second per GB. Java:
    /// `check.crcs`.
    public var checksCRCs = true

    /// How long the receiver may take until it asks for the next batch or record. Whoever takes longer is taken out of
    /// the group, and joins again when it asks. More than zero; default: 5 minutes. Without meaning without a group.
    /// Java: `max.poll.interval.ms`.
    public var maxPollInterval: Duration = .seconds(300)
    /// How long ``KafkaConsumer/close()`` waits for the batch or record that is being processed. At least zero;
    /// default: 30 seconds. Java: the argument of `close`.
    public var closeTimeout: Duration = .seconds(30)

    /// Called with every event at the moment that it happens, before ``KafkaConsumer/events`` has it. Partitions that are
    /// revoked are still this consumer's during the call: the group may give them to others only afterwards. It must not
    /// block, since heartbeats wait for it; default: nil. Java: `ConsumerRebalanceListener`.
    public var onEvent: (@Sendable (KafkaConsumerEvent) -> Void)?

    /// A consumer with the defaults.
    public init(subscription: Subscription) { self.subscription = subscription }

    /// A member of a group with the defaults.
    public init(group groupID: String, topics: [String]) {
        self.init(subscription: .group(ConsumerGroupConfiguration(groupID, topics: .names(topics))))
    }

    /// The longest ``fetchMaxWait``: what is sought, added or closed meanwhile may wait as long.
    static let fetchMaxWaitMax = Duration.seconds(60)

    /// Throws `invalidRequest` for what makes no sense.
    func validate() throws(KafkaClientError) {
        func require(_ condition: Bool, _ message: String) throws(KafkaClientError) {
            guard condition else { throw KafkaClientError(.invalidRequest, message) }
        }
        try require(self.prefetchBytesMax >= 2, "prefetchBytesMax is at least 2, and not \(self.prefetchBytesMax)")
        try require(self.fetchBytesMax >= 1, "fetchBytesMax is at least 1, and not \(self.fetchBytesMax)")
        try require(self.fetchBytesMin >= 0, "fetchBytesMin is at least 0, and not \(self.fetchBytesMin)")
        try require(self.partitionBytesMax >= 1, "partitionBytesMax is at least 1, and not \(self.partitionBytesMax)")
        try require(
            self.fetchMaxWait >= .zero && self.fetchMaxWait <= Self.fetchMaxWaitMax,
            "fetchMaxWait is zero to one minute, and not \(self.fetchMaxWait)")
        try require(
            self.autoCommitInterval.map { $0 > .zero } ?? true,
            "autoCommitInterval is more than zero, or nil to commit only on demand")
        try require(self.maxPollInterval > .zero, "maxPollInterval is more than zero, and not \(self.maxPollInterval)")
        try require(self.closeTimeout >= .zero, "closeTimeout is not negative, and not \(self.closeTimeout)")
        try require(self.subscription.groupID != "", "the group id is empty")
        if case .group(let group) = self.subscription { try group.validate() }
    }
}
