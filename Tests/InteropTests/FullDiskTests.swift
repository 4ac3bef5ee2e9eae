// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("A full disk is survivable") struct FullDiskTests {
        private static let partitions = 3
        private static let recordBytes = 20_000
        private static let waitLimit = Duration.seconds(60)
        private static let pollInterval = Duration.milliseconds(10)
        private static let closed = "no room for records"
        private static let opened = "there is room again"

        // MARK: Steps

        private static func wait(
            for what: String, _ broker: BrokerUnderTest, _ condition: () throws -> Bool
        ) async throws {
            let clock = ContinuousClock()
            let deadline = clock.now + Self.waitLimit
            while try !condition() {
                try #require(clock.now < deadline, "no \(what) in \(Self.waitLimit)")
                try await Task.sleep(for: Self.pollInterval)
            }
        }

        private static func count(_ text: String, _ broker: BrokerUnderTest) -> Int {
            broker.log.components(separatedBy: text).count - 1
        }

        /// A topic of so many megabytes that is only in the way.
        private static func makeBig(_ broker: BrokerUnderTest, megabytes: Int) async throws {
            let results = try await broker.run(
                .confluent,
                ["do": "create_topic", "topic": "big", "partitions": 1],
                [
                    "do": "produce_sequence", "topic": "big", "partitions": 1, "size": 100_000,
                    "count": .number(megabytes * 10),
                ]
            )
            #expect(results[1]["failures"] == [] && results[1]["acknowledged"] == .number(megabytes * 10))
        }

        private static func beginProducer(
            _ library: Library, _ broker: BrokerUnderTest, count: Int, recordsPerSecond: Int? = nil
        ) async throws -> (program: ChildProcess, progress: URL) {
            let progress = try broker.file("progress")
            try await broker.run(
                library, ["do": "create_topic", "topic": "running", "partitions": .number(Self.partitions)]
            )
            var step: [String: JSON] = [
                "do": "produce_sequence", "topic": "running", "partitions": .number(Self.partitions),
                "size": .number(Self.recordBytes), "count": .number(count), "progressFile": .string(progress.path),
            ]
            step["recordsPerSecond"] = recordsPerSecond.map { .number($0) }
            return (try broker.begin(library, [.object(step)]), progress)
        }

        /// Reads the running topic from its beginning and checks every record of it.
        private static func readRunning(_ reader: Library, _ broker: BrokerUnderTest) async throws -> JSON {
            try await broker.run(
                reader,
                [
                    "do": "consume_sequence", "topic": "running", "partitions": .number(Self.partitions),
                    "size": .number(Self.recordBytes),
                ]
            )[0]
        }

        private static func finish(
            _ producer: (program: ChildProcess, progress: URL), _ broker: BrokerUnderTest, count: Int
        ) async throws {
            let sent = try await broker.finish(producer.program)[0]
            #expect(sent == ["sent": .number(count), "acknowledged": .number(count), "failures": []])
            for reader in Library.recordClients {
                let read = try await Self.readRunning(reader, broker)
                #expect(read == ["count": .number(count), "problems": []], "read by \(reader)")
            }
        }

        private static func martlet(_ broker: BrokerUnderTest, _ arguments: String...) async throws {
            let program = try ChildProcess(
                try Programs.martlet(), arguments + ["--bootstrap", broker.bootstrap], folder: broker.folder)
            let exit = try await program.waitForExit(within: Self.waitLimit)
            #expect(exit == .success, "\(program.description): \(program.errorText)")
        }

        private static func setMark(_ broker: BrokerUnderTest, to bytes: String) async throws {
            let results = try await broker.run(
                .confluent,
                [
                    "do": "incremental_alter_configs", "type": "broker", "name": "1",
                    "changes": [["operation": "SET", "name": "log.dir.min.free.bytes", "value": .string(bytes)]],
                ]
            )
            #expect(results[0].error == nil, "\(results[0])")
        }

        // MARK: Tests

        @Test(
            "a producer fills the volume, waits while others read and delete, and finishes by itself",
            .enabled(if: SmallVolume.isPossible), arguments: Library.clients, ["-1", "0"])
        func fillVolume(library: Library, mark: String) async throws {
            let options = BrokerOptions(settings: [("log.dir.min.free.bytes", mark)])
            try await withBrokerOnSmallVolume(options) { broker, volume in
                let count = 1_700
                try await Self.makeBig(broker, megabytes: 25)
                let producer = try await Self.beginProducer(library, broker, count: count)
                try await Self.wait(for: "refusal", broker) { Self.count(Self.closed, broker) > 0 }
                if mark == "-1" {
                    // A quarter of so small a volume.
                    #expect(volume.free < SmallVolume.megabytes << 20 / 4 && volume.free > 10 << 20, "\(volume.free)")
                } else {
                    // Writes have failed for want of room.
                    #expect(volume.free < 4 << 20, "\(volume.free)")
                }

                for reader in Library.recordClients {
                    let read = try await Self.readRunning(reader, broker)
                    #expect(read["problems"] == [], "read by \(reader)")
                    #expect((read["count"].int ?? 0) > 100 && (read["count"].int ?? 0) < count)
                }
                let answers = try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "more"],
                    ["do": "delete_records", "topic": "big", "partition": 0, "offset": 10],
                    [
                        "do": "incremental_alter_configs", "type": "topic", "name": "big",
                        "changes": [["operation": "SET", "name": "retention.ms", "value": "86400000"]],
                    ]
                )
                #expect(answers[1] == ["lowWatermark": 10])
                #expect(answers[2].error == nil)
                #expect(producer.program.process.isRunning)
                // Without a mark it is tried again after each second, and what is small may find room then.
                if mark == "-1" {
                    #expect(answers[0].error == "KAFKA_STORAGE_ERROR")
                    #expect(answers[0]["message"].text?.contains("log.dir.min.free.bytes") == true, "\(answers[0])")
                    #expect(Self.count(Self.opened, broker) == 0)
                }

                try await Self.martlet(broker, "topic", "delete", "big", "--yes")
                try await Self.finish(producer, broker, count: count)
                #expect(Self.count(Self.opened, broker) == Self.count(Self.closed, broker))
                if mark == "-1" { #expect(Self.count(Self.closed, broker) == 1) }
                #expect(!broker.log.contains("disk failure"))
            }
        }

        @Test(
            "a mark above what is free stops a producer, which finishes by itself when the mark is lowered",
            arguments: Library.clients)
        func raiseMark(library: Library) async throws {
            try await withBroker { broker in
                // Slow enough to be stopped long before it has sent everything.
                let count = 1_000
                try await Self.setMark(broker, to: "0")
                let producer = try await Self.beginProducer(library, broker, count: count, recordsPerSecond: 100)
                func acknowledged() -> Int {
                    (try? String(contentsOf: producer.progress, encoding: .utf8)).flatMap(Int.init) ?? 0
                }
                try await Self.wait(for: "records", broker) { acknowledged() > 50 }
                try await Self.setMark(broker, to: "\(Int64.max)")
                #expect(Self.count(Self.closed, broker) == 1)
                let read = try await Self.readRunning(.confluent, broker)
                #expect(read["problems"] == [] && (read["count"].int ?? 0) > 50)
                #expect(producer.program.process.isRunning)
                try await Self.setMark(broker, to: "0")
                try await Self.finish(producer, broker, count: count)
                #expect(Self.count(Self.closed, broker) == 1 && Self.count(Self.opened, broker) == 1)
            }
        }

        @Test(
            "a broker restarts with no byte free, serves and deletes, and takes records again without another restart",
            .enabled(if: SmallVolume.isPossible), arguments: Ending.allCases)
        func restart(ending: Ending) async throws {
            let options = BrokerOptions(settings: [("log.dir.min.free.bytes", "10000000")])
            try await withBrokerOnSmallVolume(options) { broker, volume in
                let records = (0..<100).map { Record(partition: 0, value: Data("v\($0)".utf8)) }
                try await broker.run(.confluent, ["do": "create_topic", "topic": "kept", "partitions": 1])
                try await broker.produce(.confluent, "kept", records)
                try await Self.makeBig(broker, megabytes: 30)
                try volume.fill()
                // Another program takes what the reserve gives, too.
                try await Self.wait(for: "reserve", broker) { Self.count("the reserve is given back", broker) > 0 }
                try volume.fill()
                #expect(volume.free == 0)
                try await broker.end(ending)
                try volume.fill()
                #expect(volume.free == 0)
                try await broker.start()
                try volume.fill()

                let read = try await broker.consume(.kafkaPython, "kept", count: 100)
                #expect(read.map(\.value) == records.map(\.value))
                let refused = try await broker.run(
                    .confluent,
                    BrokerUnderTest.produceStep(
                        "kept", [Record(partition: 0, value: Data("refused".utf8))],
                        ProduceOptions(settings: ["message.timeout.ms": 1_500])),
                    ["do": "delete_records", "topic": "big", "partition": 0, "offset": 10]
                )
                #expect(refused[0]["deliveries"][0].error != nil)
                #expect(refused[1] == ["lowWatermark": 10])
                try volume.fill()
                try await Self.martlet(broker, "topic", "delete", "big", "--yes")
                try await broker.produce(.confluent, "kept", [Record(partition: 0, value: Data("after".utf8))])
                let all = try await broker.consume(.confluent, "kept", count: 101)
                #expect(all.map(\.value) == records.map(\.value) + [Data("after".utf8)])
                #expect(Self.count(Self.closed, broker) == 1 && Self.count(Self.opened, broker) == 1)
                // What the broker leaves behind is whole: nothing was fenced.
                #expect(!broker.log.contains("disk failure"))
            }
        }
    }
}
