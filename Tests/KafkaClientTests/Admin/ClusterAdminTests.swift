// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import KafkaClient

/// Log directories, replicas, configs, features, partitions.
@Suite struct ClusterAdminTests {
    private static let orders0 = TopicPartition(topic: "orders", partition: 0)
    private static let orders1 = TopicPartition(topic: "orders", partition: 1)

    // MARK: Log directories

    @Test("directories are told by broker and path, and a broken one leaves the others")
    func logDirectories() async throws {
        try await FakeCluster.run(
            brokers: 2, versions: [.describeLogDirs: 1...4],
            handler: { node, request in
                let asked = try DescribeLogDirsRequest.decode(request.body, version: request.version)
                #expect(asked.topics?.map(\.partitions) == [[0, 1]])
                var response = DescribeLogDirsResponse()
                guard node == 0 else {
                    response.errorCode = ErrorCode.clusterAuthorizationFailed.rawValue
                    return .answer(response)
                }
                var entry = DescribeLogDirsResponse.DescribeLogDirsPartition()
                (entry.partitionIndex, entry.partitionSize, entry.offsetLag, entry.isFutureKey) = (1, 100, 3, true)
                var topic = DescribeLogDirsResponse.DescribeLogDirsTopic()
                topic.name = "orders"
                topic.partitions = [entry]
                var good = DescribeLogDirsResponse.DescribeLogDirsResult()
                (good.logDir, good.topics, good.totalBytes) = ("/a", [topic], 1000)
                var broken = DescribeLogDirsResponse.DescribeLogDirsResult()
                (broken.logDir, broken.errorCode) = ("/b", ErrorCode.kafkaStorageError.rawValue)
                response.results = [good, broken]
                return .answer(response)
            }
        ) { _, client in
            let nodes = try await client.describeLogDirectories(partitions: [Self.orders1, Self.orders0])
            #expect(Set(nodes.keys) == [0, 1])
            let paths = try #require(try nodes[0]?.get())
            let directory = try #require(try paths["/a"]?.get())
            #expect(directory.totalBytes == 1000)
            #expect(directory.usableBytes == nil)
            #expect(directory.replicas[Self.orders1]?.bytes == 100)
            #expect(directory.replicas[Self.orders1]?.isFuture == true)
            #expect(nodes[1]?.failure?.errorCode == .clusterAuthorizationFailed)
            let stranger = try await client.describeLogDirectories(of: [9])
            #expect(stranger[9]?.failure?.code == .unknownBroker)
        }
    }

    @Test("replicas are moved between the directories of one broker")
    func moveReplicas() async throws {
        try await FakeCluster.run(
            brokers: 2, versions: [.alterReplicaLogDirs: 1...2],
            handler: { node, request in
                #expect(node == 1)
                let asked = try AlterReplicaLogDirsRequest.decode(request.body, version: request.version)
                #expect(asked.dirs.map(\.path) == ["/a", "/b"])
                var response = AlterReplicaLogDirsResponse()
                var topic = AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult()
                topic.topicName = "orders"
                for (index, errorCode) in [(Int32(0), ErrorCode.none), (1, .logDirNotFound)] {
                    var entry = AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult()
                    (entry.partitionIndex, entry.errorCode) = (index, errorCode.rawValue)
                    topic.partitions.append(entry)
                }
                response.results = [topic]
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.alterReplicaDirectories(of: 1, to: [Self.orders0: "/a", Self.orders1: "/b"])
            try results[Self.orders0]?.get()
            #expect(results[Self.orders1]?.failure?.errorCode == .logDirNotFound)
        }
    }

    // MARK: Replicas

    @Test("an election that is not needed is no failure")
    func elect() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.electLeaders: 0...2],
            handler: { _, request in
                let asked = try ElectLeadersRequest.decode(request.body, version: request.version)
                #expect(asked.electionType == 1)
                var topic = ElectLeadersResponse.ReplicaElectionResult()
                topic.topic = "orders"
                for (index, errorCode) in [(Int32(0), ErrorCode.none), (1, .electionNotNeeded)] {
                    var entry = ElectLeadersResponse.PartitionResult()
                    (entry.partitionID, entry.errorCode) = (index, errorCode.rawValue)
                    topic.partitionResult.append(entry)
                }
                var response = ElectLeadersResponse()
                response.replicaElectionResults = [topic]
                return .answer(response)
            }
        ) { _, client in
            let missing = TopicPartition(topic: "bills", partition: 0)
            let results = try await client.electLeaders(.unclean, of: [Self.orders1, Self.orders0, missing])
            #expect(try results[Self.orders0]?.get() == true)
            #expect(try results[Self.orders1]?.get() == false)
            #expect(results[missing]?.failure?.code == .malformedResponse)
        }
    }

    @Test("a broker that knows only the preferred election is not asked for another")
    func electOld() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.electLeaders: 0...0], handler: { _, _ in .answer(ElectLeadersResponse()) }
        ) { _, client in
            let preferred = try await client.electLeaders()
            #expect(preferred.isEmpty)
            let error = await #expect(throws: KafkaClientError.self) { try await client.electLeaders(.unclean) }
            #expect(error?.code == .unsupportedVersion)
        }
    }

    @Test("partitions are moved to other brokers, and moves are stopped")
    func reassign() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.alterPartitionReassignments: 0...1, .listPartitionReassignments: 0...0],
            handler: { _, request in
                guard request.api == .alterPartitionReassignments else {
                    var entry = ListPartitionReassignmentsResponse.OngoingPartitionReassignment()
                    (entry.partitionIndex, entry.replicas, entry.addingReplicas) = (0, [1, 2, 0], [1, 2])
                    entry.removingReplicas = [0]
                    var topic = ListPartitionReassignmentsResponse.OngoingTopicReassignment()
                    (topic.name, topic.partitions) = ("orders", [entry])
                    var response = ListPartitionReassignmentsResponse()
                    response.topics = [topic]
                    return .answer(response)
                }
                let asked = try AlterPartitionReassignmentsRequest.decode(request.body, version: request.version)
                #expect(asked.topics.first?.partitions.map(\.replicas) == [[1, 2], nil])
                var topic = AlterPartitionReassignmentsResponse.ReassignableTopicResponse()
                topic.name = "orders"
                for (index, errorCode) in [(Int32(0), ErrorCode.none), (1, .noReassignmentInProgress)] {
                    var entry = AlterPartitionReassignmentsResponse.ReassignablePartitionResponse()
                    (entry.partitionIndex, entry.errorCode) = (index, errorCode.rawValue)
                    topic.partitions.append(entry)
                }
                var response = AlterPartitionReassignmentsResponse()
                response.responses = [topic]
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.alterReassignments([Self.orders0: [1, 2], Self.orders1: nil])
            try results[Self.orders0]?.get()
            #expect(results[Self.orders1]?.failure?.errorCode == .noReassignmentInProgress)
            #expect(
                try await client.listReassignments() == [
                    Self.orders0: PartitionReassignment(replicas: [1, 2, 0], adding: [1, 2], removing: [0])
                ])
        }
    }

    // MARK: Configs, features, partitions

    @Test("configs of a broker are asked of that broker, others of any, and failures stay with their resource")
    func configs() async throws {
        try await FakeCluster.run(
            brokers: 2, versions: [.describeConfigs: 1...4],
            handler: { node, request in
                let asked = try DescribeConfigsRequest.decode(request.body, version: request.version)
                var response = DescribeConfigsResponse()
                response.results = asked.resources.map { resource in
                    #expect(resource.resourceType != 4 || resource.resourceName == "\(node)")
                    #expect(resource.configurationKeys == ["a", "b"])
                    var result = DescribeConfigsResponse.DescribeConfigsResult()
                    (result.resourceType, result.resourceName) = (resource.resourceType, resource.resourceName)
                    if resource.resourceName == "missing" {
                        result.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                    }
                    result.configs = ["b", "a"].map { name in
                        var config = DescribeConfigsResponse.DescribeConfigsResourceResult()
                        (config.name, config.value) = (name, "\(node)")
                        return config
                    }
                    return result
                }
                return .answer(response)
            }
        ) { _, client in
            let resources: [ConfigResource] = [.broker(0), .broker(1), .topic("orders"), .topic("missing"), .broker(7)]
            let results = try await client.describeConfigs(of: resources, keys: ["a", "b"])
            #expect(try results[.broker(0)]?.get().map(\.value) == ["0", "0"])
            #expect(try results[.broker(1)]?.get().map(\.value) == ["1", "1"])
            #expect(try results[.topic("orders")]?.get().map(\.name) == ["a", "b"])
            #expect(results[.topic("missing")]?.failure?.isRetriable == true)
            #expect(results[.broker(7)]?.failure?.code == .unknownBroker)
        }
    }

    @Test("configs of several resources are changed at once, and each may be refused alone")
    func alterConfigs() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.incrementalAlterConfigs: 0...1],
            handler: { _, request in
                let asked = try IncrementalAlterConfigsRequest.decode(request.body, version: request.version)
                var response = IncrementalAlterConfigsResponse()
                response.responses = asked.resources.map { resource in
                    var result = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse()
                    (result.resourceType, result.resourceName) = (resource.resourceType, resource.resourceName)
                    if resource.configs.first?.value == "bad" { result.errorCode = ErrorCode.invalidConfig.rawValue }
                    return result
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.alterConfigs([
                .topic("orders"): [.set("retention.ms", to: "1")], .topic("bills"): [.set("retention.ms", to: "bad")],
            ])
            try results[.topic("orders")]?.get()
            #expect(results[.topic("bills")]?.failure?.errorCode == .invalidConfig)
        }
    }

    @Test("resources with configs are listed by kind")
    func configResources() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.listConfigResources: 0...1],
            handler: { _, request in
                let asked = try ListConfigResourcesRequest.decode(request.body, version: request.version)
                #expect(asked.resourceTypes == [32])
                var resource = ListConfigResourcesResponse.ConfigResource()
                (resource.resourceType, resource.resourceName) = (32, "g")
                var response = ListConfigResourcesResponse()
                response.configResources = [resource]
                return .answer(response)
            }
        ) { _, client in
            let resources = try await client.listConfigResources([.group])
            #expect(resources == [ConfigResource(kind: .group, name: "g")])
        }
    }

    @Test("features are changed one by one before Kafka 4.0, and all or none since")
    func features() async throws {
        for version in [Int16(1), 2] {
            try await FakeCluster.run(
                brokers: 1, versions: [.updateFeatures: 0...version],
                handler: { _, request in
                    let asked = try UpdateFeaturesRequest.decode(request.body, version: request.version)
                    #expect(asked.featureUpdates.map(\.feature) == ["a", "b"])
                    #expect(asked.featureUpdates.map(\.upgradeType) == [2, 2])
                    var failed = UpdateFeaturesResponse.UpdatableFeatureResult()
                    (failed.feature, failed.errorCode) = ("b", ErrorCode.featureUpdateFailed.rawValue)
                    var response = UpdateFeaturesResponse()
                    response.results = [failed]
                    return .answer(response)
                }
            ) { _, client in
                let results = try await client.updateFeatures(["a": 1, "b": 0], .safeDowngrade)
                try results["a"]?.get()
                #expect((results["b"]?.failure?.errorCode == .featureUpdateFailed) == (version == 1))
                #expect(try await client.describeFeatures().finalized.isEmpty)
            }
        }
    }

    @Test("partitions are added to several topics, and one that cannot grow leaves the others")
    func partitions() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.createPartitions: 0...3],
            handler: { _, request in
                let asked = try CreatePartitionsRequest.decode(request.body, version: request.version)
                #expect(asked.validateOnly)
                var response = CreatePartitionsResponse()
                response.results = asked.topics.map { topic in
                    var result = CreatePartitionsResponse.CreatePartitionsTopicResult()
                    result.name = topic.name
                    if topic.count < 2 { result.errorCode = ErrorCode.invalidPartitions.rawValue }
                    return result
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.createPartitions(["a": 1, "b": 2], validatesOnly: true)
            #expect(results.map(\.name) == ["a", "b"])
            #expect(results[0].result.failure?.errorCode == .invalidPartitions)
            try results[1].result.get()
        }
    }
}
