// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Compacted topics") struct CompactionTests {
        private static let settings: [(name: String, value: String)] = [
            ("log.cleaner.backoff.ms", "50"), ("log.cleaner.io.max.bytes.per.second", "1e9"),
        ]

        private static let configs: JSON = [
            "cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
        ]

        /// A record of a key, an hour after the one before, so that each batch begins a segment.
        private static func record(_ key: String, _ value: String?, hour: Int) -> Record {
            Record(
                timestamp: 1_700_000_000_000 + hour * 3_600_000, key: Data(key.utf8),
                value: value.map { Data($0.utf8) })
        }

        /// Waits until the log of the topic's partition 0 has been compacted up to an offset.
        private static func waitForCompaction(_ topic: String, upTo offset: Int, _ broker: BrokerUnderTest) async throws
        {
            let file = broker.dataDirectory.appendingPathComponent("\(topic)-0/compaction")
            for _ in 0..<600 {
                if let text = try? String(contentsOf: file, encoding: .utf8),
                    text.split(separator: "\n").contains("cleaned \(offset)")
                {
                    return
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            throw BrokerFailure("\(topic) was not compacted up to \(offset)", log: broker.recentLog)
        }

        @Test(
            "every client reads the last value of each key at its offset, also after a crash",
            arguments: [Client.confluent, .kafkaPython], ["none", "zstd"]
        )
        func latestValues(client: Client, codec: String) async throws {
            try await withBroker(BrokerOptions(settings: Self.settings)) { broker in
                let created = try await broker.run(
                    .confluent, ["do": "create_topic", "topic": "states", "configs": Self.configs])
                #expect(created[0].error == nil)
                var sent: [Record] = []
                for round in 0..<4 {
                    var batch = (0..<50).map { index in
                        Self.record("user-\(index)", "round \(round) of \(index)", hour: round)
                    }
                    batch.append(Self.record("only-\(round)", "once", hour: round))
                    try await broker.produce(client, "states", batch, ProduceOptions(codec: codec))
                    sent += batch
                }
                // Nothing of the active segment is compacted, and it holds the last round.
                try await Self.waitForCompaction("states", upTo: 153, broker)
                let expected = sent.enumerated().filter { offset, record in
                    offset >= 153 || !sent[(offset + 1)..<153].contains { $0.key == record.key }
                }
                for step in 0..<2 {
                    for reader in Client.allCases {
                        let read = try await broker.consume(reader, "states", count: expected.count)
                        #expect(read.map(\.offset) == expected.map(\.offset), "\(reader), step \(step)")
                        #expect(read.map(\.content) == expected.map(\.element.content), "\(reader), step \(step)")
                        #expect(
                            read.map(\.timestamp) == expected.map(\.element.timestamp), "\(reader), step \(step)")
                    }
                    try await broker.kill()
                    try await broker.start()
                }
                // From the middle of a gap a consumer gets what comes next.
                let rest = try await broker.consume(client, "states", from: [0: 60], count: expected.count - 1)
                #expect(rest.map(\.offset) == expected.map(\.offset).filter { $0 >= 60 })
            }
        }

        @Test("a deleted key is gone once delete.retention.ms is over")
        func tombstones() async throws {
            try await withBroker(BrokerOptions(settings: Self.settings)) { broker in
                let configs: JSON = [
                    "cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
                    "delete.retention.ms": "0",
                ]
                _ = try await broker.run(
                    .kafkaPython, ["do": "create_topic", "topic": "states", "configs": configs])
                let rounds: [[Record]] = [
                    [Self.record("a", "1", hour: 0), Self.record("b", "1", hour: 0)],
                    [Self.record("a", nil, hour: 1)],
                    [Self.record("c", "1", hour: 2)],
                ]
                for round in rounds { try await broker.produce(.confluent, "states", round) }
                try await Self.waitForCompaction("states", upTo: 3, broker)
                let first = try await broker.consume(.kafkaPython, "states", count: 3)
                #expect(first.map(\.offset) == [1, 2, 3] && first[1].value == nil)
                // The next cleaning finds the tombstone to have been there long enough.
                try await broker.produce(.confluent, "states", [Self.record("d", "1", hour: 3)])
                try await Self.waitForCompaction("states", upTo: 4, broker)
                #expect(try await broker.consume(.kafkaPython, "states", count: 3).map(\.offset) == [1, 3, 4])
            }
        }
    }
}
