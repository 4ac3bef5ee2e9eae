// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import NIOCore
import Synchronization

extension Martlet {
    /// How a client reaches this broker, patient enough for its restarts.
    var cluster: KafkaClusterConfiguration {
        KafkaClusterConfiguration(bootstrap: [BrokerAddress(host: "127.0.0.1", port: self.port)])
    }

    /// Everything that the partitions of a topic hold, in the order of their offsets.
    func records(of topic: String, partitions: Int32 = 1) async throws -> [[Record]] {
        try await KafkaCluster.withCluster(self.cluster) { cluster in
            var all: [[Record]] = []
            for index in 0..<partitions {
                let partition = TopicPartition(topic: topic, partition: PartitionIndex(index))
                all.append(try await cluster.records(of: partition))
            }
            return all
        }
    }
}

extension KafkaCluster {
    fileprivate func records(of partition: TopicPartition) async throws -> [Record] {
        let offsets = try await self.listOffsets([partition: .latest])
        guard let end = try offsets[partition]?.get().offset, end > 0 else { return [] }
        let records = Mutex<[Record]>([])
        try await self.read([ReadRange(partition, from: 0, upTo: end)]) { batch in
            var iterator = try batch.batch.records()
            let found = try iterator.collect()
            records.withLock { $0 += found }
            return .more
        }
        return records.withLock(\.self)
    }
}

extension Record {
    var text: String { self.value.map { String(buffer: $0) } ?? "" }
}
