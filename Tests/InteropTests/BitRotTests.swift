// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Bytes that rot on disk") struct BitRotTests {
        /// Three of these fill a segment.
        private static let records = (0..<8).map { number in
            var state = UInt64(number + 1)
            let value = (0..<300_000).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            }
            return Record(timestamp: 1_000_000 + number, value: Data(value))
        }
        /// In a segment that is full, and in the one that is written to.
        private static let damaged = [4, 7]

        /// Writes every record in a batch of its own.
        private func produce(_ records: [Record], to broker: BrokerUnderTest) async throws {
            let steps = records.map { BrokerUnderTest.produceStep("rotten", [$0]) }
            for result in try await broker.finish(broker.begin(.confluent, steps)) {
                try #require(result["deliveries"].elements.allSatisfy { $0.error == nil }, "\(result)")
            }
        }

        private func segment(_ base: Int, of broker: BrokerUnderTest) -> URL {
            let digits = String(base)
            let name = String(repeating: "0", count: 20 - digits.count) + digits + ".log"
            return broker.dataDirectory.appendingPathComponent("rotten-0/\(name)")
        }

        /// Flips a bit in the middle of a batch: `index` of the `count` of a segment, which are of the same size.
        private func flip(_ base: Int, index: Int, of count: Int, _ broker: BrokerUnderTest) throws -> Int {
            let file = try FileHandle(forUpdating: self.segment(base, of: broker))
            defer { try? file.close() }
            let size = Int(try file.seekToEnd()) / count
            try file.seek(toOffset: UInt64(size * index + size / 2))
            let byte = try #require(try file.read(upToCount: 1)?.first)
            try file.seek(toOffset: UInt64(size * index + size / 2))
            try file.write(contentsOf: Data([byte ^ 0x10]))
            return size * index
        }

        /// Consumes as somebody who goes on behind what cannot be read.
        private func expectTheRest(_ broker: BrokerUnderTest, count: Int = 8) async throws {
            for client in Client.allCases {
                var from = 0
                for end in Self.damaged where end > from {
                    let read = try await broker.consume(client, "rotten", from: [0: from], count: end - from)
                    #expect(read.map(\.offset) == Array(from..<end), "read by \(client)")
                    #expect(read.map(\.content) == Self.records[from..<end].map(\.content), "read by \(client)")
                    from = end + 1
                }
                if count > from {
                    let read = try await broker.consume(client, "rotten", from: [0: from], count: count - from)
                    #expect(read.map(\.offset) == Array(from..<count), "read by \(client)")
                }
            }
            for offset in Self.damaged {
                let result = try await broker.run(
                    .confluent, BrokerUnderTest.consumeStep("rotten", from: [0: offset], count: 1)
                )
                #expect(result[0].error == "CORRUPT_MESSAGE", "offset \(offset)")
            }
        }

        private func verify(_ broker: BrokerUnderTest) async throws -> (status: Int32, report: JSON, text: String) {
            var outputs: [Data] = []
            var status: Int32 = -1
            for format in ["json", "text"] {
                let program = try ChildProcess(
                    try Programs.martlet(),
                    ["log", "verify", broker.dataDirectory.path, "--deep", "-o", format],
                    folder: broker.folder
                )
                status = try await program.waitForExit(within: .seconds(60)).status
                outputs.append(program.outputData)
            }
            let report = try JSONDecoder().decode(JSON.self, from: outputs[0])
            return (status, report, String(decoding: outputs[1], as: UTF8.self))
        }

        private func expectDamage(_ broker: BrokerUnderTest, at positions: [Int], isInUse: Bool) async throws {
            let (status, report, text) = try await self.verify(broker)
            #expect(status == 1)
            let errors = report["findings"].elements.filter { $0["severity"] == "error" }
            #expect(
                errors.map { $0["file"].text }
                    == [3, 6].map { "rotten-0/" + self.segment($0, of: broker).lastPathComponent })
            #expect(errors.map { $0["position"].int } == positions)
            #expect(errors.map { $0["startOffset"].int } == Self.damaged)
            #expect(report["summary"]["sound"] == .bool(false))
            #expect(report["summary"]["inUse"] == .bool(isInUse))
            for (offset, position) in zip(Self.damaged, positions) {
                #expect(text.contains("byte \(position): offset \(offset): damaged"), "\(text)")
            }
        }

        private func withRecords(_ body: @Sendable (BrokerUnderTest) async throws -> Void) async throws {
            try await withBroker { broker in
                try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "rotten", "configs": ["segment.bytes": "1048576"]]
                )
                try await self.produce(Self.records, to: broker)
                try #require(FileManager.default.fileExists(atPath: self.segment(6, of: broker).path))
                try await body(broker)
            }
        }

        @Test("while the broker runs: good batches arrive, the bad offsets are CORRUPT_MESSAGE, and verify names them")
        func running() async throws {
            try await self.withRecords { broker in
                let positions = [
                    try self.flip(3, index: 1, of: 3, broker), try self.flip(6, index: 1, of: 2, broker),
                ]
                try await self.expectTheRest(broker)
                try await self.expectDamage(broker, at: positions, isInUse: true)
                #expect(broker.log.contains("records are damaged on disk"))
                // The log goes on behind it.
                try await self.produce([Self.records[0]], to: broker)
                try await self.expectTheRest(broker, count: 9)
                try await broker.kill()
                try await broker.start()
                try await self.expectTheRest(broker, count: 9)
            }
        }

        @Test("after a clean shutdown: verify finds what the next start does not look at, and nobody is served it")
        func stopped() async throws {
            try await self.withRecords { broker in
                try await broker.stop()
                let before = try await self.verify(broker)
                #expect(before.status == 0, "\(before.text)")
                #expect(before.text.contains("sound: 0 errors, 0 warnings, 0 notes"), "\(before.text)")
                let positions = [
                    try self.flip(3, index: 1, of: 3, broker), try self.flip(6, index: 1, of: 2, broker),
                ]
                try await self.expectDamage(broker, at: positions, isInUse: false)
                try await broker.start()
                try await self.expectTheRest(broker)
            }
        }
    }
}
