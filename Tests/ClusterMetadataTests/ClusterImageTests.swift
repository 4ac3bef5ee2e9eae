// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaTypes
import Testing

@Suite("The cluster's image")
struct ClusterImageTests {
    private let empty = ClusterImage(clusterID: "c", nodeID: 1)

    private func topic(_ name: String, _ id: UInt64, partitions: Int = 1) -> TopicImage {
        TopicImage(
            name: name, id: TopicID(high: 1, low: id),
            partitions: Array(repeating: PartitionImage(replicas: [1]), count: partitions))
    }

    private func code(_ changes: [MetadataChange], on image: ClusterImage) -> MetadataError.Code? {
        do throws(MetadataError) {
            _ = try image.applying(changes)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a topic is found by its name and its id, until it is deleted")
    func createAndDelete() throws {
        let made = try self.empty.applying([.createTopic(self.topic("a.b", 1, partitions: 3))])
        #expect(made.version == self.empty.version + 1)
        #expect(made.topic(named: "a.b")?.partitions.count == 3)
        #expect(made.topic(id: TopicID(high: 1, low: 1))?.name == "a.b")
        #expect(made.topicName(of: TopicID(high: 1, low: 1)) == "a.b")
        #expect(made.partition(TopicPartition(topic: "a.b", partition: 2))?.leader == 1)
        #expect(made.partition(TopicPartition(topic: "a.b", partition: 3)) == nil)
        #expect(made.partition(TopicPartition(topic: "a.b", partition: -1)) == nil)
        #expect(made.partitionCount == 3 && made.topicCount == 1)
        #expect(self.empty.topicCount == 0)
        let gone = try made.applying([.deleteTopic(TopicID(high: 1, low: 1))])
        #expect(gone.topic(named: "a.b") == nil && gone.topic(id: TopicID(high: 1, low: 1)) == nil)
        #expect(gone.partitionCount == 0)
        // Name and collision are free again.
        _ = try gone.applying([.createTopic(self.topic("a_b", 2))])
    }

    @Test("names that collide, names and ids that are taken, and topics without partitions are refused")
    func refusals() throws {
        let image = try self.empty.applying([.createTopic(self.topic("a.b", 1))])
        #expect(self.code([.createTopic(self.topic("a_b", 2))], on: image) == .invalidTopicName)
        #expect(self.code([.createTopic(self.topic("a.b", 2))], on: image) == .topicAlreadyExists)
        #expect(self.code([.createTopic(self.topic("c", 1))], on: image) == .topicAlreadyExists)
        #expect(self.code([.createTopic(self.topic("c", 2, partitions: 0))], on: image) == .invalidPartitions)
        #expect(self.code([.createTopic(self.topic("c/d", 2))], on: image) == .invalidTopicName)
        #expect(self.code([.deleteTopic(TopicID(high: 9, low: 9))], on: image) == .unknownTopicID)
        #expect(self.code([.initializeCluster(clusterID: "x", nodeID: 1)], on: image) == .identityMismatch)
        #expect(image.topicColliding(with: "a_b") == "a.b")
        #expect(image.topicColliding(with: "a.b") == nil)
    }

    @Test("limits on partitions and configs hold")
    func limits() {
        let tooMany = ClusterImage.partitionsPerTopicMax + 1
        #expect(self.code([.createTopic(self.topic("a", 1, partitions: tooMany))], on: self.empty) == .limitReached)
        let full = (0..<20).map { index in
            MetadataChange.createTopic(self.topic("t\(index)", UInt64(index) + 1, partitions: 10_000))
        }
        #expect(self.code(full, on: self.empty) == nil)
        #expect(self.code(full + [.createTopic(self.topic("x", 99))], on: self.empty) == .limitReached)
        let configs = Dictionary(uniqueKeysWithValues: (0...ClusterImage.configsMax).map { ("k\($0)", "v") })
        #expect(self.code([.setBrokerConfigs(nil, configs)], on: self.empty) == .limitReached)
        #expect(self.code([.setGroupConfigs("g", configs)], on: self.empty) == .limitReached)
    }

    @Test("a group need not exist to have configs; they go with the last of them, and groups with any are not endless")
    func groupConfigs() throws {
        var image = try self.empty.applying([.setGroupConfigs("", ["a": "1"]), .setGroupConfigs("g", ["a": "2"])])
        image = try image.applying([.setGroupConfigs("g", ["b": "3"]), .setGroupConfigs("", [:])])
        #expect(image.groupConfigs == ["g": ["b": "3"]])
        #expect(image.version == self.empty.version + 4)
        let more = (1..<ClusterImage.configuredGroupsMax).map { MetadataChange.setGroupConfigs("g\($0)", ["a": "1"]) }
        let full = try image.applying(more)
        #expect(self.code([.setGroupConfigs("one more", ["a": "1"])], on: full) == .limitReached)
        #expect(self.code([.setGroupConfigs("g", ["a": "1"])], on: full) == nil)
        #expect(self.code([.setGroupConfigs("g", [:]), .setGroupConfigs("one more", ["a": "1"])], on: full) == nil)
        let long = String(repeating: "x", count: ClusterImage.configuredGroupIDBytesMax + 1)
        #expect(self.code([.setGroupConfigs(long, ["a": "1"])], on: image) == .limitReached)
    }

    @Test("partitions are added, configs replaced, producer ids only move on")
    func otherChanges() throws {
        let id = TopicID(high: 1, low: 1)
        let image = try self.empty.applying([
            .createTopic(self.topic("a", 1)), .addPartitions(id, [PartitionImage(replicas: [1])]),
            .setTopicConfigs(id, ["retention.ms": "1"]), .setTopicConfigs(id, ["segment.ms": "2"]),
            .setBrokerConfigs(nil, ["a": "1"]), .setBrokerConfigs(1, ["b": "2"]), .reserveProducerIDs(next: 1000),
        ])
        #expect(image.topic(id: id)?.partitions.count == 2)
        #expect(image.partitionCount == 2)
        #expect(image.topic(id: id)?.configs == ["segment.ms": "2"])
        #expect(image.defaultBrokerConfigs == ["a": "1"])
        #expect(image.brokerConfigs == [1: ["b": "2"]])
        #expect(image.nextProducerID == 1000)
        #expect(image.version == self.empty.version + 7)
        #expect(self.code([.reserveProducerIDs(next: 1000)], on: image) == .limitReached)
        #expect(try image.applying([.setBrokerConfigs(1, [:])]).brokerConfigs.isEmpty)
    }

    @Test("a leader is exchanged only with a higher epoch, and only for a replica")
    func leaders() throws {
        let id = TopicID(high: 1, low: 1)
        let topic = TopicImage(name: "a", id: id, partitions: [PartitionImage(replicas: [1, 2])])
        let image = try self.empty.applying([.createTopic(topic)])
        func change(_ leader: NodeID, _ epoch: LeaderEpoch, _ isr: [NodeID]) -> MetadataChange {
            .setPartitionState(id, 0, leader: leader, leaderEpoch: epoch, isr: isr)
        }
        let moved = try image.applying([change(2, 1, [2])])
        #expect(
            moved.topic(id: id)?.partitions[0] == PartitionImage(replicas: [1, 2], leader: 2, leaderEpoch: 1, isr: [2]))
        #expect(self.code([change(1, 1, [1, 2])], on: moved) == .staleLeaderEpoch)
        #expect(self.code([change(2, 1, [1, 2])], on: moved) == nil)
        #expect(self.code([change(.none, 2, [])], on: moved) == nil)
        #expect(self.code([change(3, 2, [1])], on: moved) == .invalidReplicaAssignment)
        #expect(self.code([change(1, 2, [3])], on: moved) == .invalidReplicaAssignment)
        #expect(
            self.code([.setPartitionState(id, 1, leader: 1, leaderEpoch: 2, isr: [1])], on: moved)
                == .unknownPartition)
    }

    @Test("changes one by one give what they give together, whatever they are")
    func batching() throws {
        let seed: UInt64 = 0x51ab
        var generator = SeededGenerator(seed: seed)
        var image = self.empty
        var changes: [MetadataChange] = []
        for step in 0..<2_000 {
            let id = TopicID(high: 1, low: generator.next() % 20 + 1)
            let change: MetadataChange
            switch generator.next() % 5 {
            case 0: change = .createTopic(self.topic("t\(generator.next() % 20)", id.low))
            case 1: change = .deleteTopic(id)
            case 2: change = .addPartitions(id, [PartitionImage(replicas: [1])])
            case 3: change = .setTopicConfigs(id, ["k": "\(step)"])
            default: change = .setBrokerConfigs(nil, ["k": "\(step)"])
            }
            guard let next = try? image.applying([change]) else { continue }
            image = next
            changes.append(change)
        }
        #expect(changes.count > 500, "seed \(seed)")
        #expect(try self.empty.applying(changes) == image, "seed \(seed)")
        #expect(image.topics.reduce(0) { $0 + $1.partitions.count } == image.partitionCount, "seed \(seed)")
        for topic in image.topics { #expect(image.topic(id: topic.id) == topic) }
    }
}
