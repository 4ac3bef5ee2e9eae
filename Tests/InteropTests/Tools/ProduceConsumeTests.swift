// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("martlet produce and martlet consume") struct ProduceConsumeTests {
        @Test("lines, JSON lines and files go in, and come out as a template says")
        func formats() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let bootstrap = broker.bootstrap
                try await tools.martlet("topic", "create", "orders", "-p", "1", bootstrap: bootstrap)
                let lines = try await tools.martlet(
                    "produce", "orders", "--key-separator", ":", "-H", "source=test", "--timestamp", "2024-05-01",
                    bootstrap: bootstrap, input: "k1:v1\nno key\n")
                #expect(lines.output == "")
                #expect(lines.errors.hasPrefix("2 records written to orders: "))
                let first = try tools.file("first.jsonl", #"{"key":"a","value":null,"timestamp":5}"# + "\n\n")
                let second = try tools.file("second.jsonl", #"{"value":"gA==","valueEncoding":"base64"}"#)
                let json = try await tools.martlet(
                    "produce", "orders", "--json", "--lines", first, second, "-q", "-v", bootstrap: bootstrap)
                #expect(json.output == "0@2\n0@3\n" && json.errors == "")
                let whole = try tools.file("whole", "two\nlines")
                try await tools.martlet("produce", "orders", whole, "-q", "--acks", "1", bootstrap: bootstrap)
                let template = try await tools.martlet(
                    "consume", "orders", "-e", "-f", #"%p %o %K %k %S|"#, "--null-text", "NULL", bootstrap: bootstrap)
                #expect(template.output == "0 0 2 k1 2|0 1 -1 NULL 6|0 2 1 a -1|0 3 -1 NULL 1|0 4 -1 NULL 9|")
                let records = try await tools.martlet(
                    "consume", "orders", "-e", "-o", "json", bootstrap: bootstrap
                ).jsonLines()
                #expect(records.map { $0["offset"].int } == [0, 1, 2, 3, 4])
                #expect(records[0]["timestamp"].int == 1_714_521_600_000)
                #expect(records[0]["headers"] == ["source": "test"])
                #expect(records[2]["timestamp"] == 5)
                #expect(records[3]["value"] == "gA==" && records[3]["valueEncoding"] == "base64")
                let base64 = try await tools.martlet(
                    "consume", "orders", "-n", "1", "-o", "json", "--bytes", "base64", bootstrap: bootstrap
                ).jsonLines()
                #expect(base64.map { $0["value"] } == ["djE="])
            }
        }

        @Test("a wrong line is named, and what is good before it is written")
        func wrongLines() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let bootstrap = broker.bootstrap
                try await tools.martlet(
                    "topic", "create", "orders", "-p", "1", "-c", "max.message.bytes=1000", bootstrap: bootstrap)
                let json = try await tools.martlet(
                    "produce", "orders", "--json", bootstrap: bootstrap, input: "{\"value\":\"a\"}\n\n{nonsense\n",
                    expecting: 1)
                #expect(json.errors.hasPrefix("error: line 3 is not the JSON of a record: "))
                #expect(json.errors.contains("(1 record was written before)"))
                let file = try tools.file("day.jsonl", "{\"value\":\"b\"}\n{\"partition\":9}\n")
                let partition = try await tools.martlet(
                    "produce", "orders", "--json", "-l", file, bootstrap: bootstrap, expecting: 1)
                #expect(partition.errors.contains("line 2 of \(file): the topic orders has no partition 9"))
                let large = try await tools.martlet(
                    "produce", "orders", bootstrap: bootstrap,
                    input: "c\n\(String(repeating: "x", count: 2000))\nd\n", expecting: 1)
                #expect(large.errors.contains("MESSAGE_TOO_LARGE"))
                #expect(large.errors.contains("1 record of line 2 not written; "))
                let read = try await tools.martlet("consume", "orders", "-e", bootstrap: bootstrap)
                #expect(read.lines.prefix(3) == ["a", "b", "c"])
                try await tools.martlet(
                    "produce", "orders", "-l", "/nowhere/file", bootstrap: bootstrap, expecting: 5)
                try await tools.martlet("produce", "missing", bootstrap: bootstrap, input: "a\n", expecting: 5)
            }
        }

        @Test("records go at the rate that was asked for, and are there as they go")
        func rate() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                try await tools.martlet("topic", "create", "slow", "-p", "1", bootstrap: broker.bootstrap)
                let input = (0..<30).map { "\($0)\n" }.joined()
                let result = try await tools.martlet(
                    "produce", "slow", "--rate", "20", bootstrap: broker.bootstrap, input: input)
                #expect(result.took >= .milliseconds(1400))
                let batches = try await tools.martlet(
                    "consume", "slow", "-e", "-f", "%T\\n", bootstrap: broker.bootstrap)
                let times = batches.lines.compactMap { Int($0) }
                #expect(times.count == 30 && (times.last ?? 0) - (times.first ?? 0) >= 1400)
            }
        }

        @Test("reading begins and ends by offset, by time and by a length of time ago")
        func positions() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let bootstrap = broker.bootstrap
                try await tools.martlet("topic", "create", "orders", "-p", "1", bootstrap: bootstrap)
                let old = (0..<10).map { #"{"value":"\#($0)","timestamp":\#(10_000 * $0)}"# + "\n" }.joined()
                try await tools.martlet("produce", "orders", "--json", "-q", bootstrap: bootstrap, input: old)
                try await tools.martlet("produce", "orders", "-q", bootstrap: bootstrap, input: "now\n")
                func read(_ arguments: String...) async throws -> [String] {
                    try await tools.consume("orders", arguments, bootstrap: bootstrap)
                }
                #expect(try await read("--from", "2", "--until", "5") == ["2", "3", "4"])
                #expect(try await read("--from", "@30000", "--until", "@50000") == ["3", "4"])
                #expect(try await read("--from", "8", "--until", "end") == ["8", "9", "now"])
                #expect(try await read("--from", "-1h", "--until-end") == ["now"])
                #expect(try await read("--from", "8", "--until", "-1h") == ["8", "9"])
                #expect(try await read("--from", "-2", "-e", "--isolation", "read_committed") == ["9", "now"])
                #expect(try await read("--from", "5", "--until", "5") == [])
                #expect(try await read("--until", "100", "-e").count == 11)
            }
        }

        @Test("who waits for an offset gets it when it comes")
        func waits() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let bootstrap = broker.bootstrap
                try await tools.martlet("topic", "create", "orders", "-p", "1", bootstrap: bootstrap)
                async let read = tools.martlet("consume", "orders", "--until", "2", bootstrap: bootstrap)
                try await tools.martlet("produce", "orders", "-q", bootstrap: bootstrap, input: "a\n")
                try await tools.martlet("produce", "orders", "-q", bootstrap: bootstrap, input: "b\nc\n")
                #expect(try await read.lines == ["a", "b"])
            }
        }

        @Test("nobody, a stranger and a silent one are told apart by the exit code")
        func unreachable() async throws {
            let tools = try Toolbox()
            let nobody = "127.0.0.1:\(Sockets.freePort())"
            for arguments in [["produce", "orders"], ["consume", "orders", "-e"]] {
                let result = try await tools.martletList(arguments, bootstrap: nobody, expecting: 2)
                #expect(result.errors.contains("nothing listens there"))
                #expect(result.output == "")
                try await tools.withPeer("closing") { address in
                    _ = try await tools.martletList(arguments, bootstrap: address, expecting: 2)
                }
                try await tools.withPeer("silent") { address in
                    let silent = try await tools.martletList(
                        arguments + ["--timeout", "0.5"], bootstrap: address, expecting: 3)
                    #expect(silent.took < .seconds(20))
                }
            }
        }
    }

    @Suite("A progress bar is for terminals") struct ProgressBarTests {
        @Test("it is drawn on a terminal, taken away at the end, and nowhere else")
        func produce() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                try await tools.martlet("topic", "create", "slow", "-p", "1", bootstrap: broker.bootstrap)
                let file = try tools.file("lines", (0..<60).map { "\($0)\n" }.joined())
                let drawn = try await tools.onTerminal(
                    "produce", "slow", "-l", file, "--rate", "30", bootstrap: broker.bootstrap)
                #expect(drawn.output.contains("\rproduce ["))
                #expect(drawn.output.contains(" left"))
                // The last thing on the line is that it is cleared; the summary comes after.
                let last = try #require(drawn.output.range(of: "\r\u{1B}[K", options: .backwards))
                #expect(drawn.output[last.upperBound...].hasPrefix("60 records written to slow"))
                let piped = try await tools.martlet(
                    "produce", "slow", "-l", file, "--rate", "40", bootstrap: broker.bootstrap)
                #expect(!piped.errors.contains("\r") && !piped.errors.contains("\u{1B}"))
                // What is over at once has no bar.
                let quick = try await tools.onTerminal(
                    "produce", "slow", "-l", file, bootstrap: broker.bootstrap)
                #expect(!quick.output.contains("["))
            }
        }
    }
}

extension Toolbox {
    fileprivate func consume(_ topic: String, _ arguments: [String], bootstrap: String) async throws -> [String] {
        try await self.martletList(["consume", topic] + arguments, bootstrap: bootstrap, expecting: 0).lines
    }
}
