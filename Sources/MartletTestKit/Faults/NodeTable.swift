// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire

/// The nodes that one broker pretends to be, and which of them leads what. A value.
///
/// Unless a test moves them, the partitions of a topic are led by the nodes in turn, and all groups are coordinated by the
/// first node.
struct NodeTable: Sendable {
    /// Where each node listens, in the order of their ids.
    let nodes: [MartletNode]
    private var leaders: [TopicPartition: Int32] = [:]
    private var coordinators: [String: Int32] = [:]

    /// At least one node.
    init(_ nodes: [MartletNode]) { self.nodes = nodes }

    /// There is somebody else to lead.
    var isCluster: Bool { self.nodes.count > 1 }

    func leader(of partition: TopicPartition) -> Int32 {
        if let leader = self.leaders[partition] { return leader }
        let count = self.nodes.count
        let turn = Int(partition.partition.rawValue) % count
        return self.nodes[turn < 0 ? 0 : turn].id
    }

    func coordinator(of group: String) -> Int32 { self.coordinators[group] ?? self.nodes[0].id }

    /// The error that a node answers with for what others lead or coordinate.
    func refusal(_ target: RefusalTarget, at node: Int32) -> ErrorCode? {
        switch target {
        case .leader(let partition): self.leader(of: partition) == node ? nil : .notLeaderOrFollower
        case .group(let group): self.coordinator(of: group) == node ? nil : .notCoordinator
        case .request, .item, .key: nil
        }
    }

    func node(_ id: Int32) -> MartletNode? { self.nodes.first { $0.id == id } }

    func node(port: Int) -> MartletNode? { self.nodes.first { $0.port == port } }

    mutating func moveLeader(of partition: TopicPartition, to node: Int32) { self.leaders[partition] = node }

    mutating func moveCoordinator(of group: String, to node: Int32) { self.coordinators[group] = node }
}

/// One of the brokers that clients see.
public struct MartletNode: Sendable, Hashable {
    /// Its `node.id`.
    public let id: Int32
    /// Its port of 127.0.0.1.
    public let port: Int

    /// `127.0.0.1:40123`.
    public var address: String { "127.0.0.1:\(self.port)" }
}
