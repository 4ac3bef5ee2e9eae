// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Bad input costs its connection at most") struct BadInputTests {
        /// A record goes in and comes out again: the broker is well.
        private func expectHealthy(_ broker: BrokerUnderTest) async throws {
            let record = Record(value: Data("still here".utf8))
            try await broker.produce(.confluent, "health", [record])
            #expect(try await broker.consume(.kafkaPython, "health", count: 1).map(\.content) == [record])
        }

        @Test("frames that are no requests close their connection")
        func notRequests() async throws {
            try await withBroker { broker in
                let bytes = { (text: String) in JSON.data(Data(text.utf8)) }
                let results = try await broker.run(
                    .rawRequests,
                    ["do": "truncated_frame"],
                    ["do": "frame_of_length", "length": 2_147_483_647],
                    ["do": "frame_of_length", "length": 104_857_601],
                    ["do": "frame_of_length", "length": -1],
                    ["do": "frame_of_length", "length": -2_147_483_648],
                    ["do": "frame_of_length", "length": 4],
                    ["do": "garbage", "bytes": bytes("GET / HTTP/1.1\r\nHost: broker\r\n\r\n")],
                    ["do": "garbage", "bytes": .data(Data([0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]))],
                    ["do": "unserved", "apiKey": 999, "version": 0],
                    ["do": "unserved", "apiKey": -1, "version": 0],
                    ["do": "unserved", "apiKey": 3, "version": 99],
                    ["do": "unserved", "apiKey": 3, "version": -1],
                    ["do": "unserved", "apiKey": 0, "version": 2],
                    ["do": "trailing_bytes"],
                    ["do": "huge_count"]
                )
                for (step, result) in results.enumerated().dropFirst() {
                    #expect(result["isClosed"] == true, "step \(step)")
                }
                try await self.expectHealthy(broker)
            }
        }

        @Test("an unknown version of ApiVersions is answered in version 0 with error 35 and the served range")
        func apiVersions() async throws {
            try await withBroker { broker in
                let results = try await broker.run(
                    .rawRequests,
                    ["do": "api_versions", "version": 0],
                    ["do": "api_versions", "version": 99],
                    ["do": "api_versions", "version": 32_767]
                )
                #expect(results[0]["code"] == 0)
                #expect(results[0]["ranges"]["18"] == [0, 4])
                // librdkafka does not produce at all where version 0 is not announced.
                #expect(results[0]["ranges"]["0"] == [0, 13])
                #expect(results[0]["bytesLeft"] == 0)
                for result in results[1...] {
                    #expect(result["code"] == 35)
                    #expect(result["ranges"]["18"] == [0, 4])
                    #expect(result["bytesLeft"] == 0)
                }
            }
        }

        @Test("wrong records are refused with the protocol's errors, and nothing of them is kept")
        func wrongRecords() async throws {
            try await withBroker { broker in
                func produce(_ records: JSON, _ fields: [String: JSON] = [:]) -> JSON {
                    let step: [String: JSON] = ["do": "produce", "topic": "strict", "records": records]
                    return .object(step.merging(fields) { _, own in own })
                }
                try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "strict"],
                    ["do": "create_topic", "topic": "compacted", "configs": ["cleanup.policy": "compact"]]
                )
                let results = try await broker.run(
                    .rawRequests,
                    produce("wrong checksum"),
                    produce("two batches"),
                    produce("magic 1"),
                    produce("cut"),
                    produce("none"),
                    produce("control"),
                    produce("unknown codec"),
                    produce("no key", ["topic": "compacted"]),
                    produce("good", ["partition": 7]),
                    produce("good", ["acks": 2]),
                    produce("good")
                )
                #expect(
                    results.map(\.error) == [
                        "CORRUPT_MESSAGE", "INVALID_RECORD", "INVALID_RECORD", "INVALID_RECORD",
                        "INVALID_RECORD", "INVALID_RECORD", "UNSUPPORTED_COMPRESSION_TYPE", "INVALID_RECORD",
                        "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_REQUIRED_ACKS", nil,
                    ]
                )
                #expect(results[7]["recordErrors"].elements.map { $0["index"] } == [1])
                for refused in results.dropLast() { #expect(refused["message"].text?.isEmpty == false, "\(refused)") }
                #expect(results[10]["baseOffset"] == 0)
            }
        }

        @Test(
            "an idempotent batch that comes again gets its first offset, also after kill -9", arguments: [true, false])
        func repeatedBatch(isKilled: Bool) async throws {
            try await withBroker { broker in
                try await broker.run(.confluent, ["do": "create_topic", "topic": "once"])
                let ids = try await broker.run(.rawRequests, ["do": "init_producer_id"])
                let id = ids[0]["producerID"]
                func produce(sequence: Int) -> JSON {
                    [
                        "do": "produce", "topic": "once", "records": "good", "producerID": id,
                        "sequence": .number(sequence),
                    ]
                }
                let first = try await broker.run(
                    .rawRequests, produce(sequence: 0), produce(sequence: 1), produce(sequence: 0), produce(sequence: 3)
                )
                #expect(first[0...2].map { $0["baseOffset"].int } == [0, 1, 0])
                #expect(first[3].error == "OUT_OF_ORDER_SEQUENCE_NUMBER")
                try await broker.end(isKilled ? .kill : .stop)
                try await broker.start()
                let second = try await broker.run(
                    .rawRequests, produce(sequence: 1), produce(sequence: 2), produce(sequence: 4)
                )
                #expect(second[0...1].map { $0["baseOffset"].int } == [1, 2])
                #expect(second[2].error == "OUT_OF_ORDER_SEQUENCE_NUMBER")
                // An id is never given twice, whatever happens to the broker.
                let next = try await broker.run(.rawRequests, ["do": "init_producer_id"])
                #expect((next[0]["producerID"].int ?? -1) > (id.int ?? 0))
            }
        }

        @Test("with acks=0 a wrong batch closes the connection, for there is no other way to say it")
        func wrongRecordWithoutAnswer() async throws {
            try await withBroker { broker in
                try await broker.run(.confluent, ["do": "create_topic", "topic": "strict"])
                let results = try await broker.run(
                    .rawRequests,
                    ["do": "produce", "topic": "strict", "records": "wrong checksum", "acks": 0]
                )
                #expect(results[0]["isClosed"] == true)
                try await self.expectHealthy(broker)
            }
        }

        @Test("a produce to an unknown topic is UNKNOWN_TOPIC_OR_PARTITION and creates nothing")
        func unknownTopic() async throws {
            try await withBroker { broker in
                let results = try await broker.run(
                    .rawRequests, ["do": "produce", "topic": "missing", "records": "good"]
                )
                #expect(results[0].error == "UNKNOWN_TOPIC_OR_PARTITION")
                #expect(try await broker.run(.confluent, ["do": "metadata"])[0]["topics"] == [:])
            }
        }

        @Test("a frame that comes byte by byte is served as any other")
        func slowPeer() async throws {
            try await withBroker { broker in
                try await broker.run(.confluent, ["do": "create_topic", "topic": "slow"])
                let results = try await broker.run(.rawRequests, ["do": "byte_by_byte", "topic": "slow"])
                #expect(results[0]["code"] == 0)
                #expect(results[0]["baseOffset"] == 0)
            }
        }

        @Test("pipelined requests are answered in their order, a fetch that waits among them")
        func pipelining() async throws {
            try await withBroker { broker in
                try await broker.run(.confluent, ["do": "create_topic", "topic": "pipe"])
                let results = try await broker.run(
                    .rawRequests, ["do": "pipelined", "topic": "pipe", "count": 200]
                )
                #expect(results[0]["correlations"].elements.map(\.int) == Array(0..<200))
                #expect(results[0]["offsets"].elements.map(\.int) == Array(0..<40))
            }
        }

        @Test("a peer that does not read its answers is held back")
        func deafPeer() async throws {
            try await withBroker { broker in
                try await broker.run(.confluent, ["do": "create_topic", "topic": "pipe"])
                let record = Record(value: Data(repeating: 7, count: 900_000))
                try await broker.produce(.confluent, "pipe", [record])
                let results = try await broker.run(.rawRequests, ["do": "deaf", "topic": "pipe", "count": 200_000])
                #expect(results[0]["isHeldBack"] == true)
                try await self.expectHealthy(broker)
            }
        }

        @Test("a thousand connections that are opened and dropped leave the broker well")
        func manyConnections() async throws {
            try await withBroker { broker in
                let results = try await broker.run(.rawRequests, ["do": "connections", "count": 1000])
                #expect(results[0]["opened"] == 1000)
                try await self.expectHealthy(broker)
            }
        }
    }
}
