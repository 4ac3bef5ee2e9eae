// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Foundation
import KafkaTypes
import MetadataSQLite
import Testing

/// What every store must do, whatever it is made of.
@Suite("Stores of metadata")
struct MetadataStoreConformance {
    /// The stores that are tested: a further one is a further case.
    enum Kind: CaseIterable, Sendable {
        case memory, sqlite

        /// Runs the body with a way to open a new store; opening again gives what the first one has kept by then.
        func withStore(_ body: (() throws -> any MetadataStore) throws -> Void) throws {
            switch self {
            case .memory:
                let store = InMemoryMetadataStore()
                try body { store }
            case .sqlite:
                try withTemporaryDirectory { directory in
                    var count = 0
                    try body {
                        // The first one stays open, and a file has one owner: what a killed process leaves is opened.
                        let path = "\(directory)/\(count).sqlite"
                        for suffix in ["", "-wal"] where count > 0 {
                            try FileManager.default.copyItem(
                                atPath: "\(directory)/0.sqlite" + suffix, toPath: path + suffix)
                        }
                        count += 1
                        return try SQLiteMetadataStore(path: path)
                    }
                }
            }
        }
    }

    private let first = TopicID(high: 0xfedc_ba98_7654_3210, low: 1)
    private let second = TopicID(high: 2, low: .max)

    private func topic(_ name: String, _ id: TopicID, partitions: Int = 1, _ configs: [String: String] = [:])
        -> TopicImage
    {
        TopicImage(
            name: name, id: id,
            partitions: Array(
                repeating: PartitionImage(replicas: [1, 2], leader: 2, leaderEpoch: 7, isr: [2]), count: partitions),
            configs: configs)
    }

    private func code(_ store: any MetadataStore, _ changes: [MetadataChange]) -> MetadataError.Code? {
        do throws(MetadataError) {
            try store.commit(changes)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a new store is empty, wants to be told its cluster first, and only once", arguments: Kind.allCases)
    func initialization(kind: Kind) throws {
        try kind.withStore { open in
            let store = try open()
            #expect(try store.load() == nil)
            #expect(self.code(store, [.setBrokerConfigs(nil, ["a": "b"])]) == .incompatibleStore)
            #expect(self.code(store, [.createTopic(self.topic("a", self.first))]) == .incompatibleStore)
            #expect(try open().load() == nil)
            try store.commit([.initializeCluster(clusterID: "mine", nodeID: 3)])
            #expect(try open().load() == ClusterImage(clusterID: "mine", nodeID: 3))
            #expect(self.code(store, [.initializeCluster(clusterID: "other", nodeID: 3)]) == .identityMismatch)
            #expect(try open().load()?.clusterID == "mine")
        }
    }

    @Test("every kind of change is there again after opening, as applying it gives", arguments: Kind.allCases)
    func everyChange(kind: Kind) throws {
        try kind.withStore { open in
            let store = try open()
            try store.commit([.initializeCluster(clusterID: "c", nodeID: 1)])
            var expected = ClusterImage(clusterID: "c", nodeID: 1)
            let commits: [[MetadataChange]] = [
                [
                    .createTopic(self.topic("a.b", self.first, partitions: 3, ["x": "1", "y": ""])),
                    .createTopic(self.topic("c", self.second)),
                ],
                [.addPartitions(self.first, [PartitionImage(replicas: [2])])],
                [.setTopicConfigs(self.first, ["y": "a,b=\n'\";--", "z": "ü"])],
                [
                    .setBrokerConfigs(nil, ["m": "1"]), .setBrokerConfigs(0, ["m": "2"]),
                    .setBrokerConfigs(1, ["n": "3"]),
                ],
                [.setBrokerConfigs(1, [:])],
                [.setGroupConfigs("g", ["k": "1", "l": "2"]), .setGroupConfigs("a\0b ü", ["k": "';--"])],
                [.setGroupConfigs("g", ["l": "3"]), .setGroupConfigs("h", ["k": "4"])],
                [.setGroupConfigs("h", [:]), .setGroupConfigs("none", [:])],
                [.setPartitionState(self.first, 1, leader: .none, leaderEpoch: 8, isr: [])],
                [.reserveProducerIDs(next: 1000), .reserveProducerIDs(next: 2000)],
                [.deleteTopic(self.second)],
                [.createTopic(self.topic("c", TopicID(high: 5, low: 5)))],
            ]
            for changes in commits {
                try store.commit(changes)
                expected = try expected.applying(changes)
                #expect(try store.load() == expected)
            }
            #expect(try open().load() == expected)
        }
    }

    @Test("a commit that does not fit keeps none of its changes", arguments: Kind.allCases)
    func allOrNothing(kind: Kind) throws {
        try kind.withStore { open in
            let store = try open()
            try store.commit([
                .initializeCluster(clusterID: "c", nodeID: 1), .createTopic(self.topic("a", self.first)),
                .reserveProducerIDs(next: 1000),
            ])
            let before = try store.load()
            let wrong: [(MetadataChange, MetadataError.Code)] = [
                (.createTopic(self.topic("a", self.second)), .topicAlreadyExists),
                (.createTopic(self.topic("b", self.first)), .topicAlreadyExists),
                (.deleteTopic(self.second), .unknownTopicID),
                (.addPartitions(self.second, [PartitionImage(replicas: [1])]), .unknownTopicID),
                (.setTopicConfigs(self.second, [:]), .unknownTopicID),
                (.setPartitionState(self.first, 1, leader: 1, leaderEpoch: 9, isr: [1]), .unknownPartition),
                (.setPartitionState(self.second, 0, leader: 1, leaderEpoch: 9, isr: [1]), .unknownTopicID),
                (.reserveProducerIDs(next: 1000), .limitReached),
            ]
            for (change, code) in wrong {
                #expect(self.code(store, [.setBrokerConfigs(nil, ["a": "b"]), change]) == code)
                #expect(try store.load() == before)
            }
            #expect(try open().load() == before)
        }
    }

    @Test("a controller on it opens, changes, and opens again", arguments: Kind.allCases)
    func controller(kind: Kind) throws {
        try kind.withStore { open in
            let controller = try MetadataController(store: open(), nodeID: 4, generator: SystemRandomNumberGenerator())
            let results = controller.createTopics(
                (0..<50).map {
                    NewTopic(name: "t\($0)", placement: .spread(partitions: 3, replicationFactor: 1))
                })
            for result in results { _ = try result.get() }
            _ = try controller.alterTopicConfigs("t1") { _ in ["retention.ms": "1"] }
            _ = try controller.growTopic("t2", to: 9)
            _ = controller.deleteTopics([try results[3].get().id])
            #expect(try controller.nextProducerID() == 0)
            let again = try MetadataController(store: open(), nodeID: 4, generator: SystemRandomNumberGenerator())
            #expect(again.image == controller.image)
            #expect(again.image.topicCount == 49)
            #expect(try again.nextProducerID() == 1000)
        }
    }
}
