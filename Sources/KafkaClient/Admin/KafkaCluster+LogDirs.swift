// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

/// A directory in which a broker keeps partitions: one of its `log.dirs` (KIP-113).
public struct LogDirectory: Sendable {
    /// What a replica takes.
    public struct Replica: Sendable {
        /// All its segments, in bytes.
        public var bytes: Int64
        /// How far it is behind the high watermark, or a replica on its way behind the one that it is to replace, in
        /// records.
        public var offsetLag: Int64
        /// It is on its way to this directory, and will replace the one in another.
        public var isFuture: Bool
    }

    /// By partition.
    public var replicas: [TopicPartition: Replica]
    /// The size of the volume in bytes; nil from brokers before 3.3 (KIP-827).
    public var totalBytes: Int64?
    /// What is free on the volume in bytes; nil from brokers before 3.3.
    public var usableBytes: Int64?
    /// It gets no new partitions (KIP-1066); false from brokers that do not know this.
    public var isCordoned: Bool
}

/// The directories of a broker, by path. One that the broker cannot read fails on its own, with `kafkaStorageError`.
public typealias LogDirectories = [String: Result<LogDirectory, KafkaClientError>]

extension KafkaCluster {
    /// The directories of brokers and what lies there; of all brokers for nil. Brokers fail on their own, with
    /// ``KafkaClientError/Code/unknownBroker`` where the cluster has none of a number.
    ///
    /// One request to each broker: DescribeLogDirs 1, Kafka 1.0. The answer has an entry for every partition, unless
    /// `partitions` says which are of interest.
    public func describeLogDirectories(
        of nodes: [NodeID]? = nil, partitions: [TopicPartition]? = nil
    ) async throws -> [NodeID: Result<LogDirectories, KafkaClientError>] {
        var request = DescribeLogDirsRequest()
        request.topics = partitions?.sorted().groupedByTopic { name, partitions in
            var topic = DescribeLogDirsRequest.DescribableLogDirTopic()
            topic.topic = name
            topic.partitions = partitions.map(\.partition.rawValue)
            return topic
        }
        let all = nodes == nil ? try await self.describeCluster().brokers.map(\.nodeID) : []
        return try await self.atNodes(nodes ?? all) { [request] connection in
            let response = try await connection.send(request)
            try Self.check(response.errorCode, subject: "the log directories of \(connection.address)")
            var directories: LogDirectories = [:]
            for result in response.results {
                directories[result.logDir] = Self.outcome(
                    LogDirectory(result), result.errorCode, subject: "\(result.logDir) of \(connection.address)")
            }
            return directories
        }
    }

    /// Moves replicas on one broker to another of its directories, or says where those go that are not there yet.
    /// Partitions fail on their own, with `logDirNotFound` for a path that is none of the broker's. Returns when the
    /// broker has begun: ``describeLogDirectories(of:partitions:)`` tells how far it is.
    ///
    /// One request to the broker: AlterReplicaLogDirs 1, Kafka 1.1.
    public func alterReplicaDirectories(
        of node: NodeID, to paths: [TopicPartition: String]
    ) async throws -> PartitionResults<Void> {
        guard !paths.isEmpty else { return [:] }
        var request = AlterReplicaLogDirsRequest()
        request.dirs = Dictionary(grouping: paths.keys.sorted()) { paths[$0] ?? "" }
            .sorted { $0.key < $1.key }
            .map { path, partitions in
                var directory = AlterReplicaLogDirsRequest.AlterReplicaLogDir()
                directory.path = path
                directory.topics = partitions.groupedByTopic { name, partitions in
                    var topic = AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic()
                    topic.name = name
                    topic.partitions = partitions.map(\.partition.rawValue)
                    return topic
                }
                return directory
            }
        let results = try await self.atNodes([node]) { [request] connection in
            let response = try await connection.send(request)
            var results = PartitionResults<Void>(missing: Array(paths.keys), api: "AlterReplicaLogDirs")
            for topic in response.results {
                for entry in topic.partitions {
                    let partition = TopicPartition(
                        topic: topic.topicName, partition: PartitionIndex(entry.partitionIndex))
                    results[partition] = Self.outcome((), entry.errorCode, subject: "\(partition)")
                }
            }
            return results
        }
        guard let result = results[node] else { throw KafkaClientError(unknownBroker: node) }
        return try result.get()
    }
}

extension LogDirectory {
    init(_ result: DescribeLogDirsResponse.DescribeLogDirsResult) {
        self.totalBytes = result.totalBytes < 0 ? nil : result.totalBytes
        self.usableBytes = result.usableBytes < 0 ? nil : result.usableBytes
        self.isCordoned = result.isCordoned
        self.replicas = [:]
        for topic in result.topics {
            for entry in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                self.replicas[partition] = Replica(
                    bytes: entry.partitionSize, offsetLag: entry.offsetLag, isFuture: entry.isFutureKey)
            }
        }
    }
}
