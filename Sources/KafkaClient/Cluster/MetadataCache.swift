// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
public import KafkaTypes
import KafkaWire

/// What the cluster said last about its brokers and topics. It may be out of date: a broker that is asked in vain says
/// so, and the cache is refreshed then.
struct MetadataCache: Sendable {
    private(set) var brokers: [NodeID: BrokerAddress] = [:]
    private(set) var controller: NodeID?
    private(set) var topics: [String: TopicDescription] = [:]

    mutating func update(_ response: MetadataResponse) {
        let cluster = ClusterDescription(response)
        // A broker that just starts may not know the others yet: an empty list would leave nobody to ask.
        if !cluster.brokers.isEmpty {
            self.brokers = Dictionary(cluster.brokers.map { ($0.nodeID, $0.address) }) { _, last in last }
        }
        self.controller = cluster.controller
        for topic in response.topics.map(TopicDescription.init) {
            self.topics[topic.name] = topic.errorCode == .none ? topic : nil
        }
    }

    mutating func forget(topic: String) { self.topics[topic] = nil }

    mutating func forgetController() { self.controller = nil }

    /// The leader of a partition and its address, nil when not known.
    func leader(of partition: TopicPartition) -> (node: NodeID, address: BrokerAddress)? {
        guard let topic = self.topics[partition.topic],
            let description = topic.partition(partition.partition),
            let leader = description.leader, let address = self.brokers[leader]
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
