// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import KafkaMessages
import KafkaTypes
import KafkaWire
import Synchronization

extension FaultInterceptor {
    /// The APIs of which requests can be refused.
    static let refusableAPIs: Set<APIKey> = [
        .produce, .fetch, .listOffsets, .offsetForLeaderEpoch, .deleteRecords, .joinGroup, .syncGroup, .heartbeat,
        .leaveGroup, .consumerGroupHeartbeat, .offsetCommit, .offsetFetch, .describeGroups, .consumerGroupDescribe,
        .deleteGroups, .offsetDelete, .initProducerID, .findCoordinator, .createTopics, .deleteTopics, .metadata,
    ]

    func dispatch(
        _ request: RequestFrame, _ source: Source, _ refusals: Refusals, _ table: NodeTable
    ) throws(WireError) -> Outcome {
        switch request.apiKey {
        case .produce: try self.run(ProduceRequest.self, request, source, refusals)
        case .fetch: try self.run(FetchRequest.self, request, source, refusals)
        case .listOffsets: try self.run(ListOffsetsRequest.self, request, source, refusals)
        case .offsetForLeaderEpoch: try self.run(OffsetForLeaderEpochRequest.self, request, source, refusals)
        case .deleteRecords: try self.run(DeleteRecordsRequest.self, request, source, refusals)
        case .joinGroup: try self.run(JoinGroupRequest.self, request, source, refusals)
        case .syncGroup: try self.run(SyncGroupRequest.self, request, source, refusals)
        case .heartbeat: try self.run(HeartbeatRequest.self, request, source, refusals)
        case .leaveGroup: try self.run(LeaveGroupRequest.self, request, source, refusals)
        case .consumerGroupHeartbeat: try self.run(ConsumerGroupHeartbeatRequest.self, request, source, refusals)
        case .offsetCommit: try self.run(OffsetCommitRequest.self, request, source, refusals)
        case .offsetFetch: try self.run(OffsetFetchRequest.self, request, source, refusals)
        case .describeGroups: try self.run(DescribeGroupsRequest.self, request, source, refusals)
        case .consumerGroupDescribe: try self.run(ConsumerGroupDescribeRequest.self, request, source, refusals)
        case .deleteGroups: try self.run(DeleteGroupsRequest.self, request, source, refusals)
        case .offsetDelete: try self.run(OffsetDeleteRequest.self, request, source, refusals)
        case .initProducerID: try self.run(InitProducerIdRequest.self, request, source, refusals)
        case .deleteTopics: try self.run(DeleteTopicsRequest.self, request, source, refusals)
        default: try self.dispatchToCluster(request, source, refusals, table)
        }
    }

    /// Requests whose answers tell of the nodes.
    private func dispatchToCluster(
        _ request: RequestFrame, _ source: Source, _ refusals: Refusals, _ table: NodeTable
    ) throws(WireError) -> Outcome {
        switch request.apiKey {
        case .metadata:
            let outcome = try self.run(MetadataRequest.self, request, source, refusals)
            return try self.rewriting(outcome, request, MetadataResponse.self) { $1.rewrite(&$0) }
        case .findCoordinator:
            let message = try request.decode(FindCoordinatorRequest.self)
            let outcome = try self.run(FindCoordinatorRequest.self, request, source, refusals)
            return try self.rewriting(outcome, request, FindCoordinatorResponse.self) { [key = message.key] in
                $1.rewrite(&$0, key: key)
            }
        case .createTopics:
            var message = try request.decode(CreateTopicsRequest.self)
            table.rewrite(&message)
            return try self.run(
                CreateTopicsRequest.self, request.replacing(with: message), source, refusals)
        case .describeCluster:
            let outcome = try source.broker.handle(request.bytes, on: source.connection)
            return try self.rewriting(outcome, request, DescribeClusterResponse.self) { $1.rewrite(&$0) }
        case .describeTopicPartitions:
            let outcome = try source.broker.handle(request.bytes, on: source.connection)
            return try self.rewriting(outcome, request, DescribeTopicPartitionsResponse.self) { $1.rewrite(&$0) }
        default:
            return try source.broker.handle(request.bytes, on: source.connection)
        }
    }

    /// Changes an answer to what the nodes are when it leaves; one node is what the broker says itself.
    private func rewriting<Response: KafkaMessage>(
        _ outcome: Outcome, _ request: RequestFrame, _ type: Response.Type,
        _ rewrite: @escaping @Sendable (inout Response, NodeTable) -> Void
    ) throws(WireError) -> Outcome {
        guard self.nodes.withLock({ $0.isCluster }) else { return outcome }
        return try outcome.mapFrame { (frame) throws(WireError) in
            var response = try request.decode(frame, as: type)
            rewrite(&response, self.nodes.withLock { $0 })
            return try request.answer(response)
        }
    }
}

// MARK: - What the nodes look like

extension NodeTable {
    private static let host = "127.0.0.1"

    private var ids: [Int32] { self.nodes.map(\.id) }

    func rewrite(_ response: inout MetadataResponse) {
        response.brokers = self.nodes.map { node in
            var broker = MetadataResponse.MetadataResponseBroker()
            (broker.nodeID, broker.host, broker.port) = (node.id, Self.host, Int32(node.port))
            return broker
        }
        for topic in response.topics.indices {
            let name = response.topics[topic].name ?? ""
            for index in response.topics[topic].partitions.indices {
                let number = response.topics[topic].partitions[index].partitionIndex
                let leader = self.leader(of: TopicPartition(topic: name, partition: PartitionIndex(number)))
                response.topics[topic].partitions[index].leaderID = leader
                response.topics[topic].partitions[index].replicaNodes = self.replicas(leader)
                response.topics[topic].partitions[index].isrNodes = self.replicas(leader)
            }
        }
    }

    func rewrite(_ response: inout DescribeTopicPartitionsResponse) {
        for topic in response.topics.indices {
            let name = response.topics[topic].name ?? ""
            for index in response.topics[topic].partitions.indices {
                let number = response.topics[topic].partitions[index].partitionIndex
                let leader = self.leader(of: TopicPartition(topic: name, partition: PartitionIndex(number)))
                response.topics[topic].partitions[index].leaderID = leader
                response.topics[topic].partitions[index].replicaNodes = self.replicas(leader)
                response.topics[topic].partitions[index].isrNodes = self.replicas(leader)
            }
        }
    }

    func rewrite(_ response: inout DescribeClusterResponse) {
        response.brokers = self.nodes.map { node in
            var broker = DescribeClusterResponse.DescribeClusterBroker()
            (broker.brokerID, broker.host, broker.port) = (node.id, Self.host, Int32(node.port))
            return broker
        }
    }

    func rewrite(_ response: inout FindCoordinatorResponse, key: String) {
        for index in response.coordinators.indices where response.coordinators[index].errorCode == 0 {
            guard let node = self.node(self.coordinator(of: response.coordinators[index].key)) else { continue }
            response.coordinators[index].nodeID = node.id
            response.coordinators[index].host = Self.host
            response.coordinators[index].port = Int32(node.port)
        }
        // Before version 4 there is one key.
        guard response.coordinators.isEmpty, response.errorCode == 0, let node = self.node(self.coordinator(of: key))
        else { return }
        (response.nodeID, response.host, response.port) = (node.id, Self.host, Int32(node.port))
    }

    /// As many replicas as there seem to be nodes are as good as one.
    func rewrite(_ request: inout CreateTopicsRequest) {
        for index in request.topics.indices {
            let factor = Int(request.topics[index].replicationFactor)
            if (2...self.nodes.count).contains(factor) { request.topics[index].replicationFactor = 1 }
        }
    }

    /// All nodes, the leader first.
    private func replicas(_ leader: Int32) -> [Int32] { [leader] + self.ids.filter { $0 != leader } }
}
