// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("What one client writes, every client reads byte for byte") struct RoundTripTests {
        private static let codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
        private static let acks = ["0", "1", "all"]
        /// Every codec with every acks; the index is the partition that it is written to.
        private static let variants = Self.codecs.flatMap { codec in Self.acks.map { (codec: codec, acks: $0) } }

        @Test("with every codec and acks", arguments: Client.allCases)
        func everyVariant(producer: Client) async throws {
            try await withBroker { broker in
                let partitions = Self.variants.count
                try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "variants", "partitions": .number(partitions)]
                )
                let sent = try await Self.produceVariants(producer, to: broker)
                let from = Dictionary(uniqueKeysWithValues: (0..<partitions).map { ($0, 0) })
                for reader in Client.allCases {
                    let read = try await broker.consume(reader, "variants", from: from, count: sent.count)
                    #expect(read.map(\.content) == sent.map(\.content), "read by \(reader)")
                    for (record, original) in zip(read, sent) where original.timestamp != nil {
                        #expect(record.timestamp == original.timestamp)
                    }
                }
                // Producers compress a batch only where that makes it smaller, as for the one with the regular value.
                let offset = Samples.records(of: producer).firstIndex { $0.value == Samples.regular } ?? -1
                for (partition, variant) in Self.variants.enumerated() {
                    let batch = try await broker.run(
                        .rawRequests,
                        [
                            "do": "first_batch", "topic": "variants", "partition": .number(partition),
                            "offset": .number(offset),
                        ]
                    )
                    #expect(batch[0]["codec"].text == variant.codec, "\(variant)")
                }
            }
        }

        /// Writes the producer's records in every variant and gives them in order.
        private static func produceVariants(_ producer: Client, to broker: BrokerUnderTest) async throws -> [Record] {
            var sent: [Record] = []
            var steps: [JSON] = []
            for (partition, variant) in Self.variants.enumerated() {
                let records = Samples.records(of: producer).map { record in
                    var record = record
                    record.partition = partition
                    return record
                }
                sent += records
                let options = ProduceOptions(codec: variant.codec, acks: variant.acks)
                if producer.library == nil {
                    try await broker.produce(producer, "variants", records, options)
                } else {
                    steps.append(BrokerUnderTest.produceStep("variants", records, options))
                }
            }
            guard let library = producer.library else { return sent }
            let program = try broker.begin(library, steps)
            for result in try await broker.finish(program) {
                #expect(result["deliveries"].elements.filter { $0.error != nil } == [])
            }
            return sent
        }

        @Test("the topic's compression.type wins over the producer's", arguments: ["gzip", "zstd", "uncompressed"])
        func topicCodec(codec: String) async throws {
            try await withBroker { broker in
                try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "recoded", "configs": ["compression.type": .string(codec)]]
                )
                let records = Samples.records(of: .confluent)
                try await broker.produce(.confluent, "recoded", records, ProduceOptions(codec: "lz4"))
                let batch = try await broker.run(.rawRequests, ["do": "first_batch", "topic": "recoded", "offset": 0])
                #expect(batch[0]["codec"].text == (codec == "uncompressed" ? "none" : codec))
                let read = try await broker.consume(.kafkaPython, "recoded", count: records.count)
                #expect(read.map(\.content) == records.map(\.content))
            }
        }

        @Test("message.timestamp.type=LogAppendTime replaces the producer's timestamps")
        func logAppendTime() async throws {
            try await withBroker { broker in
                try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "stamped", "configs": ["message.timestamp.type": "LogAppendTime"]]
                )
                try await broker.produce(.kafkaPython, "stamped", [Record(timestamp: 1000, value: Data("a".utf8))])
                for reader in Client.allCases {
                    let read = try await broker.consume(reader, "stamped", count: 1)
                    #expect(read[0].timestamp ?? 0 > 1_600_000_000_000, "read by \(reader)")
                }
            }
        }
    }
}

/// Records with everything that a record can be.
private enum Samples {
    static func records(of producer: Client) -> [Record] {
        switch producer {
        case .confluent, .kafkaClient: Self.common + Self.onlyLibrdkafka
        case .kafkaPython: Self.common
        case .kcat: Self.kcat
        }
    }

    private static let allBytes = Data(0...255)
    /// Without the bytes that delimit headers in what kcat prints, and without 0, where it stops.
    private static let highBytes = Data([1, 10]) + Data(128...255)
    /// Long and regular: worth compressing.
    static let regular = Data(String(repeating: "The quick brown fox. ", count: 2000).utf8)

    private static let common: [Record] = [
        Record(timestamp: 1_700_000_000_000, key: Data("key".utf8), value: Data("value".utf8)),
        Record(timestamp: 1_700_000_000_001, key: nil, value: Data("null key".utf8)),
        Record(timestamp: 1_700_000_000_002, key: Data(), value: Data("empty key".utf8)),
        Record(timestamp: 1_700_000_000_002, key: Data("empty value".utf8), value: Data()),
        Record(timestamp: 1_700_000_000_001, key: Data("tombstone".utf8), value: nil),
        Record(key: Self.allBytes, value: Self.allBytes + Self.allBytes),
        Record(key: Data("regular".utf8), value: Self.regular),
        Record(
            key: Data("headers".utf8),
            value: Data("v".utf8),
            headers: [
                .init("twice", Data("first".utf8)), .init("twice", Data("second".utf8)), .init("empty", Data()),
                .init("größe", Data("ü".utf8)),
            ]
        ),
        Record(value: Data("v".utf8), headers: [.init("binary", Self.highBytes)]),
    ]

    /// kafka-python refuses to send null headers, and records without key and value.
    private static let onlyLibrdkafka: [Record] = [
        Record(value: Data("v".utf8), headers: [.init("null", nil), .init("value", Data("x".utf8))]),
        Record(key: nil, value: nil),
    ]

    private static let kcat: [Record] = [
        Record(key: Data("key".utf8), value: Data("value".utf8)),
        Record(key: nil, value: Data("null key".utf8)),
        Record(key: Data(), value: Data("empty key".utf8)),
        Record(key: Data("empty value".utf8), value: Data()),
        Record(key: Self.allBytes, value: Self.allBytes + Self.allBytes),
        Record(key: Data("regular".utf8), value: Self.regular),
        Record(key: Data("tombstone".utf8), value: nil),
        Record(
            key: Data("headers".utf8),
            value: Data("v".utf8),
            headers: [.init("twice", Data("first".utf8)), .init("twice", Data("second".utf8))]
        ),
    ]
}
