// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Reading from a place") struct PositionTests {
        /// A hundred records in one batch; record i has the timestamp 1,000,000 + 10 i.
        private static let records = (0..<100).map { Record(timestamp: 1_000_000 + 10 * $0, value: Data("\($0)".utf8)) }
        /// Long enough for all records to be waiting when the batch leaves.
        private static let oneBatch = ProduceOptions(codec: "lz4", settings: ["linger.ms": 500])
        /// librdkafka parts what is waiting if it learns of the topic's partitions just then; on a busy machine it may.
        private static let attemptsMax = 4

        private func withRecords(_ body: @Sendable (BrokerUnderTest) async throws -> Void) async throws {
            try await withBroker { broker in
                for attempt in 1...Self.attemptsMax {
                    try await broker.run(.confluent, ["do": "create_topic", "topic": "places"])
                    try await broker.produce(.confluent, "places", Self.records, Self.oneBatch)
                    let first: JSON = ["do": "first_batch", "topic": "places", "offset": 37]
                    let batch = try await broker.run(.rawRequests, first)
                    if batch[0]["recordCount"].int == Self.records.count { return try await body(broker) }
                    try #require(attempt < Self.attemptsMax, "not one batch: \(batch)")
                    try await broker.run(.confluent, ["do": "delete_topic", "topic": "places"])
                }
            }
        }

        @Test("an offset in the middle of a batch is where every client begins")
        func middleOfBatch() async throws {
            try await self.withRecords { broker in
                for client in Client.allCases {
                    let read = try await broker.consume(client, "places", from: [0: 37], count: 63)
                    #expect(read.map(\.offset) == Array(37..<100), "read by \(client)")
                    #expect(read.map(\.content) == Self.records[37...].map(\.content), "read by \(client)")
                }
            }
        }

        @Test("a timestamp finds the first record that is not older", arguments: Library.recordClients)
        func timestamps(library: Library) async throws {
            try await self.withRecords { broker in
                let results = try await broker.run(
                    library,
                    [
                        "do": "offsets", "topic": "places", "partition": 0,
                        "times": [0, 1_000_000, 1_000_001, 1_000_500, 1_000_990, 1_000_991],
                    ]
                )
                #expect(results[0] == ["beginning": 0, "end": 100, "forTimes": [0, 0, 1, 50, 99, nil]])
            }
        }

        @Test("kcat finds offsets by timestamp and begins at one")
        func kcatTimestamps() async throws {
            try await self.withRecords { broker in
                let found = try await broker.kcat("-Q", "-t", "places:0:1000495")
                #expect(String(decoding: found, as: UTF8.self).contains("places [0] offset 50"))
                let read = try await broker.kcat(
                    "-C", "-t", "places", "-p", "0", "-o", "s@1000495", "-c", "1", "-f", "%o %s"
                )
                #expect(String(decoding: read, as: UTF8.self) == "50 50")
            }
        }

        @Test("ListOffsets finds the ends, the greatest timestamp and a time", arguments: Library.recordClients)
        func listOffsets(library: Library) async throws {
            try await self.withRecords { broker in
                let late = Record(timestamp: 1_000_005, value: Data("late".utf8))
                try await broker.produce(.kafkaPython, "places", [late])
                func step(_ spec: JSON) -> JSON {
                    ["do": "list_offsets", "topic": "places", "partition": 0, "spec": spec]
                }
                let results = try await broker.run(
                    library, step("earliest"), step("latest"), step("max_timestamp"), step("1000500")
                )
                #expect(results.map { $0["offset"].int } == [0, 101, 99, 50])
                #expect(results[2]["timestamp"].int == 1_000_990)
                #expect(results[3]["timestamp"].int == 1_000_500)
            }
        }

        @Test("seeking forwards, backwards and to the last record works", arguments: Library.recordClients)
        func seek(library: Library) async throws {
            try await self.withRecords { broker in
                let results = try await broker.run(
                    library,
                    [
                        "do": "seek", "topic": "places", "from": [["partition": 0, "offset": 10]],
                        "seeks": [80, 3, 99, 0],
                    ]
                )
                #expect(results[0]["offsets"] == [10, 80, 3, 99, 0])
            }
        }

        @Test("read_committed reads what no transaction wrote", arguments: Library.recordClients)
        func readCommitted(library: Library) async throws {
            try await self.withRecords { broker in
                let results = try await broker.run(
                    library,
                    BrokerUnderTest.consumeStep("places", from: [0: 0], count: 100, isolation: "read_committed")
                )
                let read = results[0]["records"].elements.map(Record.init(json:))
                #expect(read.map(\.content) == Self.records.map(\.content))
            }
        }

        @Test(
            "an offset outside the log is OFFSET_OUT_OF_RANGE, also after DeleteRecords",
            arguments: Library.recordClients)
        func outOfRange(library: Library) async throws {
            try await self.withRecords { broker in
                let deleted = try await broker.run(
                    library,
                    ["do": "delete_records", "topic": "places", "partition": 0, "offset": 40],
                    ["do": "offsets", "topic": "places", "partition": 0, "times": [0]],
                    ["do": "delete_records", "topic": "places", "partition": 0, "offset": 101]
                )
                #expect(deleted[0]["lowWatermark"].int == 40)
                #expect(deleted[1] == ["beginning": 40, "end": 100, "forTimes": [40]])
                #expect(deleted[2].error == "OFFSET_OUT_OF_RANGE")
                let fetched = try await broker.run(
                    .rawRequests,
                    ["do": "first_batch", "topic": "places", "offset": 39],
                    ["do": "first_batch", "topic": "places", "offset": 40],
                    ["do": "first_batch", "topic": "places", "offset": 101]
                )
                #expect(fetched.map(\.error) == ["OFFSET_OUT_OF_RANGE", nil, "OFFSET_OUT_OF_RANGE"])
                let read = try await broker.consume(.kcat, "places", from: [0: 40], count: 60)
                #expect(read.map(\.content) == Self.records[40...].map(\.content))
            }
        }

        @Test("keys go to the partitions that murmur2 says", arguments: Library.recordClients)
        func keysToPartitions(library: Library) async throws {
            let table = try String(contentsOf: Programs.fixture("protocol/murmur2.tsv"), encoding: .utf8)
            let rows = try table.split(separator: "\n").dropFirst().map { row in
                let columns = row.split(separator: "\t", omittingEmptySubsequences: false)
                return (key: Data(hex: columns[0]), partition: try #require(Int(columns[2])))
            }
            let settings: JSON = library == .confluent ? ["partitioner": "murmur2_random"] : [:]
            try await withBroker { broker in
                let results = try await broker.run(
                    library,
                    ["do": "create_topic", "topic": "keyed", "partitions": 12],
                    [
                        "do": "produce", "topic": "keyed", "settings": settings,
                        "records": .array(rows.map { ["key": .data($0.key), "value": .data($0.key)] }),
                    ]
                )
                #expect(results[1]["deliveries"].elements.map { $0["partition"].int } == rows.map(\.partition))
                let from = Dictionary(uniqueKeysWithValues: (0..<12).map { ($0, 0) })
                for reader in Client.allCases {
                    let read = try await broker.consume(reader, "keyed", from: from, count: rows.count)
                    for (partition, records) in Dictionary(grouping: read, by: \.partition) {
                        let expected = rows.filter { $0.partition == partition }.map(\.key)
                        #expect(records.map(\.key) == expected, "partition \(partition), read by \(reader)")
                    }
                }
            }
        }
    }
}

extension Data {
    fileprivate init(hex: some StringProtocol) {
        let digits = Array(hex)
        let pairs = stride(from: 0, to: digits.count, by: 2).map { String(digits[$0...($0 + 1)]) }
        self.init(pairs.compactMap { UInt8($0, radix: 16) })
    }
}
