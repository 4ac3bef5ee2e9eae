// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import BrokerServer
public import KafkaTypes
import NIOCore
import Synchronization

// One broker that looks like several: each node has a port of its own, metadata names one of them as the leader of each
// partition, and the others refuse what is for the leader. There is one log behind all of them, so nothing is ever behind,
// and nothing is lost when leaders move.

extension Martlet {
    /// The brokers that clients see, in the order of their ids: ``MartletConfiguration/nodes`` of them.
    public var nodes: [MartletNode] { self.interceptor.nodes.withLock { $0.nodes } }

    /// The id of the node that leads a partition. Partitions that nobody has moved are led by the nodes in turn: the first
    /// one leads partition 0, the next one partition 1.
    public func leader(of partition: TopicPartition) -> Int32 {
        self.interceptor.nodes.withLock { $0.leader(of: partition) }
    }

    /// The id of the node that coordinates a group: the first one's, unless it was moved.
    public func coordinator(of group: String) -> Int32 {
        self.interceptor.nodes.withLock { $0.coordinator(of: group) }
    }

    /// Makes another node the leader of a partition, as an election does: the leader epoch grows by one, and the other nodes
    /// refuse requests for the partition with NOT_LEADER_OR_FOLLOWER, fetches that wait included.
    ///
    /// Moving it to where it is only raises the epoch.
    ///
    /// - Throws: `MartletError`: `notFound` for a partition or a node that there is not, `wrongState` when the broker is not
    ///   running.
    public func moveLeader(of partition: TopicPartition, to node: Int32) async throws {
        try self.requireNode(node)
        let run = try self.running()
        let epoch = try await run.host.broker.raiseLeaderEpoch(of: partition, on: run.group.any()).get()
        guard epoch != nil else { throw MartletError(.notFound, "there is no partition \(partition)") }
        self.interceptor.nodes.withLock { $0.moveLeader(of: partition, to: node) }
        self.interceptor.moved(.leader(partition))
    }

    /// Makes another node the coordinator of a group. The other nodes refuse its requests with NOT_COORDINATOR, those that wait
    /// included; members find the new one, and stay members.
    ///
    /// - Throws: `MartletError` with `notFound` for a node that there is not. The group need not exist.
    public func moveCoordinator(of group: String, to node: Int32) throws {
        try self.requireNode(node)
        self.interceptor.nodes.withLock { $0.moveCoordinator(of: group, to: node) }
        self.interceptor.moved(.group(group))
    }

    /// Ends the sessions of members of a group at once, as if they had been silent for too long: they are out of the group,
    /// which is rebalanced, and learn of it with their next heartbeat.
    ///
    /// A member of the classic protocol that waits for the others to join or sync is being heard of, and stays.
    ///
    /// - Parameters:
    ///   - group: The `group.id`.
    ///   - name: A member id, a `group.instance.id` or a `client.id`; nil for all members.
    /// - Throws: `MartletError`: `notFound` when there is no such member, `wrongState` when the broker is not running.
    public func expireMembers(of group: String, named name: String? = nil) throws {
        guard try self.running().host.broker.expireMembers(named: name, of: group) > 0 else {
            let member = name.map { "member '\($0)'" } ?? "member"
            throw MartletError(.notFound, "group '\(group)' has no \(member)")
        }
    }

    private func requireNode(_ node: Int32) throws {
        let nodes = self.nodes
        if nodes.contains(where: { $0.id == node }) { return }
        let ids = nodes.map { "\($0.id)" }.joined(separator: ", ")
        throw MartletError(.notFound, "there is no node \(node), only \(ids): set MartletConfiguration.nodes")
    }
}
