// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
public import KafkaTypes
import KafkaWire

/// What the cluster said last about its brokers and topics. It may be out of date: a broker that is asked in vain says
/// so, and the cache is refreshed then.
///
/// Answers come from different brokers, some of them behind the others. So of a partition nothing is taken that belongs
/// to an older leader epoch than what is known already (KIP-320), as long as the topic is the same.
struct MetadataCache: Sendable {
    struct Topic: Sendable {
        var description: TopicDescription
        /// When it was said, on the clock of the caller.
        var receivedAt: Duration
        /// A broker contradicted it: it counts as unknown, but for its leader epochs.
        var isContradicted = false
    }

    /// Counts the answers that were taken in. A copy of the cache with a smaller number is an older one.
    private(set) var version = 0
    private(set) var clusterID: String?
    private(set) var brokers: [NodeID: BrokerAddress] = [:]
    private(set) var racks: [NodeID: String] = [:]
    private(set) var controller: NodeID?
    private var topics: [String: Topic] = [:]

    /// What is known of a topic and was not contradicted.
    func topic(_ name: String) -> TopicDescription? {
        self.topics[name].flatMap { $0.isContradicted ? nil : $0.description }
    }

    /// How long ago that was said; nil for what is not known.
    func age(ofTopic name: String, now: Duration) -> Duration? {
        self.topics[name].flatMap { $0.isContradicted ? nil : now - $0.receivedAt }
    }

    mutating func update(_ response: MetadataResponse, now: Duration) {
        self.version += 1
        let cluster = ClusterDescription(response)
        self.clusterID = cluster.clusterID ?? self.clusterID
        // A broker that just starts may not know the others yet: an empty list would leave nobody to ask.
        if !cluster.brokers.isEmpty {
            self.brokers = Dictionary(cluster.brokers.map { ($0.nodeID, $0.address) }) { _, last in last }
            self.racks = Dictionary(cluster.brokers.compactMap { broker in broker.rack.map { (broker.nodeID, $0) } }) {
                _, last in last
            }
        }
        self.controller = cluster.controller
        for topic in response.topics.map(TopicDescription.init) {
            guard topic.errorCode == .none else {
                // Its epochs are forgotten, too: what has this name next may be another topic.
                if topic.errorCode == .unknownTopicOrPartition { self.topics[topic.name] = nil }
                self.contradict(topic: topic.name)
                continue
            }
            let merged = Self.merge(topic, into: self.topics[topic.name]?.description)
            self.topics[topic.name] = Topic(description: merged, receivedAt: now)
        }
    }

    /// The new description, with the partitions of the old one that are known of a newer epoch.
    private static func merge(_ new: TopicDescription, into old: TopicDescription?) -> TopicDescription {
        // Without an identity, a topic that was made anew, whose epochs begin again, looks like the old one.
        guard let old, let id = new.topicID, old.topicID == id else { return new }
        var merged = new
        for index in merged.partitions.indices {
            guard let known = old.partition(merged.partitions[index].index) else { continue }
            let epoch = merged.partitions[index].leaderEpoch
            if epoch.rawValue >= 0, epoch.rawValue < known.leaderEpoch.rawValue { merged.partitions[index] = known }
        }
        return merged
    }

    /// A broker said that something known of this topic is not so.
    mutating func contradict(topic: String) { self.topics[topic]?.isContradicted = true }

    mutating func forgetController() { self.controller = nil }

    /// Forgets the brokers: the next question goes to those of the configuration.
    mutating func forgetCluster() {
        let version = self.version
        self = MetadataCache()
        self.version = version + 1
    }

    /// The leader of a partition and its address, nil when not known.
    func leader(of partition: TopicPartition) -> (node: NodeID, address: BrokerAddress)? {
        guard let leader = self.topic(partition.topic)?.partition(partition.partition)?.leader,
            let address = self.brokers[leader]
        else { return nil }
        return (leader, address)
    }
}

extension TopicDescription {
    /// The partition with this index. Constant time when the broker listed all of them.
    public func partition(_ index: PartitionIndex) -> PartitionDescription? {
        let position = Int(index.rawValue)
        if self.partitions.indices.contains(position), self.partitions[position].index == index {
            return self.partitions[position]
        }
        return self.partitions.first { $0.index == index }
    }
}
