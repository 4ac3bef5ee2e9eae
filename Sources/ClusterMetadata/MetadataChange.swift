// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// One change of the cluster's metadata. What a store keeps, in the order it was made.
///
/// A change carries everything it needs: applying it draws no random numbers and reads no clock, so the same
/// changes give the same image everywhere.
public enum MetadataChange: Sendable, Hashable {
    /// The first change of every store: whose it is.
    case initializeCluster(clusterID: String, nodeID: NodeID)
    /// A new topic, whole.
    case createTopic(TopicImage)
    /// A topic and everything about it goes.
    case deleteTopic(TopicID)
    /// More partitions for a topic, numbered on from its last.
    case addPartitions(TopicID, [PartitionImage])
    /// The configs set on a topic are now these, and no others.
    case setTopicConfigs(TopicID, [String: String])
    /// The configs set at run time are now these: for one broker, or for all (nil).
    case setBrokerConfigs(NodeID?, [String: String])
    /// The configs set on a group are now these, and no others. The group need not exist.
    case setGroupConfigs(String, [String: String])
    /// Another leader, or another set of replicas up to date.
    case setPartitionState(TopicID, PartitionIndex, leader: NodeID, leaderEpoch: LeaderEpoch, isr: [NodeID])
    /// Producer ids below this one are handed out.
    case reserveProducerIDs(next: ProducerID)
}
