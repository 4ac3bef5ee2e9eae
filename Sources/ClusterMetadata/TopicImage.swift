// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// One partition as the cluster knows it.
public struct PartitionImage: Sendable, Hashable {
    /// The broker that takes its writes; `.none` while there is none.
    public var leader: NodeID
    /// Grows with each change of leader; 0 for a new partition.
    public var leaderEpoch: LeaderEpoch
    /// All brokers that have a copy, the preferred leader first; never empty, none twice.
    public var replicas: [NodeID]
    /// The replicas that are up to date; none that is not in `replicas`.
    public var isr: [NodeID]

    /// A partition with these replicas, all of them up to date and the first of them leading unless told otherwise.
    public init(replicas: [NodeID], leader: NodeID? = nil, leaderEpoch: LeaderEpoch = 0, isr: [NodeID]? = nil) {
        self.replicas = replicas
        self.leader = leader ?? replicas.first ?? .none
        self.leaderEpoch = leaderEpoch
        self.isr = isr ?? replicas
    }
}

/// One topic as the cluster knows it.
public struct TopicImage: Sendable, Hashable {
    /// Its name, which another topic may have after it is deleted.
    public let name: String
    /// Its identity, which no other topic ever has.
    public let id: TopicID
    /// Its partitions; the index is the partition's number. Never empty.
    public internal(set) var partitions: [PartitionImage]
    /// The configs set on it, by name; the rest come from the broker.
    public internal(set) var configs: [String: String]

    /// A topic; nothing is checked here, see ``ClusterImage/applying(_:)``.
    public init(name: String, id: TopicID, partitions: [PartitionImage], configs: [String: String] = [:]) {
        self.name = name
        self.id = id
        self.partitions = partitions
        self.configs = configs
    }

    /// Whether the cluster keeps this topic for itself.
    public var isInternal: Bool { TopicName.internalTopics.contains(self.name) }

    /// The partition of that number, nil if the topic has none such.
    public func partition(_ index: PartitionIndex) -> PartitionImage? {
        let position = Int(index.rawValue)
        return self.partitions.indices.contains(position) ? self.partitions[position] : nil
    }
}
