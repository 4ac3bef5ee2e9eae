// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    /// Every command that talks to a cluster, with each kind of trouble that a cluster can be in.
    @Suite("The command line without a good broker") struct TroubleTests {
        /// All of them, with arguments that would be right.
        private static let commands: [[String]] = [
            ["topic", "list"], ["topic", "list", "-o", "json"], ["topic", "describe", "t"], ["topic", "create", "t"],
            ["topic", "alter", "t", "-p", "3", "-c", "retention.ms=1"], ["topic", "delete", "t", "--yes"],
            ["topic", "delete", "t*", "--yes"], ["group", "list"], ["group", "list", "-o", "wide"],
            ["group", "describe", "g"], ["group", "describe"], ["group", "delete", "g", "--yes"],
            ["group", "reset-offsets", "g", "--topic", "t", "--to-earliest"],
            ["group", "delete-offsets", "g", "--topic", "t", "--yes"], ["config", "list", "--topic", "t"],
            ["config", "list", "--broker", "1"], ["config", "describe", "--topic", "t", "retention.ms"],
            ["config", "set", "--topic", "t", "retention.ms=1"], ["config", "delete", "--group", "g", "a"],
            ["cluster", "info"], ["cluster", "brokers"], ["cluster", "health"], ["cluster", "logdirs"],
            ["produce", "t"], ["consume", "t", "--until-end"], ["bench", "produce", "-n", "1"],
            ["bench", "end-to-end", "--seconds", "1", "--admin", "127.0.0.1:1"],
        ]

        /// What a command may take on top of that: its own start, on a machine that is busy with the others.
        private static let grace = Duration.seconds(20)
        /// Commands that run at the same time.
        private static let sideBySide = 4

        /// How the commands have to end.
        private struct Ending: Sendable {
            var status: Int32
            /// Stands in every error, besides the address.
            var text: String
            /// `--timeout` in seconds: short only where it has to be waited for, because the machine may be busy.
            var timeout: Int { self.status == 3 ? 1 : 20 }
        }

        @Test("every command ends in time, says what is wrong and what to do, and tells the two apart by its exit code")
        func everyCommand() async throws {
            let folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("martlet-trouble-\(UUID().uuidString.prefix(8))")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try await Self.withStrangeServers(folder) { ports in
                let kinds: [(name: String, status: Int32, text: String)] = [
                    ("silent", 3, "did not answer"), ("stuck", 3, "did not answer"),
                    ("http", 2, "as an HTTP server does"), ("hangup", 2, "closed the connection without an answer"),
                    ("tls", 2, "it expects TLS"), ("garbage", 2, "Kafka"),
                    ("old", 1, "serve"),
                ]
                let troubles = try kinds.map { kind in
                    (try #require(ports[kind.name].int), Ending(status: kind.status, text: kind.text))
                }
                let stopped = (Int(Sockets.freePort()), Ending(status: 2, text: "connection refused"))
                for (port, ending) in troubles + [stopped] {
                    try await Self.check("127.0.0.1:\(port)", ending, folder)
                }
            }
        }

        private static func check(_ address: String, _ ending: Ending, _ folder: URL) async throws {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for (index, command) in Self.commands.enumerated() {
                    if index >= Self.sideBySide { _ = try await tasks.next() }
                    tasks.addTask {
                        let run = try await CommandRun.of(
                            command + ["-b", address, "--timeout", "\(ending.timeout)"], input: "x\n", folder: folder)
                        #expect(run.status == ending.status, "\(run)")
                        #expect(run.duration < .seconds(ending.timeout) + Self.grace, "\(run)")
                        // What could not be found out is left out of an answer of several parts.
                        #expect(run.output == "" || run.output == "[]\n" || ending.status == 1, "\(run)")
                        #expect(run.errors.contains("error: ") && run.errors.contains("hint: "), "\(run)")
                        #expect(run.errors.contains(address) && run.errors.contains(ending.text), "\(run)")
                        #expect(run.errors.split(separator: "\n").count == 2, "\(run)")
                    }
                }
                try await tasks.waitForAll()
            }
        }

        @Test("a login that is refused ends with 4, a name that nobody knows with 2, and one good broker is enough")
        func others() async throws {
            try await withBroker { broker in
                try await Self.withStrangeServers(broker.folder) { ports in
                    let address = "127.0.0.1:\(try #require(ports["refusing"].int))"
                    let login = ["MARTLET_SASL_USER": "alice", "MARTLET_SASL_PASSWORD": "wonderland"]
                    let refused = try await broker.command(
                        "topic", "list", "-b", address, "--sasl", "plain", expecting: 4, environment: login)
                    #expect(refused.errors.contains("no such user") && refused.errors.contains("--user"))
                    #expect(!refused.errors.contains("wonderland"))
                    let unsaid = try await broker.command("topic", "list", "--sasl", "plain", expecting: 64)
                    #expect(unsaid.errors.contains("MARTLET_SASL_USER"))

                    let unknown = try await broker.command(
                        "topic", "list", "-b", "no-such-host.invalid", "--timeout", "10", expecting: 2)
                    #expect(unknown.errors.contains("no-such-host.invalid:9092"))
                    #expect(unknown.errors.contains("check the spelling"))

                    let plain = try await broker.command("topic", "list", "--tls", "--timeout", "5", expecting: 2)
                    #expect(plain.errors.contains("TLS"))
                    let http = "127.0.0.1:\(try #require(ports["http"].int))"
                    try await broker.command("topic", "list", "-b", "\(http),\(broker.bootstrap)")
                    try await broker.command("topic", "list", "-b", "\(http),127.0.0.1:1", expecting: 2)
                    // What an old broker serves can be seen all the same.
                    let old = "127.0.0.1:\(try #require(ports["old"].int))"
                    #expect(
                        try await broker.command("cluster", "apis", "-b", old, "-o", "json").json["apis"].elements.count
                            == 2)
                }
            }
        }

        /// Runs `body` with the ports of servers that are no good brokers, by their kinds.
        private static func withStrangeServers(
            _ folder: URL, _ body: @Sendable (JSON) async throws -> Void
        ) async throws {
            let file = folder.appendingPathComponent("ports.json")
            let program = try ChildProcess(
                try Programs.python(), [Programs.client("strange_servers"), file.path], folder: folder)
            defer { program.send(SIGKILL) }
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(30)
            while !FileManager.default.fileExists(atPath: file.path) {
                try #require(program.process.isRunning && clock.now < deadline, "\(program.errorText)")
                try await Task.sleep(for: .milliseconds(5))
            }
            try await body(try JSONDecoder().decode(JSON.self, from: Data(contentsOf: file)))
        }
    }
}
