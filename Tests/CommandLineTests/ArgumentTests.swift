// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaRecords
import Testing

@testable import martlet

@Suite struct ArgumentTests {
    private func parse<Command: ParsableCommand>(_: Command.Type, _ arguments: String...) throws -> Command {
        try #require(try Martlet.parseAsRoot(arguments) as? Command)
    }

    /// The exit code of a command line that is not understood.
    private func exitCode(_ arguments: String...) -> Int32? {
        do {
            _ = try Martlet.parseAsRoot(arguments)
            return nil
        } catch {
            return Martlet.exitCode(for: error).rawValue
        }
    }

    @Test("a topic is created with what the command line says")
    func create() throws {
        let command = try self.parse(
            TopicCreateCommand.self, "topic", "create", "a", "b", "-p", "6", "--replication-factor", "3",
            "--config", "cleanup.policy=compact", "-c", "retention.ms=-1", "--if-not-exists", "-b", "k1:1,k2")
        #expect(command.names == ["a", "b"])
        #expect(command.partitions == 6)
        #expect(command.replicationFactor == 3)
        #expect(command.config.map(\.name) == ["cleanup.policy", "retention.ms"])
        #expect(command.config.map(\.value) == ["compact", "-1"])
        #expect(command.ifNotExists)
        #expect(
            command.connection.bootstrap.flatMap { BrokerAddress.list($0) }
                == [BrokerAddress(host: "k1", port: 1), BrokerAddress(host: "k2", port: 9092)])
    }

    @Test("TLS and the login come from options, the secrets from the environment")
    func security() throws {
        let options = try self.parse(
            TopicListCommand.self, "topic", "list", "--tls-ca", "ca.pem", "--tls-server-name", "broker.test"
        ).connection.security
        let tls = try options.security().tls
        #expect(tls?.trustRoots == .only(.file("ca.pem")))
        #expect(tls?.serverName == "broker.test")
        #expect(tls?.verification == .full)
        #expect(try self.parse(TopicListCommand.self, "topic", "list").connection.security.security().tls == nil)
        var login = try SecurityOptions.parse([])
        login.sasl = .scramSHA256
        let known = [SecurityOptions.userVariable: "alice", SecurityOptions.passwordVariable: "wonderland"]
        #expect(try login.security { known[$0] }.description == "SASL_PLAINTEXT SCRAM-SHA-256 as alice")
        #expect(throws: CommandFailure.self) { try login.security { $0 == SecurityOptions.userVariable ? "a" : nil } }
    }

    @Test("what is not understood ends with 64")
    func usage() {
        #expect(self.exitCode("topic", "create") == 64)
        #expect(self.exitCode("topic", "create", "a", "-p", "0") == 64)
        #expect(self.exitCode("topic", "create", "a", "--config", "novalue") == 64)
        #expect(self.exitCode("topic", "list", "-b", "host:port") == 64)
        #expect(self.exitCode("topic", "list", "--timeout", "0") == 64)
        #expect(self.exitCode("topic", "list", "--tls-cert", "client.pem") == 64)
        #expect(self.exitCode("topic", "list", "--sasl", "gssapi") == 64)
        #expect(self.exitCode("topic", "alter", "a") == 64)
        #expect(self.exitCode("produce", "t", "--acks", "2") == 64)
        #expect(self.exitCode("produce", "t", "--codec", "brotli") == 64)
        #expect(self.exitCode("produce", "t", "--json", "file") == 64)
        #expect(self.exitCode("produce", "t", "--key", "k", "--key-separator", ":") == 64)
        #expect(self.exitCode("consume", "t", "--from", "yesterday") == 64)
        #expect(self.exitCode("consume", "t", "-n", "0") == 64)
        #expect(self.exitCode("consume", "t", "--follow", "--until", "end") == 64)
        #expect(self.exitCode("consume", "t", "--until", "-5") == 64)
        #expect(self.exitCode("consume", "t", "-f", "%z") == 64)
        #expect(self.exitCode("consume", "t", "-f", "%s", "-o", "json") == 64)
        #expect(self.exitCode("consume", "t", "-f", "%s", "--print-key") == 64)
        #expect(self.exitCode("consume", "t", "--bytes", "base64") == 64)
        #expect(self.exitCode("consume", "t", "--isolation", "serializable") == 64)
        #expect(self.exitCode("produce", "t", "--rate", "0") == 64)
        #expect(self.exitCode("produce", "t", "--timestamp", "yesterday") == 64)
        #expect(self.exitCode("produce", "t", "--key-separator", ":", "file") == 64)
        #expect(self.exitCode("log", "dump") == 64)
        #expect(self.exitCode("log", "dump", "x", "--from", "-1") == 64)
        #expect(self.exitCode("health", "extra") == 64)
        #expect(self.exitCode("doctor", "--timeout", "0") == 64)
        #expect(self.exitCode("consume") == 64)
        #expect(self.exitCode("consume", "t", "u") == 64)
        #expect(self.exitCode("consume", "t", "--weight", "5") == 64)
        #expect(self.exitCode("consume", "t", "--group", "g", "--weight", "1000001") == 64)
        #expect(self.exitCode("consume", "t", "--group", "g", "--partition", "0") == 64)
        #expect(self.exitCode("consume", "t", "--group", "g", "--until-end") == 64)
        #expect(self.exitCode("consume", "t", "--group", "g", "--from", "7") == 64)
        #expect(self.exitCode("consume", "t", "u", "--group", "g", "--regex") == 64)
        #expect(self.exitCode("nonsense") == 64)
        #expect(self.exitCode("topic", "list", "-o", "yaml") == 64)
        #expect(self.exitCode("topic", "list", "--color", "sometimes") == 64)
        #expect(self.exitCode("topic", "list", "--regex", "(") == 64)
        #expect(self.exitCode("topic", "list", "--user", "") == 64)
        #expect(self.exitCode("group", "describe", "--regex", "[") == 64)
        #expect(self.exitCode("config", "list") == 64)
        #expect(self.exitCode("config", "list", "--broker", "one") == 64)
        #expect(self.exitCode("config", "set", "--topic", "t") == 64)
        #expect(self.exitCode("config", "set", "--topic", "t", "novalue") == 64)
        #expect(self.exitCode("config", "describe", "--topic", "t") == 64)
        #expect(self.exitCode("context", "add", "prod") == 64)
        #expect(self.exitCode("context", "add", "a b", "-b", "k:1") == 64)
        #expect(self.exitCode("context", "add", "prod", "-b", "k:port") == 64)
        #expect(self.exitCode("context", "add", "prod", "-b", "k", "--user", "u") == 64)
        #expect(
            self.exitCode(
                "context", "add", "p", "-b", "k", "--sasl", "plain", "--password-stdin", "--password-file", "f") == 64)
        #expect(self.exitCode("context", "use") == 64)
        #expect(self.exitCode("context", "use", "prod", "--none") == 64)
        #expect(self.exitCode("completion", "tcsh") == 64)
    }

    @Test("produce takes its options")
    func produce() throws {
        let command = try self.parse(
            ProduceCommand.self, "produce", "orders", "-k", "k1", "-H", "a=1", "-H", "a=2=3", "--codec", "zstd",
            "--acks", "1", "-Z", "-v", "--partition", "2", "file1", "file2")
        #expect(command.topic == "orders")
        #expect(command.files == ["file1", "file2"])
        #expect(command.delivery.codec == .zstd)
        #expect(command.delivery.acks == .leader)
        #expect(command.delivery.partition == 2)
        #expect(command.records.headers.map(\.value) == ["1", "2=3"])
        #expect(command.records.emptyIsNull)
        #expect(command.delivery.verbose)
        let bare = try self.parse(ProduceCommand.self, "produce", "orders")
        #expect(bare.delivery.codec == .none)
        #expect(bare.delivery.acks == .all)
    }

    @Test(
        "consume begins where --from says",
        arguments: [
            ("beginning", StartPosition.beginning), ("end", .end), ("0", .offset(0)), ("1500", .offset(1500)),
            ("-10", .last(10)), ("@1700000000000", .time(1_700_000_000_000)), ("@1970-01-02", .time(86_400_000)),
            ("-1h", .ago(3_600_000)), ("@-90s", .ago(90_000)), ("-PT1M", .ago(60_000)),
        ])
    func from(text: String, position: StartPosition) throws {
        #expect(try self.parse(ConsumeCommand.self, "consume", "t", "--from", text).from == position)
    }

    @Test("a member of a group is what the command line says")
    func group() throws {
        let command = try self.parse(
            ConsumeCommand.self, "consume", "a", "b", "-g", "payments", "--instance-id", "pod-1", "--assignor",
            "weighted", "--weight", "0", "--from", "end")
        let configuration = try command.groupOptions.configuration(
            group: "payments", topics: command.topics, from: command.from)
        let member = try Self.member(configuration)
        #expect(member.groupID == "payments")
        #expect(member.topics == .names(["a", "b"]))
        #expect(member.instanceID == "pod-1")
        guard case .consumer(assignor: "weighted", weight: 0) = member.protocol else {
            Issue.record("the protocol is \(member.protocol)")
            return
        }
        #expect(configuration.offsetReset == .latest)
        let regex = try self.parse(ConsumeCommand.self, "consume", "a.*", "--group", "g", "--regex").groupOptions
        let pattern = try Self.member(regex.configuration(group: "g", topics: ["a.*"], from: .beginning))
        #expect(pattern.topics == .regex("a.*"))
    }

    private static func member(_ configuration: KafkaConsumerConfiguration) throws -> ConsumerGroupConfiguration {
        guard case .group(let member) = configuration.subscription else {
            throw ValidationError("not a member of a group: \(configuration.subscription)")
        }
        return member
    }

    @Test(
        "positions that make no sense are refused", arguments: ["", "-", "-0", "--1", "@", "@now", "@-5", "1.5", "x"])
    func badPositions(text: String) { #expect(StartPosition(argument: text) == nil) }

    @Test(
        "consume ends where --until says",
        arguments: [
            ("end", StopPosition.end), ("7", .offset(7)), ("@1970-01-02", .time(86_400_000)),
            ("-2d", .ago(172_800_000)),
        ])
    func until(text: String, position: StopPosition) throws {
        #expect(try self.parse(ConsumeCommand.self, "consume", "t", "--until", text).until == position)
    }

    @Test("a length of time that was not given is that of the command")
    func timeout() throws {
        #expect(try self.parse(HealthCommand.self, "health").connection.givenTimeout == nil)
        #expect(try self.parse(HealthCommand.self, "health", "--timeout", "30").connection.givenTimeout == 30)
        #expect(try self.parse(HealthCommand.self, "health", "--timeout", "500ms").connection.givenTimeout == 0.5)
        #expect(try self.parse(HealthCommand.self, "health", "--timeout", "0.25").connection.givenTimeout == 0.25)
        #expect(try self.parse(TopicListCommand.self, "topic", "list").connection.timeout == 30)
    }

    @Test("a backslash and a t are a tab")
    func tab() throws {
        let command = try self.parse(ConsumeCommand.self, "consume", "t", "--print-key", "--key-separator", "\\t")
        guard case .text(true, false, "\t") = try command.printing.format else {
            Issue.record("the format is \(try command.printing.format)")
            return
        }
    }
}
