// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import KafkaWire

import KafkaMessages

/// A cluster and its brokers, as the broker that was asked sees them.
public struct ClusterDescription: Sendable {
    /// The cluster's own name, nil from a broker that has none.
    public var clusterID: String?
    /// The broker that carries out changes, nil while there is none.
    public var controller: NodeID?
    /// Ascending by node id.
    public var brokers: [BrokerDescription]
}

/// One broker of a cluster.
public struct BrokerDescription: Hashable, Sendable {
    /// Its number in the cluster.
    public var nodeID: NodeID
    /// Where clients are told to reach it: its `advertised.listeners`.
    public var address: BrokerAddress
    /// Where it stands, for placing replicas apart; nil when not configured.
    public var rack: String?
}

/// A topic and its partitions, or why it cannot be described.
public struct TopicDescription: Sendable {
    /// The name that was asked for.
    public var name: String
    /// The identity of the topic (KIP-516); nil from brokers before 2.8.
    public var topicID: TopicID?
    /// The topic belongs to the cluster itself, like `__consumer_offsets`.
    public var isInternal: Bool
    /// `none`, or for example `unknownTopicOrPartition`; the rest means nothing then.
    public var errorCode: ErrorCode
    /// Ascending by index.
    public var partitions: [PartitionDescription]
}

/// One partition of a topic: who has it.
public struct PartitionDescription: Sendable {
    /// The number of the partition, from 0.
    public var index: PartitionIndex
    /// The broker that writes it and answers for it, nil while there is none.
    public var leader: NodeID?
    /// Counts the leaders there have been; `none` from brokers before 2.1.
    public var leaderEpoch: LeaderEpoch
    /// The brokers that have a copy, the preferred leader first.
    public var replicas: [NodeID]
    /// The replicas that are up to date.
    public var isr: [NodeID]
    /// The replicas that are out of reach.
    public var offlineReplicas: [NodeID]
    /// `none`, or why the partition has no leader.
    public var errorCode: ErrorCode
}

extension ClusterDescription {
    init(_ response: MetadataResponse) {
        self.clusterID = response.clusterID
        self.controller = NodeID(response.controllerID).unlessNone
        self.brokers = response.brokers
            .map { broker in
                let address = BrokerAddress(host: broker.host, port: Int(broker.port))
                return BrokerDescription(nodeID: NodeID(broker.nodeID), address: address, rack: broker.rack)
            }
            .sorted { $0.nodeID < $1.nodeID }
    }
}

extension TopicDescription {
    init(_ topic: MetadataResponse.MetadataResponseTopic) {
        self.name = topic.name ?? ""
        self.topicID = topic.topicID == .zero ? nil : topic.topicID
        self.isInternal = topic.isInternal
        self.errorCode = ErrorCode(rawValue: topic.errorCode)
        self.partitions = topic.partitions.map(PartitionDescription.init).sorted { $0.index < $1.index }
    }
}

extension PartitionDescription {
    init(_ partition: MetadataResponse.MetadataResponsePartition) {
        self.index = PartitionIndex(partition.partitionIndex)
        self.leader = NodeID(partition.leaderID).unlessNone
        self.leaderEpoch = LeaderEpoch(partition.leaderEpoch)
        self.replicas = partition.replicaNodes.map { NodeID($0) }
        self.isr = partition.isrNodes.map { NodeID($0) }
        self.offlineReplicas = partition.offlineReplicas.map { NodeID($0) }
        self.errorCode = ErrorCode(rawValue: partition.errorCode)
    }
}

extension NodeID {
    /// Nil for the wire's -1.
    var unlessNone: NodeID? { self.rawValue < 0 ? nil : self }
}
