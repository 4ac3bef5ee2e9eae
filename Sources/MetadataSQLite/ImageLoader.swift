// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Foundation
import GRDB
import KafkaTypes

/// Reads the whole image from the tables. What somebody else wrote into them is an error, never a trap.
struct ImageLoader {
    let database: Database

    func load() throws -> ClusterImage? {
        let sql = "SELECT cluster_id, node_id, version, next_producer_id FROM cluster"
        guard let row = try Row.fetchOne(self.database, sql: sql) else { return nil }
        let (allBrokers, nodes) = try self.brokerConfigs()
        return try ClusterImage(
            clusterID: self.value(row, 0),
            nodeID: NodeID(self.value(row, 1)),
            version: self.value(row, 2),
            nextProducerID: ProducerID(self.value(row, 3)),
            topics: self.topics(),
            defaultBrokerConfigs: allBrokers,
            brokerConfigs: nodes,
            groupConfigs: self.groupConfigs())
    }

    private func topics() throws -> [TopicImage] {
        let partitions = try self.partitions()
        let configs = try self.topicConfigs()
        let rows = try Row.fetchCursor(self.database, sql: "SELECT key, topic_id, name FROM topic")
        var topics: [TopicImage] = []
        while let row = try rows.next() {
            let key: Int64 = try self.value(row, 0)
            guard let id = UUID128(columnBytes: try self.value(row, 1)) else { throw self.damaged(row) }
            topics.append(
                TopicImage(
                    name: try self.value(row, 2), id: id, partitions: partitions[key] ?? [],
                    configs: configs[key] ?? [:]))
        }
        return topics
    }

    /// By the topic's key; in the order of their numbers, which must be without gaps.
    private func partitions() throws -> [Int64: [PartitionImage]] {
        let rows = try Row.fetchCursor(
            self.database,
            sql: """
                SELECT topic_key, number, leader, leader_epoch, replicas, isr FROM partition
                ORDER BY topic_key, number
                """)
        var partitions: [Int64: [PartitionImage]] = [:]
        while let row = try rows.next() {
            let key: Int64 = try self.value(row, 0)
            guard try self.value(row, 1) == partitions[key, default: []].count,
                let replicas = [NodeID](columnText: try self.value(row, 4)),
                let isr = [NodeID](columnText: try self.value(row, 5))
            else { throw self.damaged(row) }
            partitions[key, default: []].append(
                PartitionImage(
                    replicas: replicas, leader: NodeID(try self.value(row, 2)),
                    leaderEpoch: LeaderEpoch(try self.value(row, 3)), isr: isr))
        }
        return partitions
    }

    private func topicConfigs() throws -> [Int64: [String: String]] {
        let rows = try Row.fetchCursor(self.database, sql: "SELECT topic_key, name, value FROM topic_config")
        var configs: [Int64: [String: String]] = [:]
        while let row = try rows.next() {
            let (key, name): (Int64, String) = (try self.value(row, 0), try self.value(row, 1))
            configs[key, default: [:]][name] = try self.value(row, 2)
        }
        return configs
    }

    private func brokerConfigs() throws -> (all: [String: String], nodes: [NodeID: [String: String]]) {
        let rows = try Row.fetchCursor(self.database, sql: "SELECT node_id, name, value FROM broker_config")
        var all: [String: String] = [:]
        var nodes: [NodeID: [String: String]] = [:]
        while let row = try rows.next() {
            let (node, name): (Int32, String) = (try self.value(row, 0), try self.value(row, 1))
            if node == Column.allBrokers {
                all[name] = try self.value(row, 2)
            } else {
                nodes[NodeID(node), default: [:]][name] = try self.value(row, 2)
            }
        }
        return (all, nodes)
    }

    private func groupConfigs() throws -> [String: [String: String]] {
        let rows = try Row.fetchCursor(self.database, sql: "SELECT group_id, name, value FROM group_config")
        var configs: [String: [String: String]] = [:]
        while let row = try rows.next() {
            let (id, name): (Data, String) = (try self.value(row, 0), try self.value(row, 1))
            configs[String(decoding: id, as: UTF8.self), default: [:]][name] = try self.value(row, 2)
        }
        return configs
    }

    /// A column's value. GRDB's own subscripts trap on a value that does not fit.
    private func value<Value: DatabaseValueConvertible>(_ row: Row, _ column: Int) throws -> Value {
        let stored: DatabaseValue = row[column]
        guard let value = Value.fromDatabaseValue(stored) else { throw self.damaged(row) }
        return value
    }

    private func damaged(_ row: Row) -> MetadataError {
        MetadataError(.incompatibleStore, "The metadata store has a row that this version never wrote: \(row)")
    }
}
