// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore
import NIOPosix

/// Writes records of one size to a topic, partitions chosen by the producer.
struct ProduceRun {
    let target: Target
    let settings: Settings
    let recordBytes: Int

    /// Every record acknowledged at the end.
    func asFastAsItGoes(records: Int) async throws {
        try await self.withProducer { producer in
            let meter = Meter()
            // What a service would do: one task, and nothing kept of each record. A failure shows at the flush.
            var last: ProduceHandle?
            for number in 0..<records { last = try await producer.enqueue(self.record(number)) }
            try await producer.flush()
            _ = try await last?.metadata
            meter.report(records: records, bytes: records * self.recordBytes)
        }
    }

    /// From the time at which a record was due to its acknowledgement.
    func atRate(perSecond: Int, seconds: Int) async throws {
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pacer = Pacer(threads.next())
        try await self.withProducer { producer in
            let count = perSecond * seconds
            let meter = Meter()
            let latencies = try await pacer.latencies(count, perSecond: perSecond, to: producer) { self.record($0) }
            func percentile(_ part: Int) -> Int64 { latencies[min(count * part / 1000, count - 1)] / 1000 }
            meter.report(
                records: count, bytes: count * self.recordBytes,
                more: " p50_us=\(percentile(500)) p99_us=\(percentile(990)) p999_us=\(percentile(999))"
                    + " max_us=\(percentile(1000))")
        }
        try await threads.shutdownGracefully()
    }

    private func withProducer(_ body: @Sendable (KafkaProducer) async throws -> Void) async throws {
        let cluster = KafkaClusterConfiguration(bootstrap: try self.target.brokers)
        try await KafkaProducer.withProducer(cluster, configuration: self.settings.producer) { producer in
            // Connections and metadata are there before the clock starts.
            _ = try await producer.send(self.record(0))
            try await body(producer)
        }
    }

    private static let text = ByteBuffer(bytes: (0..<(1 << 20)).map { UInt8(ascii: "a") + UInt8($0 * 7 % 26) })

    /// Bytes that compress as text does. They are not copied before they go into a batch.
    private func record(_ number: Int) -> ProducerRecord {
        let value = Self.text.getSlice(at: number % 26, length: self.recordBytes)
        return ProducerRecord(topic: self.target.topic, value: value)
    }
}
