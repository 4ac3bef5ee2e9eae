// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("martlet log dump") struct LogDumpTests {
        @Test("what clients wrote is in the dump, batch by batch and record by record, whatever the codec")
        func records() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                try await tools.martlet("topic", "create", "orders", "-p", "1", bootstrap: broker.bootstrap)
                var count = 0
                for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
                    let records = (0..<20).map {
                        Record(
                            key: Data("\(codec)-\($0)".utf8), value: Data(repeating: 0x61, count: 100),
                            headers: [.init("n", Data("\($0)".utf8))])
                    }
                    var options = ProduceOptions()
                    options.codec = codec
                    try await broker.produce(.confluent, "orders", records, options)
                    count += records.count
                }
                // A running broker is no hindrance; when it has stopped nothing is torn for sure.
                let directory = broker.dataDirectory.appendingPathComponent("orders-0").path
                try await tools.martlet("log", "dump", directory)
                try await broker.stop()
                let entries = try await tools.martlet(
                    "log", "dump", directory, "--records", "-o", "json"
                ).jsonLines()
                let dumped = entries.filter { $0["type"] == "record" }
                #expect(dumped.map { $0["offset"].int } == Array(0..<count))
                #expect(dumped.last?["key"] == "zstd-19")
                #expect(dumped.last?["headers"] == [["name": "n", "value": "19"]])
                let batches = entries.filter { $0["type"] == "batch" }
                #expect(Set(batches.compactMap { $0["codec"].text }) == ["none", "gzip", "snappy", "lz4", "zstd"])
                let summary = try #require(entries.last)
                #expect(summary["type"] == "summary" && summary["records"].int == count && summary["damaged"] == 0)
                let part = try await tools.martlet(
                    "log", "dump", directory + "/00000000000000000000.log", "--from", "30", "--until", "33", "-r")
                #expect(part.lines.filter { $0.hasPrefix("  record ") }.count == 3)
                try await broker.start()
            }
        }

        @Test("the records of groups are shown in words")
        func groups() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let bootstrap = broker.bootstrap
                try await tools.martlet("topic", "create", "orders", "-p", "1", bootstrap: bootstrap)
                try await tools.martlet("produce", "orders", "-q", bootstrap: bootstrap, input: "a\nb\n")
                try await tools.martlet("consume", "orders", "--group", "payments", "-n", "2", bootstrap: bootstrap)
                try await broker.stop()
                let entries = try await tools.martlet(
                    "log", "dump", broker.dataDirectory.path, "-r", "-o", "json"
                ).jsonLines()
                let groups = entries.filter { $0["type"] == "group" }
                let commit = try #require(
                    groups.last { $0["record"] == "OffsetCommit" && $0["value"]["offset"] != nil })
                #expect(commit["key"] == ["group": "payments", "topic": "orders", "partition": 0])
                #expect(commit["value"]["offset"] == 2)
                #expect(groups.contains { $0["record"] == "ConsumerGroupMemberMetadata" })
                #expect(entries.filter { $0["type"] == "damage" } == [])
                try await broker.start()
            }
        }

        @Test("damage is shown as such, what is behind it is found, and the exit code is 1")
        func damage() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let bootstrap = broker.bootstrap
                try await tools.martlet("topic", "create", "orders", "-p", "1", bootstrap: bootstrap)
                for value in ["a", "b", "c"] {
                    try await tools.martlet("produce", "orders", "-q", bootstrap: bootstrap, input: value + "\n")
                }
                let segment = broker.dataDirectory.appendingPathComponent("orders-0/00000000000000000000.log")
                var bytes = try Data(contentsOf: segment)
                let size = bytes.count / 3
                bytes[size + 40] ^= 0xff
                bytes.append(Data(repeating: 0x55, count: 30))
                let copy = tools.folder.appendingPathComponent("00000000000000000000.log")
                try bytes.write(to: copy)
                let entries = try await tools.martlet(
                    "log", "dump", copy.path, "-o", "json", expecting: 1
                ).jsonLines()
                #expect(entries.map { $0["type"] } == ["batch", "batch", "damage", "batch", "damage", "summary"])
                #expect(entries[2]["position"].int == size)
                #expect(entries[4]["position"].int == 3 * size)
                #expect(entries[4]["length"] == 30)
                #expect(entries[5]["damaged"] == 2)
            }
        }

        @Test("what is not there, or is no log, is an error that says so")
        func errors() async throws {
            let tools = try Toolbox()
            let missing = try await tools.martlet("log", "dump", tools.folder.path + "/none", expecting: 5)
            #expect(missing.errors.contains("does not exist"))
            let other = try tools.file("notes.txt", "hello")
            let name = try await tools.martlet("log", "dump", other, expecting: 1)
            #expect(name.errors.contains("hint: "))
            let empty = tools.folder.appendingPathComponent("empty")
            try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
            #expect(try await tools.martlet("log", "dump", empty.path, expecting: 1).output == "")
            try await tools.martlet("log", "dump", "x", "--decode", "everything", expecting: 64)
        }
    }
}
