// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// How a broker ends.
enum Ending: CaseIterable, CustomTestStringConvertible {
    case stop
    case kill

    var testDescription: String {
        switch self {
        case .stop: "SIGTERM"
        case .kill: "kill -9"
        }
    }
}

extension BrokerUnderTest {
    func end(_ ending: Ending) async throws {
        switch ending {
        case .stop: try await self.stop()
        case .kill: try await self.kill()
        }
    }
}

extension Interop {
    @Suite("Nothing acknowledged is lost") struct RestartTests {
        @Test("records, topics, configs and the cluster's id outlive a restart", arguments: Ending.allCases)
        func everythingStays(ending: Ending) async throws {
            try await withBroker { broker in
                let records = (0..<300).map {
                    Record(
                        partition: $0 % 3,
                        timestamp: 1_000_000 + $0,
                        key: Data("\($0)".utf8),
                        value: Data("v\($0)".utf8)
                    )
                }
                let sorted = records.inOrder.map(\.content)
                let state: [JSON] = [
                    ["do": "describe_topic", "topic": "kept"], ["do": "describe_cluster"],
                    ["do": "describe_configs", "type": "topic", "name": "kept"],
                    ["do": "offsets", "topic": "kept", "partition": 1, "times": [1_000_100]],
                ]
                let created = try await broker.run(
                    .confluent,
                    [
                        "do": "create_topic", "topic": "kept", "partitions": 3,
                        "configs": ["segment.bytes": "1048576", "retention.ms": "-1"],
                    ]
                )
                #expect(created[0].error == nil)
                for (client, codec) in zip(Client.allCases, ["zstd", "gzip", "lz4", "none"]) {
                    try await broker.produce(client, "kept", records.inOrder, ProduceOptions(codec: codec))
                }
                let before = try await broker.finish(broker.begin(.kafkaPython, state))
                try await broker.end(ending)
                try await broker.start()
                #expect(try await broker.finish(broker.begin(.kafkaPython, state)) == before)
                for reader in Client.allCases {
                    let read = try await broker.consume(
                        reader, "kept", from: [0: 0, 1: 0, 2: 0], count: 300 * Client.allCases.count)
                    let expected = sorted.splitByPartition.flatMap { part in Client.allCases.flatMap { _ in part } }
                    #expect(read.map(\.content) == expected, "read by \(reader)")
                }
                let next = try await broker.run(
                    .confluent, BrokerUnderTest.produceStep("kept", [Record(partition: 2, value: Data("next".utf8))])
                )
                #expect(next[0]["deliveries"][0]["offset"].int == 100 * Client.allCases.count)
            }
        }

        @Test(
            "a producer that goes on through a restart loses nothing and doubles nothing",
            arguments: Library.recordClients, Ending.allCases
        )
        func runningProducer(library: Library, ending: Ending) async throws {
            try await withBroker { broker in
                let producer = try await RunningProducer(library, on: broker)
                try await producer.waitForAcknowledged(1000)
                try await broker.end(ending)
                try await broker.start()
                try await producer.waitForMore(1000)
                try await producer.finishAndCheck()
            }
        }
    }
}

extension [Record] {
    /// One array for each partition, in the order of the partitions.
    fileprivate var splitByPartition: [[Record]] {
        Dictionary(grouping: self, by: \.partition).sorted { $0.key < $1.key }.map(\.value)
    }
}
