// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Foundation
import GRDB
import KafkaTypes

/// Writes changes into the tables, within a transaction of the caller's.
struct ChangeWriter {
    let database: Database

    func write(_ changes: [MetadataChange]) throws {
        for change in changes { try self.write(change) }
        try self.raiseVersion(by: changes.count { if case .initializeCluster = $0 { false } else { true } })
    }

    private func write(_ change: MetadataChange) throws {
        switch change {
        case .initializeCluster(let clusterID, let nodeID):
            try self.initialize(clusterID, nodeID)
        case .createTopic(let topic):
            try self.create(topic)
        case .deleteTopic(let id):
            try self.execute("DELETE FROM topic WHERE key = ?", [try self.key(of: id)])
        case .addPartitions(let id, let partitions):
            let key = try self.key(of: id)
            let count = try Int.fetchOne(
                self.database, sql: "SELECT count(*) FROM partition WHERE topic_key = ?", arguments: [key])
            try self.insert(partitions, from: count ?? 0, of: key)
        case .setTopicConfigs(let id, let configs):
            let key = try self.key(of: id)
            try self.execute("DELETE FROM topic_config WHERE topic_key = ?", [key])
            try self.insert(configs, into: "topic_config (topic_key, name, value)", key)
        case .setBrokerConfigs(let node, let configs):
            let key = Int64(node?.rawValue ?? Column.allBrokers)
            try self.execute("DELETE FROM broker_config WHERE node_id = ?", [key])
            try self.insert(configs, into: "broker_config (node_id, name, value)", key)
        case .setGroupConfigs(let group, let configs):
            let key = Data(group.utf8)
            try self.execute("DELETE FROM group_config WHERE group_id = ?", [key])
            try self.insert(configs, into: "group_config (group_id, name, value)", key)
        case .setPartitionState(let id, let index, let leader, let epoch, let isr):
            try self.execute(
                "UPDATE partition SET leader = ?, leader_epoch = ?, isr = ? WHERE topic_key = ? AND number = ?",
                [leader.rawValue, epoch.rawValue, isr.columnText, try self.key(of: id), index.rawValue])
            guard self.database.changesCount == 1 else {
                throw MetadataError(.unknownPartition, "The topic with id \(id) has no partition \(index)")
            }
        case .reserveProducerIDs(let next):
            try self.execute(
                "UPDATE cluster SET next_producer_id = ?1 WHERE next_producer_id < ?1", [next.rawValue])
            guard self.database.changesCount == 1 else {
                throw MetadataError(.limitReached, "Producer ids up to \(next) are handed out already")
            }
        }
    }

    private func initialize(_ clusterID: String, _ nodeID: NodeID) throws {
        let image = ClusterImage(clusterID: clusterID, nodeID: nodeID)
        try self.execute(
            "INSERT OR IGNORE INTO cluster (id, cluster_id, node_id, version, next_producer_id) VALUES (0, ?, ?, ?, ?)",
            [clusterID, nodeID.rawValue, image.version, image.nextProducerID.rawValue])
        guard self.database.changesCount == 1 else {
            throw MetadataError(.identityMismatch, "The metadata store belongs to a cluster already")
        }
    }

    private func create(_ topic: TopicImage) throws {
        try self.execute(
            "INSERT OR IGNORE INTO topic (topic_id, name) VALUES (?, ?)", [topic.id.columnBytes, topic.name])
        guard self.database.changesCount == 1 else {
            throw MetadataError(.topicAlreadyExists, "Topic '\(topic.name)' or its id \(topic.id) already exists")
        }
        let key = self.database.lastInsertedRowID
        try self.insert(topic.partitions, from: 0, of: key)
        try self.insert(topic.configs, into: "topic_config (topic_key, name, value)", key)
    }

    private func insert(_ partitions: [PartitionImage], from first: Int, of key: Int64) throws {
        let statement = try self.database.cachedStatement(
            sql: """
                INSERT INTO partition (topic_key, number, leader, leader_epoch, replicas, isr)
                VALUES (?, ?, ?, ?, ?, ?)
                """)
        for (offset, partition) in partitions.enumerated() {
            try statement.execute(arguments: [
                key, first + offset, partition.leader.rawValue, partition.leaderEpoch.rawValue,
                partition.replicas.columnText, partition.isr.columnText,
            ])
        }
    }

    private func insert(_ configs: [String: String], into table: String, _ key: some DatabaseValueConvertible) throws {
        for (name, value) in configs { try self.execute("INSERT INTO \(table) VALUES (?, ?, ?)", [key, name, value]) }
    }

    private func key(of id: TopicID) throws -> Int64 {
        let key = try Int64.fetchOne(
            self.database, sql: "SELECT key FROM topic WHERE topic_id = ?", arguments: [id.columnBytes])
        guard let key else { throw MetadataError(.unknownTopicID, "No topic has the id \(id)") }
        return key
    }

    private func raiseVersion(by count: Int) throws {
        try self.execute("UPDATE cluster SET version = version + ?", [count])
        guard self.database.changesCount == 1 else {
            throw MetadataError(.incompatibleStore, "A new store must first be told its cluster")
        }
    }

    private func execute(_ sql: String, _ arguments: StatementArguments) throws {
        try self.database.cachedStatement(sql: sql).execute(arguments: arguments)
    }
}

extension [NodeID] {
    /// `1,2,3`.
    var columnText: String { self.map(\.description).joined(separator: ",") }

    /// Reads `1,2,3`; nil for anything else.
    init?(columnText: String) {
        self = []
        for part in columnText.split(separator: ",", omittingEmptySubsequences: columnText.isEmpty) {
            guard let number = Int32(part) else { return nil }
            self.append(NodeID(number))
        }
    }
}

extension UUID128 {
    /// Sixteen bytes, the most significant first.
    var columnBytes: Data {
        withUnsafeBytes(of: (self.high.bigEndian, self.low.bigEndian)) { Data($0) }
    }

    /// Reads sixteen bytes; nil for any other number of them.
    init?(columnBytes: Data) {
        guard columnBytes.count == 16 else { return nil }
        let word: (Data.SubSequence) -> UInt64 = { $0.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: word(columnBytes.prefix(8)), low: word(columnBytes.suffix(8)))
    }
}
