// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaTypes
import Testing

@Suite("The metadata's controller")
struct MetadataControllerTests {
    private func controller(_ store: InMemoryMetadataStore = .init()) throws -> MetadataController {
        try MetadataController(store: store, nodeID: 1, generator: SeededGenerator(seed: 7))
    }

    private func newTopic(_ name: String, _ partitions: Int32 = 1) -> NewTopic {
        NewTopic(name: name, placement: .spread(partitions: partitions, replicationFactor: 1))
    }

    private func code(_ result: Result<TopicImage, MetadataError>) -> MetadataError.Code? {
        guard case .failure(let error) = result else { return nil }
        return error.code
    }

    @Test("a new store becomes this cluster's, and stays it")
    func initialization() throws {
        let store = InMemoryMetadataStore()
        let first = try self.controller(store)
        #expect(UUID128(base64: first.image.clusterID) != nil)
        let again = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
        #expect(again.image.clusterID == first.image.clusterID)
        let chosen = try MetadataController(
            store: InMemoryMetadataStore(), nodeID: 3, clusterID: "mine", generator: SystemRandomNumberGenerator())
        #expect(chosen.image.clusterID == "mine" && chosen.image.nodeID == 3)
    }

    @Test("the store of another node or cluster is refused, with what to do")
    func identity() throws {
        let store = InMemoryMetadataStore()
        _ = try MetadataController(store: store, nodeID: 1, clusterID: "mine", generator: SystemRandomNumberGenerator())
        let node = #expect(throws: MetadataError.self) {
            try MetadataController(store: store, nodeID: 2, generator: SystemRandomNumberGenerator())
        }
        #expect(node?.code == .identityMismatch)
        #expect(node?.message.contains("node.id=1") == true)
        let cluster = #expect(throws: MetadataError.self) {
            try MetadataController(
                store: store, nodeID: 1, clusterID: "theirs", generator: SystemRandomNumberGenerator())
        }
        #expect(cluster?.code == .identityMismatch)
    }

    @Test("of several topics each gets its own answer, and what can be made is made")
    func createSeveral() throws {
        let controller = try self.controller()
        let results = controller.createTopics([
            self.newTopic("a", 2), self.newTopic("a"), self.newTopic("b.c"), self.newTopic("b_c"),
            self.newTopic("d", 0), self.newTopic("bad name"),
            NewTopic(name: "e", placement: .spread(partitions: 1, replicationFactor: 3)),
            NewTopic(name: "f", placement: .manual([[1], [1]]), configs: ["retention.ms": "1"]),
            NewTopic(name: "g", placement: .manual([[1], [2]])), NewTopic(name: "h", placement: .manual([])),
            NewTopic(name: "i", placement: .manual([[1, 1]])),
        ])
        #expect(
            results.map(self.code) == [
                nil, .topicAlreadyExists, nil, .invalidTopicName, .invalidPartitions, .invalidTopicName,
                .invalidReplicationFactor, nil, .invalidReplicaAssignment, .invalidReplicaAssignment,
                .invalidReplicaAssignment,
            ])
        #expect(controller.image.sortedTopicNames() == ["a", "b.c", "f"])
        #expect(try results[0].get() == controller.image.topic(named: "a"))
        #expect(controller.image.topic(named: "f")?.configs == ["retention.ms": "1"])
    }

    @Test("validateOnly checks everything and keeps nothing")
    func validateOnly() throws {
        let controller = try self.controller()
        let before = controller.image
        let results = controller.createTopics([self.newTopic("a"), self.newTopic("a")], validateOnly: true)
        #expect(results.map(self.code) == [nil, .topicAlreadyExists])
        #expect(controller.image == before)
        _ = controller.createTopics([self.newTopic("a")])
        #expect(try controller.growTopic("a", to: 5, validateOnly: true).partitions.count == 5)
        #expect(try controller.alterTopicConfigs("a", validateOnly: true) { _ in ["x": "y"] }.configs == ["x": "y"])
        #expect(controller.image.topic(named: "a")?.partitions.count == 1)
        #expect(controller.image.topic(named: "a")?.configs == [:])
    }

    @Test("topics grow and never shrink")
    func grow() throws {
        let controller = try self.controller()
        _ = controller.createTopics([self.newTopic("a", 2)])
        #expect(try controller.growTopic("a", to: 4, assignments: [[1], [1]]).partitions.count == 4)
        let refused: [(Int32, [[NodeID]]?, MetadataError.Code)] = [
            (4, nil, .invalidPartitions), (1, nil, .invalidPartitions), (-1, nil, .invalidPartitions),
            (6, [[1]], .invalidReplicaAssignment), (5, [[2]], .invalidReplicaAssignment),
            (.max, nil, .limitReached),
        ]
        for (count, assignments, code) in refused {
            let error = #expect(throws: MetadataError.self) {
                try controller.growTopic("a", to: count, assignments: assignments)
            }
            #expect(error?.code == code)
        }
        let unknown = #expect(throws: MetadataError.self) { try controller.growTopic("z", to: 2) }
        #expect(unknown?.code == .unknownTopic)
    }

    @Test("when the store fails, the image stays, the error says why, and the next change works")
    func storeFails() throws {
        let store = InMemoryMetadataStore()
        let controller = try self.controller(store)
        let before = controller.image
        store.failNextCommit(with: MetadataError(.storage, "disk full"))
        let results = controller.createTopics([self.newTopic("a"), self.newTopic("bad name")])
        #expect(results.map(self.code) == [.storage, .invalidTopicName])
        #expect(controller.image == before)
        #expect(self.code(controller.createTopics([self.newTopic("a")])[0]) == nil)
        #expect(controller.image.topic(named: "a") != nil)
        #expect(try store.load() == controller.image)
    }

    @Test("a change that the store kept although it failed is found before the next one")
    func storeFailsLate() throws {
        let store = InMemoryMetadataStore()
        let controller = try self.controller(store)
        let before = controller.image
        store.failNextCommit(with: MetadataError(.storage, "sync failed"), afterKeeping: true)
        #expect(self.code(controller.createTopics([self.newTopic("a")])[0]) == .storage)
        #expect(controller.image == before)
        #expect(self.code(controller.createTopics([self.newTopic("a")])[0]) == .topicAlreadyExists)
        #expect(controller.image.topic(named: "a") != nil)
        #expect(try store.load() == controller.image)
        store.failNextCommit(with: MetadataError(.storage, "sync failed"), afterKeeping: true)
        #expect(throws: MetadataError.self) { try controller.nextProducerID() }
        #expect(try controller.nextProducerID() == 1000)
    }

    @Test("configs are altered on top of what is there")
    func configs() throws {
        let store = InMemoryMetadataStore()
        let controller = try self.controller(store)
        _ = controller.createTopics([self.newTopic("a")])
        _ = try controller.alterTopicConfigs("a") { $0.configs.merging(["x": "1"]) { $1 } }
        _ = try controller.alterTopicConfigs("a") { $0.configs.merging(["y": "2"]) { $1 } }
        try controller.alterBrokerConfigs(nil) { _ in ["z": "3"] }
        try controller.alterBrokerConfigs(1) { $0.defaultBrokerConfigs }
        #expect(controller.image.topic(named: "a")?.configs == ["x": "1", "y": "2"])
        #expect(controller.image.brokerConfigs == [1: ["z": "3"]])
        try controller.alterGroupConfigs("g") { $0.merging(["v": "4"]) { $1 } }
        try controller.alterGroupConfigs("g") { $0.merging(["w": "5"]) { $1 } }
        let validated = try controller.alterGroupConfigs("g", validateOnly: true) { _ in [:] }
        #expect(validated.groupConfigs.isEmpty)
        #expect(controller.image.groupConfigs == ["g": ["v": "4", "w": "5"]])
        struct Refusal: Error {}
        #expect(throws: Refusal.self) { try controller.alterTopicConfigs("a") { _ in throw Refusal() } }
        #expect(try store.load() == controller.image)
    }

    @Test("deleting answers with what was deleted")
    func delete() throws {
        let controller = try self.controller()
        let topic = try controller.createTopics([self.newTopic("a")])[0].get()
        let results = controller.deleteTopics([topic.id, topic.id, .zero])
        #expect(try results[0].get() == topic)
        #expect(results.map(self.code) == [nil, .unknownTopicID, .unknownTopicID])
        #expect(controller.image.topicCount == 0)
        let again = try controller.createTopics([self.newTopic("a")])[0].get()
        #expect(again.id != topic.id)
    }

    @Test("producer ids are never handed out twice, not even after a restart or from several threads")
    func producerIDs() async throws {
        let store = InMemoryMetadataStore()
        let first = try self.controller(store)
        let ids = try await withThrowingTaskGroup(of: [ProducerID].self) { group in
            for _ in 0..<8 { group.addTask { try (0..<400).map { _ in try first.nextProducerID() } } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(ids).count == 3200 && ids.min() == 0 && ids.max() == 3199)
        let second = try self.controller(store)
        #expect(try second.nextProducerID() == 4000)
        #expect(try second.reserveProducerIDs().next == 5000)
    }

    @Test("a block ends where its ids do, and none begins past the last id")
    func blocks() throws {
        var block = try #require(ProducerIDBlock(from: 5))
        for id in 5..<1005 { #expect(block.take() == ProducerID(Int64(id))) }
        #expect(block.take() == nil)
        #expect(ProducerIDBlock(from: -1) == nil)
        #expect(ProducerIDBlock(from: ProducerID(.max)) == nil)
    }

    @Test("partitions are spread evenly over the brokers")
    func placement() throws {
        let placement = ReplicaPlacement.spread(partitions: 6, replicationFactor: 2)
        let partitions = try placement.partitions(for: "t", brokers: [1, 2, 3])
        #expect(partitions.map(\.leader) == [1, 2, 3, 1, 2, 3])
        #expect(partitions.allSatisfy { Set($0.replicas).count == 2 && $0.isr == $0.replicas })
        #expect(try placement.partitions(for: "t", brokers: [1, 2, 3], firstIndex: 1)[0].leader == 2)
    }
}
