// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension Interop {
    @Suite("martlet cluster, config and context") struct ClusterCommandTests {
        @Test("a cluster shows what it consists of, how it is, and where its logs are")
        func cluster() async throws {
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders", "-p", "3")
                try await broker.command("produce", "orders", input: String(repeating: "x", count: 5000))
                let info = try await broker.command("cluster", "info", "-o", "json").json
                #expect(info["controller"] == info["brokers"][0]["id"])
                #expect(info["brokers"][0]["port"].int == Int(broker.port))
                #expect(info["partitions"] == 3 && info["leaderless"] == [] && info["underReplicated"] == [])
                let page = try await broker.command("cluster", "info")
                #expect(page.lines[0] == info["clusterId"].text ?? "")
                #expect(page.output.contains("brokers           1\n"))
                let brokers = try await broker.command("cluster", "brokers", "-o", "json").json
                #expect(brokers[0]["leads"] == 3 && brokers[0]["replicas"] == 3)
                let wide = try await broker.command("cluster", "brokers", "-o", "wide").output
                #expect(wide.contains("FREE") && wide.contains("KiB"), "\(wide)")

                #expect(try await broker.command("cluster", "health").lines.last == "healthy")
                let health = try await broker.command("cluster", "health", "-o", "json").json
                #expect(health["healthy"] == true && health["checks"].elements.count == 5)

                let directories = try await broker.command("cluster", "logdirs", "-o", "json").json
                #expect(directories[0]["path"].text == broker.dataDirectory.path)
                #expect((directories[0]["bytes"].int ?? 0) >= 5000 && directories[0]["partitionCount"] == 3)
                let sizes = try await broker.command("cluster", "logdirs", "--topic", "orders", "-o", "json").json
                #expect(sizes[0]["partitions"].elements.map { $0["partition"] } == [0, 1, 2])
                #expect(try await broker.command("cluster", "logdirs", "--partitions").lines.count == 4)
                try await broker.command("cluster", "logdirs", "--topic", "nope", expecting: 5)

                let apis = try await broker.command("cluster", "apis", "-o", "json").json
                #expect(apis["apis"].elements.contains { $0["name"] == "Produce" && $0["key"] == 0 })
            }
        }

        @Test("a broker that there is not ends every command that takes one with 5, and a part of it with 1")
        func unknownBroker() async throws {
            let commands = [
                ["config", "list"], ["config", "describe", "log.retention.ms"],
                ["config", "set", "log.retention.ms=1"],
                ["config", "set", "log.retention.ms=1", "--dry-run"], ["config", "delete", "log.retention.ms"],
                ["cluster", "apis"], ["cluster", "logdirs"], ["cluster", "logdirs", "--topic", "orders"],
            ]
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders")
                for command in commands {
                    func run(_ arguments: String...) async throws -> CommandRun {
                        try await CommandRun.of(command + arguments + ["-b", broker.bootstrap], folder: broker.folder)
                    }
                    let alone = try await run("--broker", "77")
                    #expect(alone.status == 5 && alone.output == "", "\(alone)")
                    #expect(
                        alone.errors.hasPrefix("error: the cluster has no broker 77\nhint: `martlet cluster brokers`"),
                        "\(alone)")
                    let json = try await run("--broker", "77", "-o", "json")
                    #expect(json.status == 5, "\(json)")
                    // This one takes one broker.
                    guard command != ["cluster", "apis"] else { continue }
                    let partly = try await run("--broker", "77", "--broker", "1", "-o", "json")
                    #expect(partly.status == 1 && partly.errors.contains("no broker 77"), "\(partly)")
                    #expect(try !partly.json.elements.isEmpty, "\(partly)")
                }
            }
        }

        @Test("configs of topics, brokers and groups are set, listed with their source, explained and deleted")
        func configs() async throws {
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders")
                let owners = [
                    (["--topic", "orders"], "retention.ms", "topic"),
                    (["--group", "payments"], "consumer.session.timeout.ms", "group"),
                    (["--all-brokers"], "log.retention.ms", "all brokers, dynamic"),
                    (["--broker", "1"], "log.dir.min.free.bytes", "broker, dynamic"),
                ]
                for (owner, name, source) in owners {
                    func config(_ arguments: String...) async throws -> CommandRun {
                        let run = try await CommandRun.of(
                            ["config"] + arguments + owner + ["-b", broker.bootstrap], folder: broker.folder)
                        #expect(run.status == 0, "\(run)")
                        return run
                    }
                    let rehearsed = try await config("set", "\(name)=50000", "--dry-run", "-o", "json")
                    #expect(try rehearsed.json[0]["outcome"] == "valid")
                    let before = try await config("list").output
                    #expect(!before.contains(name))
                    _ = try await config("set", "\(name)=50000")
                    let listed = try await config("list", name, "-o", "json").json[0]["configs"]
                    #expect(listed.elements.count == 1)
                    #expect(listed[0]["value"] == "50000" && listed[0]["source"] == .string(source), "\(listed)")
                    #expect(try await config("list").output.contains("\(name)"))
                    let explained = try await config("describe", name, "-o", "json").json[0]["configs"][0]
                    #expect((explained["documentation"].text ?? "").count > 20, "\(explained)")
                    #expect(try await config("list", name, "-o", "wide").output.contains("MEANING"))
                    _ = try await config("delete", name)
                    let after = try await config("list").output
                    #expect(!after.contains(name))
                }
                let wrong = try await broker.command(
                    "config", "set", "--topic", "orders", "retention.ms=soon", expecting: 1)
                #expect(wrong.errors.contains("retention.ms"))
                let unknown = try await broker.command("config", "describe", "--topic", "orders", "nope", expecting: 5)
                #expect(unknown.errors.contains("no config nope"))
                let partly = try await broker.command(
                    "config", "set", "--topic", "orders", "--topic", "nope", "retention.ms=1", expecting: 1)
                #expect(partly.output == "topic orders altered\n")
                try await broker.command("config", "list", expecting: 64)
                try await broker.command("config", "set", "--topic", "orders", "novalue", expecting: 64)
            }
        }

        @Test("a context is added, used, shown and removed, and says where commands go")
        func contexts() async throws {
            try await withBroker { broker in
                try await broker.command("topic", "create", "orders")
                let home = [
                    "XDG_CONFIG_HOME": broker.folder.appendingPathComponent("settings").path, "MARTLET_BOOTSTRAP": "",
                ]
                let file = broker.folder.appendingPathComponent("settings/martlet/contexts.json")
                func martlet(
                    _ arguments: String..., expecting status: Int32 = 0, environment: [String: String] = [:],
                    input: String = ""
                ) async throws -> CommandRun {
                    let run = try await CommandRun.of(
                        arguments, environment: home.merging(environment) { _, own in own }, input: input,
                        folder: broker.folder)
                    guard run.status == status else { throw UnexpectedRun(run: run, what: "should end with \(status)") }
                    return run
                }
                #expect(try await martlet("context", "list", "-o", "json").json == [])
                _ = try await martlet("context", "show", expecting: 5)
                let added = try await martlet("context", "add", "here", "--bootstrap-server", broker.bootstrap)
                #expect(added.output.contains(file.path))
                var status = stat()
                #expect(stat(file.path, &status) == 0)
                #expect(status.st_mode & 0o777 == 0o600)
                _ = try await martlet("context", "add", "here", "-b", "k:1", expecting: 1)
                _ = try await martlet(
                    "context", "add", "away", "-b", "127.0.0.1:1", "--sasl", "plain", "--user", "alice",
                    "--password-stdin", input: "wonderland\n")
                // The first one is the current one.
                #expect(try await martlet("topic", "list").output.contains("orders"))
                #expect(try await martlet("context", "use", "away").output == "away is the current context\n")
                let unreachable = try await martlet("topic", "list", expecting: 2)
                #expect(unreachable.errors.contains("the address is that of the context away"))
                #expect(try await martlet("topic", "list", "--context", "here").output.contains("orders"))
                #expect(
                    try await martlet("topic", "list", environment: ["MARTLET_CONTEXT": "here"]).output.contains(
                        "orders"))
                #expect(try await martlet("topic", "list", "-b", broker.bootstrap).output.contains("orders"))
                #expect(
                    try await martlet("topic", "list", environment: ["MARTLET_BOOTSTRAP": broker.bootstrap]).output
                        .contains(
                            "orders"))
                let nope = try await martlet("topic", "list", "--context", "nope", expecting: 5)
                #expect(nope.errors.contains("martlet context list"))

                let table = try await martlet("context", "list", "-o", "wide").output
                #expect(table.contains("*  away") && !table.contains("wonderland"), "\(table)")
                let shown = try await martlet("context", "show", "away", "-o", "json")
                #expect(try shown.json["user"] == "alice" && !shown.output.contains("wonderland"))
                #expect(try await martlet("context", "show").lines[0] == "away")
                _ = try await martlet("context", "remove", "nope", expecting: 5)
                _ = try await martlet("context", "use", "nope", expecting: 5)
                _ = try await martlet("context", "remove", "away")
                _ = try await martlet("context", "use", "--none")
                #expect(try await martlet("context", "list", "-o", "json").json[0]["current"] == false)

                try Data(#"{"contexts":{"here":"#.utf8).write(to: file)
                let damaged = try await martlet("topic", "list", expecting: 64)
                #expect(damaged.errors.contains(file.path) && damaged.errors.contains("byte"), "\(damaged.errors)")
                _ = try await martlet("context", "add", "x", "-b", "k:1", expecting: 64)
                #expect(try Data(contentsOf: file) == Data(#"{"contexts":{"here":"#.utf8))
            }
        }
    }
}
