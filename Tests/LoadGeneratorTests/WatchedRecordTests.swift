// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import MartletTestKit
import Synchronization
import Testing

/// What the load generator needs of `ProduceHandle`.
@Suite("ProduceHandle that is watched") struct WatchedRecordTests {
    @Test("who watches a record is told once how it ended, also when that was before")
    func outcome() async throws {
        try await withMartlet { martlet in
            let cluster = try KafkaClusterConfiguration(bootstrap: martlet.bootstrap)
            try await KafkaProducer.withProducer(cluster) { producer in
                let told = Mutex<[Int64?]>([])
                let note: @Sendable (Result<RecordMetadata, KafkaClientError>) -> Void = { result in
                    told.withLock { $0.append((try? result.get())?.offset?.rawValue) }
                }
                let record = ProducerRecord(topic: "t", partition: PartitionIndex(0), value: "v")
                let first = try await producer.enqueue(record)
                let second = try await producer.enqueue(record)
                #expect(first.sharesBatch(with: second))
                second.whenDone(note)
                #expect(told.withLock { $0 } == [])
                try await producer.flush()
                first.whenDone(note)
                #expect(told.withLock { $0 } == [1, 0])
                let third = try await producer.enqueue(record)
                #expect(!third.sharesBatch(with: first))
            }
        }
    }
}
