// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Many records and large ones") struct VolumeTests {
        private static let largeBytes = 8 * 1024 * 1024

        @Test(
            "100,000 idempotent records over four partitions arrive once and in order", arguments: Library.recordClients
        )
        func idempotentSequence(producer: Library) async throws {
            try await withBroker { broker in
                let count = 100_000
                let sent = try await broker.run(
                    producer,
                    ["do": "create_topic", "topic": "numbers", "partitions": 4],
                    [
                        "do": "produce_sequence", "topic": "numbers", "partitions": 4, "size": 100,
                        "count": .number(count),
                    ]
                )
                #expect(sent[1] == ["sent": .number(count), "acknowledged": .number(count), "failures": []])
                for reader in Library.recordClients {
                    let read = try await broker.run(
                        reader,
                        ["do": "consume_sequence", "topic": "numbers", "partitions": 4, "size": 100]
                    )
                    #expect(read[0] == ["count": .number(count), "problems": []], "read by \(reader)")
                }
            }
        }

        @Test("DescribeProducers lists an idempotent producer with its last sequence number")
        func describeProducers() async throws {
            try await withBroker { broker in
                let results = try await broker.run(
                    .kafkaPython,
                    ["do": "create_topic", "topic": "numbers"],
                    ["do": "produce_sequence", "topic": "numbers", "partitions": 1, "size": 100, "count": 250],
                    ["do": "describe_producers", "topic": "numbers", "partition": 0]
                )
                let producers = results[2]["producers"].elements
                #expect(producers.count == 1)
                #expect(producers.first?["sequence"].int == 249)
                #expect(producers.first?["epoch"].int == 0)
            }
        }

        @Test("a record of 8 MiB is written by each client and read by each, with its usual fetch sizes")
        func largeRecords() async throws {
            try await withBroker { broker in
                try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "large", "configs": ["max.message.bytes": "10000000"]]
                )
                let value = Self.noise(Self.largeBytes)
                let file = try broker.file("large", value)
                let record: JSON = ["partition": 0, "key": nil, "valueFile": .string(file.path)]
                for (library, limit) in [(Library.confluent, "message.max.bytes"), (.kafkaPython, "max_request_size")] {
                    let results = try await broker.run(
                        library,
                        [
                            "do": "produce", "topic": "large", "records": [record],
                            "settings": .object([limit: 10_000_000]),
                        ]
                    )
                    #expect(results[0]["deliveries"][0].error == nil, "\(results)")
                }
                try await broker.kcat(
                    "-P", "-t", "large", "-p", "0", "-X", "message.max.bytes=10000000", file.path
                )
                for library in Library.recordClients {
                    var step = BrokerUnderTest.consumeStep("large", count: 3).fields
                    step["valuesTo"] = .string(broker.folder.path)
                    let results = try await broker.run(library, .object(step))
                    for read in results[0]["records"].elements {
                        let path = try #require(read["valueFile"].text)
                        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == value, "read by \(library)")
                    }
                    #expect(results[0]["records"].elements.count == 3)
                }
                let printed = try await broker.kcat("-C", "-t", "large", "-p", "0", "-o", "1", "-c", "1", "-f", "%s")
                #expect(printed == value)
            }
        }

        @Test("a record above max.message.bytes is refused with MESSAGE_TOO_LARGE", arguments: Library.recordClients)
        func tooLarge(library: Library) async throws {
            try await withBroker { broker in
                let file = try broker.file("large", Self.noise(2 * 1024 * 1024))
                let limit = library == .confluent ? "message.max.bytes" : "max_request_size"
                let results = try await broker.run(
                    library,
                    ["do": "create_topic", "topic": "small"],
                    [
                        "do": "produce", "topic": "small", "settings": .object([limit: 10_000_000]),
                        "records": [["partition": 0, "key": nil, "valueFile": .string(file.path)]],
                    ]
                )
                #expect(results[1]["deliveries"][0].error == "MESSAGE_TOO_LARGE")
                let small = Record(value: Data("fits".utf8))
                try await broker.produce(.kcat, "small", [small])
                #expect(try await broker.consume(.kcat, "small", count: 1).map(\.content) == [small])
            }
        }

        /// Bytes that do not compress, the same in every run.
        private static func noise(_ count: Int) -> Data {
            var state: UInt64 = 0x9E37_79B9_7F4A_7C15
            var data = Data(capacity: count)
            while data.count < count {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                withUnsafeBytes(of: state) { data.append(contentsOf: $0) }
            }
            return data
        }
    }
}
