// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("martlet topic and group") struct TopicCommandTests {
        @Test("topics are created, listed, described, altered and deleted, in text and in JSON")
        func topics() async throws {
            try await withBroker { broker in
                let created = try await broker.command("topic", "create", "orders", "pay.eu", "-p", "3", "-o", "json")
                #expect(try created.json[0]["outcome"] == "created")
                #expect(try created.json.elements.map { $0["name"] } == ["orders", "pay.eu"])
                #expect(
                    try await broker.command("topic", "create", "pay.us").output
                        == "pay.us created: 1 partition, 1 replica\n")
                let again = try await broker.command("topic", "create", "orders", "new", expecting: 1)
                #expect(again.output == "new created: 1 partition, 1 replica\n")
                #expect(again.errors.contains("--if-not-exists"))
                try await broker.command("topic", "create", "orders", "--if-not-exists")

                let table = try await broker.command("topic", "list", "pay.*")
                #expect(
                    table.output
                        == "NAME    PARTITIONS  REPLICAS\npay.eu           3         1\npay.us           1         1\n")
                #expect(try await broker.command("topic", "list", "-o", "wide").lines[0].hasSuffix("INTERNAL  ID"))
                let listed = try await broker.command("topic", "list", "--regex", "pay\\.(eu|de)", "-o", "json").json
                #expect(
                    Set(listed[0].fields.keys) == [
                        "name", "id", "partitions", "replicationFactor", "internal", "leaderless", "underReplicated",
                    ])
                #expect(listed.elements.count == 1 && listed[0]["partitions"] == 3)
                #expect(try await broker.command("topic", "list", "nothing*", "-o", "json").json == [])

                #expect(
                    try await broker.command("topic", "alter", "pay.*", "-c", "retention.ms=5000", "-p", "4").output
                        == "pay.eu altered\npay.us altered\n")
                let described = try await broker.command("topic", "describe", "pay.*", "-o", "json").json
                #expect(described.elements.map { $0["partitions"].elements.count } == [4, 4])
                #expect(described[0]["configs"][0]["value"] == "5000")
                #expect(
                    try await broker.command("topic", "describe", "orders", "-o", "wide").output.contains("flush.ms"))
                let partly = try await broker.command("topic", "describe", "orders", "nope", expecting: 1)
                #expect(partly.output.hasPrefix("orders\n"))
                #expect(partly.errors.contains("the topic nope does not exist"))

                let unasked = try await broker.command("topic", "delete", "pay.*", expecting: 64)
                #expect(unasked.errors.contains("--yes"))
                #expect(
                    try await broker.command("topic", "delete", "pay.*", "--yes").output
                        == "pay.eu deleted\npay.us deleted\n")
                let missing = try await broker.command("topic", "delete", "pay.eu", "--if-exists", "-o", "json")
                #expect(try missing.json[0]["outcome"] == "missing")
                #expect(
                    try await broker.command("topic", "list").lines.map { $0.prefix(6) } == [
                        "NAME  ", "new   ", "orders",
                    ])
            }
        }

        @Test("what does not exist ends with 5, what the broker refuses with 1, what is not understood with 64")
        func failures() async throws {
            try await withBroker { broker in
                try await broker.command("topic", "describe", "nope", expecting: 5)
                try await broker.command("topic", "delete", "nope", "--yes", expecting: 5)
                try await broker.command("topic", "delete", "no*", "--yes", expecting: 5)
                try await broker.command("topic", "alter", "nope", "-p", "4", expecting: 5)
                try await broker.command("group", "describe", "nope", expecting: 5)
                try await broker.command("group", "delete", "nope", "--yes", expecting: 5)
                try await broker.command("group", "reset-offsets", "nope", "--all-topics", "--to-latest", expecting: 5)
                try await broker.command("group", "delete-offsets", "nope", "--topic", "orders", expecting: 5)
                try await broker.command("config", "list", "--topic", "nope", expecting: 5)
                let file = broker.folder.path + "/nope"
                try await broker.command("log", "verify", file, expecting: 5)
                try await broker.command("topic", "list", "--tls-ca", file, expecting: 5)
                let serve = try await broker.command("serve", "--config", file, expecting: 5)
                #expect(serve.errors == "error: the file of configs, \(file), does not exist\n")
                let taken = try await broker.command(
                    "serve", "--listen", broker.bootstrap, "--data-dir", file, expecting: 1)
                #expect(
                    taken.errors.hasSuffix(
                        "\nerror: cannot listen on PLAINTEXT://\(broker.bootstrap): Address already in use\n"))
                let none = try await broker.command("topic", "list", "nope")
                #expect(none.errors == "note: no topic fits\n")
                #expect(try await broker.command("topic", "list", "nope", "-o", "json").errors == "")
                try await broker.command("topic", "create", "a/b", expecting: 1)
                try await broker.command("topic", "create", "a", "-r", "3", expecting: 1)
                try await broker.command("topic", "create", "a", "-c", "retention.ms=soon", expecting: 1)
                try await broker.command("topic", "create", "a", "-p", "0", expecting: 64)
                try await broker.command("topic", "list", "-o", "xml", expecting: 64)
                try await broker.command("topic", "describe", "--regex", "(", expecting: 64)
                try await broker.command("topic", "list", "--timeout", "0", expecting: 64)
                try await broker.command("nonsense", expecting: 64)
                #expect(try await broker.command("topic", "list").output == "NAME  PARTITIONS  REPLICAS\n")
            }
        }

        @Test("groups are listed and described with their lag, by name and by pattern, and reset and deleted")
        func groups() async throws {
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders", "-p", "2")
                try await broker.command("produce", "orders", input: "a\nb\nc\nd\n")
                for group in ["pay-1", "pay-2", "audit"] {
                    let reset = try await broker.command(
                        "group", "reset-offsets", group, "--topic", "orders", "--to-earliest", "--execute", "-o", "json"
                    )
                    #expect(try reset.json["executed"] == true)
                    #expect(try reset.json["partitions"].elements.map { $0["new"] } == [0, 0])
                }
                let table = try await broker.command("group", "list", "pay*")
                #expect(table.lines.map { $0.prefix(5) } == ["GROUP", "pay-1", "pay-2"])
                let wide = try await broker.command("group", "list", "-o", "wide")
                #expect(wide.lines[0].hasSuffix("MEMBERS  PARTITIONS  LAG  COORDINATOR"))
                #expect(wide.lines[1].contains("4  1 at \(broker.bootstrap)"), "\(wide.output)")
                let listed = try await broker.command("group", "list", "--state", "empty", "-o", "json").json
                #expect(listed.elements.map { $0["group"] } == ["audit", "pay-1", "pay-2"])
                #expect(Set(listed[0].fields.keys) == ["group", "state", "type", "protocolType"])

                let pages = try await broker.command("group", "describe", "--regex", "pay-.", "-o", "json").json
                #expect(pages.elements.map { $0["group"] } == ["pay-1", "pay-2"])
                #expect(pages[0]["partitions"].elements.compactMap { $0["lag"].int }.reduce(0, +) == 4)
                let text = try await broker.command("group", "describe", "audit", "-o", "wide").output
                #expect(text.contains("lag          4 offsets") && text.contains("METADATA"), "\(text)")

                let deleted = try await broker.command(
                    "group", "delete-offsets", "audit", "--topic", "orders:1", "-o", "json")
                #expect(try deleted.json[0]["outcome"] == "deleted")
                try await broker.command("group", "delete", "pay*", "--yes")
                #expect(try await broker.command("group", "list").lines.count == 2)
            }
        }

        @Test("colours come where they are asked for and nowhere else, also in errors")
        func colors() async throws {
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders")
                let plain = try await broker.command("topic", "list")
                #expect(!plain.output.contains("\u{1b}"))
                let colored = try await broker.command("topic", "list", "--color", "always")
                #expect(colored.output.hasPrefix("\u{1b}[1mNAME"))
                let json = try await broker.command("topic", "list", "-o", "json", "--color", "always")
                #expect(!json.output.contains("\u{1b}"))
                let error = try await broker.command("topic", "describe", "x", "--color", "always", expecting: 5)
                #expect(error.errors.hasPrefix("\u{1b}[1;31merror:\u{1b}[0m "))
                try await broker.command("topic", "list", "--color", "sometimes", expecting: 64)
            }
        }
    }
}
