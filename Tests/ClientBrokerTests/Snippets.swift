// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if ServiceLifecycle

import KafkaClient
import Logging
import ServiceLifecycle
import UnixSignals

// The code of README.md and of KafkaClient.docc, to see that it compiles. `SnippetTests` compares the text.

private func readme() async throws {
    // Sources/app/main.swift
    let cluster = try KafkaClusterConfiguration(bootstrap: "localhost:9092")
    try await KafkaProducer.withProducer(cluster) { producer in
        let written = try await producer.send(ProducerRecord(topic: "greetings", key: "1", value: "hello"))
        print("written to \(written.partition)")
    }
    let readers = KafkaConsumerConfiguration(group: "readers", topics: ["greetings"])
    try await KafkaConsumer.withConsumer(cluster, configuration: readers) { consumer in
        for try await consumed in consumer.records.prefix(1) {
            print("read \(consumed.record.value.map { String(buffer: $0) } ?? "nothing")")
        }
    }
}

private func overview() async throws {
    let cluster = try KafkaClusterConfiguration(bootstrap: "localhost:9092")
    try await KafkaProducer.withProducer(cluster) { producer in
        let written = try await producer.send(ProducerRecord(topic: "greetings", key: "1", value: "hello"))
        print("written to \(written.partition) at \(written.offset.map(String.init(describing:)) ?? "?")")
    }
}

private struct GettingStarted {
    func writeOrders(_ cluster: KafkaClusterConfiguration) async throws {
        try await KafkaProducer.withProducer(cluster) { producer in
            let first = try await producer.send(ProducerRecord(topic: "orders", key: "user-1", value: "placed"))
            print("order 1 is at offset \(first.offset?.rawValue ?? -1) of \(first.partition)")

            var handles: [ProduceHandle] = []
            for number in 2...1000 {
                handles.append(
                    try await producer.enqueue(ProducerRecord(topic: "orders", key: "user-\(number)", value: "placed")))
            }
            for handle in handles { _ = try await handle.metadata }
        }
    }

    func readOrders(_ cluster: KafkaClusterConfiguration) async throws {
        let configuration = KafkaConsumerConfiguration(group: "billing", topics: ["orders"])
        try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer in
            for try await consumed in consumer.records {
                let value = consumed.record.value.map { String(buffer: $0) } ?? "deleted"
                print("\(consumed.partition) \(consumed.record.offset): \(value)")
            }
        }
    }

    func serve(_ cluster: KafkaClusterConfiguration, logger: Logger) async throws {
        let shipping = KafkaConsumerConfiguration(group: "shipping", topics: ["orders"])
        let producer = try KafkaProducer(cluster: cluster, logger: logger)
        let consumer = try KafkaConsumer(cluster: cluster, configuration: shipping, logger: logger)
        // They are told to stop from the last to the first, each when the one after it has ended.
        let group = ServiceGroup(
            services: [producer, consumer, Shipping(consumer: consumer, producer: producer)],
            gracefulShutdownSignals: [.sigterm], logger: logger)
        try await group.run()
    }

    struct Shipping: Service {
        let consumer: KafkaConsumer
        let producer: KafkaProducer

        func run() async throws {
            for try await consumed in self.consumer.records {
                // Acknowledged before the next record is asked for: what is committed has been passed on.
                _ = try await self.producer.send(
                    ProducerRecord(topic: "parcels", key: consumed.record.key, value: consumed.record.value))
            }
        }
    }
}

private struct Consuming {
    func count(_ consumer: KafkaConsumer) async throws -> Int {
        var bytes = 0
        for try await batch in consumer.batches {
            try batch.forEachRecord { record in bytes += record.value?.count ?? 0 }
        }
        return bytes
    }
}

#endif
