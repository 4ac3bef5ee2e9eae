// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Which brokers get the partitions of a new topic, or of one that grows.
public enum ReplicaPlacement: Sendable, Hashable {
    /// So many partitions with so many replicas each, spread evenly over the brokers.
    case spread(partitions: Int32, replicationFactor: Int16)
    /// For each partition its brokers, by hand, the preferred leader first.
    case manual([[NodeID]])

    /// The partitions, the first of them numbered `firstIndex`.
    ///
    /// Throws `invalidPartitions`, `invalidReplicationFactor`, `invalidReplicaAssignment` or `limitReached`.
    public func partitions(
        for topic: String, brokers: [NodeID], firstIndex: Int = 0
    ) throws(MetadataError) -> [PartitionImage] {
        switch self {
        case .spread(let count, let factor):
            return try Self.spread(topic, Int(count), Int(factor), brokers, firstIndex)
        case .manual(let assignments):
            try Self.check(assignments, topic, brokers)
            return assignments.map { PartitionImage(replicas: $0) }
        }
    }

    private static func spread(
        _ topic: String, _ count: Int, _ factor: Int, _ brokers: [NodeID], _ firstIndex: Int
    ) throws(MetadataError) -> [PartitionImage] {
        guard count > 0 else {
            throw MetadataError(.invalidPartitions, "Topic '\(topic)': the number of partitions must be above 0")
        }
        guard count <= ClusterImage.partitionsPerTopicMax else {
            throw MetadataError(
                .limitReached,
                "Topic '\(topic)': \(count) partitions; at most \(ClusterImage.partitionsPerTopicMax) are allowed")
        }
        guard factor > 0 else {
            throw MetadataError(
                .invalidReplicationFactor, "Topic '\(topic)': the replication factor must be above 0")
        }
        guard factor <= brokers.count else {
            throw MetadataError(
                .invalidReplicationFactor,
                "Topic '\(topic)': replication factor \(factor) needs as many brokers; there are \(brokers.count)")
        }
        return (0..<count).map { offset in
            // Leaders take turns; the other replicas follow their leader, so every broker leads as many.
            let start = firstIndex + offset
            return PartitionImage(replicas: (0..<factor).map { brokers[(start + $0) % brokers.count] })
        }
    }

    private static func check(
        _ assignments: [[NodeID]], _ topic: String, _ brokers: [NodeID]
    ) throws(MetadataError) {
        guard !assignments.isEmpty, assignments.count <= ClusterImage.partitionsPerTopicMax else {
            throw MetadataError(
                .invalidReplicaAssignment,
                "Topic '\(topic)': assign 1 to \(ClusterImage.partitionsPerTopicMax) partitions")
        }
        for (index, replicas) in assignments.enumerated() {
            let reason: String? =
                if replicas.isEmpty {
                    "no broker is assigned"
                } else if Set(replicas).count != replicas.count {
                    "a broker is assigned twice in \(replicas)"
                } else if let stranger = replicas.first(where: { !brokers.contains($0) }) {
                    "there is no broker \(stranger)"
                } else if replicas.count != assignments[0].count {
                    "it has \(replicas.count) replicas, the one before has \(assignments[0].count)"
                } else {
                    nil
                }
            if let reason {
                throw MetadataError(
                    .invalidReplicaAssignment, "Topic '\(topic)', number \(index) of its assignments: \(reason)")
            }
        }
    }
}
