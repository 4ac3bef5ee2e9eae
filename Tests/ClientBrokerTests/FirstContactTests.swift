// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import NIOCore
import Synchronization
import Testing

@Suite struct FirstContactTests {
    @Test("what a cluster handle writes to the broker in this process it reads from there")
    func producesAndReads() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let address = try #require(BrokerAddress(martlet.bootstrap))
            let configuration = KafkaClusterConfiguration(bootstrap: [address])
            try await KafkaCluster.withCluster(configuration) { cluster in
                let orders = TopicPartition(topic: "orders", partition: 0)
                var builder = RecordBatchBuilder()
                for number in 0..<100 {
                    try builder.append(key: nil, value: ByteBuffer(string: "order \(number)"), timestamp: 1_000)
                }
                let produced = try await cluster.produce(try builder.finish(), to: orders)
                #expect(produced.baseOffset == 0)

                let read = Mutex<[String]>([])
                try await cluster.read([ReadRange(orders, from: 0, upTo: 100)]) { batch in
                    var records = try batch.batch.records()
                    let values = try records.collect().compactMap { $0.value.map { String(buffer: $0) } }
                    read.withLock { $0 += values }
                    return .more
                }
                #expect(read.withLock { $0 } == (0..<100).map { "order \($0)" })
            }
        }
    }
}
