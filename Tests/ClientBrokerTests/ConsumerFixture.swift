// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import NIOCore
import Testing

/// What tests of the consumer share.
enum ConsumerFixture {
    static func cluster(_ martlet: Martlet) throws -> KafkaClusterConfiguration {
        let bootstrap = try martlet.nodes.map { try #require(BrokerAddress($0.address)) }
        var configuration = KafkaClusterConfiguration(bootstrap: bootstrap)
        configuration.retry.firstDelay = .milliseconds(5)
        configuration.retry.delayMax = .milliseconds(50)
        return configuration
    }

    static func partition(_ index: Int32, of topic: String = "orders") -> TopicPartition {
        TopicPartition(topic: topic, partition: PartitionIndex(index))
    }

    /// Writes records, whose values are the numbers and whose timestamps are a thousand times that, in batches.
    static func produce(
        _ numbers: Range<Int>, to partition: TopicPartition, batch size: Int = 10, codec: CompressionCodec = .none,
        _ cluster: KafkaCluster
    ) async throws {
        var first = numbers.lowerBound
        while first < numbers.upperBound {
            var options = RecordBatchBuilder.Options()
            options.codec = codec
            var builder = RecordBatchBuilder(options)
            for number in first..<min(first + size, numbers.upperBound) {
                try builder.append(
                    key: ByteBuffer(string: "k\(number)"), value: ByteBuffer(string: "\(number)"),
                    timestamp: Int64(number) * 1000)
            }
            _ = try await cluster.produce(try builder.finish(), to: partition)
            first += size
        }
    }

    /// Short waits: what is tested does not depend on them.
    static func configuration(
        _ subscription: KafkaConsumerConfiguration.Subscription
    ) -> KafkaConsumerConfiguration {
        var configuration = KafkaConsumerConfiguration(subscription: subscription)
        configuration.fetchMaxWait = .milliseconds(20)
        configuration.autoCommitInterval = .seconds(3600)
        return configuration
    }

    /// The next `count` records, in the order in which they came.
    static func records(_ count: Int, of consumer: KafkaConsumer) async throws -> [ConsumedRecord] {
        var records: [ConsumedRecord] = []
        guard count > 0 else { return [] }
        for try await record in consumer.records {
            records.append(record)
            if records.count == count { break }
        }
        return records
    }
}

extension ConsumedRecord {
    var number: Int { self.record.value.flatMap { Int(String(buffer: $0)) } ?? -1 }
}

extension [ConsumedRecord] {
    var numbers: [Int] { self.map(\.number) }
}
