// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    /// Kafka itself is not at hand here; the brokers that librdkafka has for its own tests are by other people, too.
    @Suite("KafkaClient with brokers of others") struct ForeignBrokerTests {
        private static let waitLimit = Duration.seconds(60)
        private static let pollInterval = Duration.milliseconds(5)
        private static let partitions = 4

        /// Runs `body` with the addresses of three mock brokers. The broker under test gives the folder only.
        private static func withMockCluster(
            _ body: @Sendable (BrokerUnderTest, String) async throws -> Void
        ) async throws {
            try await withBroker { broker in
                let (address, stop) = (try broker.file("address"), try broker.file("stop"))
                let program = try broker.begin(
                    .confluent,
                    [["do": "mock_cluster", "addressFile": .string(address.path), "stopFile": .string(stop.path)]])
                let clock = ContinuousClock()
                let deadline = clock.now + Self.waitLimit
                while !FileManager.default.fileExists(atPath: address.path) {
                    try #require(program.process.isRunning && clock.now < deadline, "\(program.errorText)")
                    try await Task.sleep(for: Self.pollInterval)
                }
                do {
                    try await body(broker, try String(contentsOf: address, encoding: .utf8))
                } catch {
                    program.send(SIGKILL)
                    throw error
                }
                try Data().write(to: stop)
                _ = try await broker.finish(program)
            }
        }

        @Test("what KafkaClient writes to three brokers, each library reads there, once and in order")
        func writes() async throws {
            try await Self.withMockCluster { broker, bootstrap in
                let count = 20_000
                let sent = try await broker.run(
                    .kafkaClient,
                    [
                        "do": "produce_sequence", "topic": "ours", "partitions": .number(Self.partitions), "size": 100,
                        "count": .number(count),
                    ],
                    bootstrap: bootstrap)
                #expect(sent[0] == ["sent": .number(count), "acknowledged": .number(count), "failures": []])
                for reader in [Library.kafkaClient, .confluent] {
                    let read = try await broker.run(
                        reader, Self.consume("ours"), bootstrap: bootstrap)
                    #expect(read[0] == ["count": .number(count), "problems": []], "read by \(reader)")
                }
            }
        }

        @Test("what librdkafka writes to its brokers KafkaClient reads there")
        func reads() async throws {
            try await Self.withMockCluster { broker, bootstrap in
                let count = 20_000
                let sent = try await broker.run(
                    .confluent,
                    [
                        "do": "produce_sequence", "topic": "theirs", "partitions": .number(Self.partitions),
                        "size": 100,
                        "count": .number(count),
                    ],
                    bootstrap: bootstrap)
                #expect(sent[0]["acknowledged"].int == count)
                let read = try await broker.run(.kafkaClient, Self.consume("theirs"), bootstrap: bootstrap)
                #expect(read[0] == ["count": .number(count), "problems": []])
            }
        }

        private static func consume(_ topic: JSON) -> JSON {
            ["do": "consume_sequence", "topic": topic, "partitions": .number(Self.partitions), "size": 100]
        }
    }
}
