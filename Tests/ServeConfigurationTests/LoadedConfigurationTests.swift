// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaConfig
import ServeConfiguration
import Testing

@Suite("Layers of configuration")
struct LoadedConfigurationTests {
    /// Runs the body with the path of a file with this content.
    private func withFile(_ name: String, _ content: Data, _ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent(name)
        try content.write(to: file)
        try body(file.path)
    }

    private func withFile(_ name: String, _ content: String, _ body: (String) throws -> Void) throws {
        try self.withFile(name, Data(content.utf8), body)
    }

    private func loadError(_ path: String) -> ServeConfigurationError? {
        #expect(throws: ServeConfigurationError.self) { try LoadedConfiguration.load(file: path) }
    }

    @Test("the command line wins over the environment, that over the file, that over the defaults")
    func layers() throws {
        try self.withFile("a.properties", "num.partitions=2\nlog.retention.ms=3\nfetch.max.bytes=4000\n") { path in
            let loaded = try LoadedConfiguration.load(
                commandLine: ["num.partitions": "9"],
                environment: ["KAFKA_NUM_PARTITIONS": "8", "KAFKA_LOG_RETENTION_MS": "7", "PATH": "/bin"], file: path)
            #expect(loaded.broker.numPartitions == 9)
            #expect(loaded.broker.topicDefaults.retentionMs == 7)
            #expect(loaded.broker.fetchMaxBytes == 4000)
            #expect(loaded.broker.socketRequestMaxBytes == 104_857_600)
            #expect(
                loaded.origins == [
                    "num.partitions": .commandLine,
                    "log.retention.ms": .environment(variable: "KAFKA_LOG_RETENTION_MS"),
                    "fetch.max.bytes": .file(path: path, line: 3),
                ])
            #expect(loaded.warnings.isEmpty)
        }
    }

    @Test("without anything set the defaults hold")
    func nothing() throws {
        let loaded = try LoadedConfiguration.load()
        #expect(try loaded.broker == BrokerConfig())
        #expect(loaded.origins.isEmpty && loaded.warnings.isEmpty)
    }

    @Test(
        "names that are unknown are warned of, with their place and the nearest name; those without effect are listed")
    func unknown() throws {
        try self.withFile("a.properties", "\nlog.retenton.ms=3\nprocess.roles=broker\nzzz.zzz.zzz=1") { path in
            let loaded = try LoadedConfiguration.load(environment: ["KAFKA_NUM_PARTITION": "8"], file: path)
            #expect(
                loaded.warnings == [
                    """
                    Unknown configuration log.retenton.ms (set in line 2 of \(path)) is passed over; did you mean \
                    log.retention.ms?
                    """,
                    """
                    Unknown configuration num.partition (set in the environment variable KAFKA_NUM_PARTITION) is \
                    passed over; did you mean num.partitions?
                    """,
                    "Unknown configuration zzz.zzz.zzz (set in line 4 of \(path)) is passed over",
                ])
            #expect(loaded.passedOver == "Set for Kafka and without effect in Martlet: process.roles")
        }
    }

    @Test("what the machine allows stands below everything that somebody wrote")
    func machine() throws {
        let machine = ["num.network.threads": "1", "max.connections": "128"]
        let loaded = try LoadedConfiguration.load(environment: ["KAFKA_MAX_CONNECTIONS": "500"], machine: machine)
        #expect(loaded.broker.numNetworkThreads == 1)
        #expect(loaded.broker.maxConnections == 500)
        #expect(loaded.origins["num.network.threads"] == .machine)
        #expect(loaded.origins["max.connections"] == .environment(variable: "KAFKA_MAX_CONNECTIONS"))
    }

    @Test("the environment that the Testcontainers module sets is understood, without a warning")
    func testcontainers() throws {
        let loaded = try LoadedConfiguration.load(environment: [
            "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER", "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER", "KAFKA_NODE_ID": "1",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094", "KAFKA_HEAP_OPTS": "-Xmx1G",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1", "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:32768,BROKER://4f1c:9093",
        ])
        #expect(loaded.warnings.isEmpty)
        #expect(loaded.broker.listeners.map(\.name) == ["PLAINTEXT", "BROKER"])
        #expect(
            loaded.broker.advertisedListeners.map(\.description) == [
                "PLAINTEXT://localhost:32768", "BROKER://4f1c:9093",
            ])
        #expect(
            loaded.passedOver == """
                Set for Kafka and without effect in Martlet: controller.quorum.voters, inter.broker.listener.name, \
                process.roles, KAFKA_HEAP_OPTS, the listener CONTROLLER://:9094, which is for Kafka's controllers
                """)
    }

    @Test("a wrong value names the place that set it")
    func wrongValues() throws {
        try self.withFile("a.properties", "# one\nnum.partitions=none\n") { path in
            #expect(
                self.loadError(path)?.message == """
                    Invalid value none for configuration num.partitions: not a whole number of 32 bits (type INT) \
                    (set in line 2 of \(path))
                    """)
        }
        let option = #expect(throws: ServeConfigurationError.self) {
            try LoadedConfiguration.load(commandLine: ["listeners": "x"])
        }
        #expect(option?.message.hasSuffix("(set in the command line)") == true)
        let variable = #expect(throws: ServeConfigurationError.self) {
            try LoadedConfiguration.load(environment: ["KAFKA_LOG_RETENTION_HOURS": "1.5"])
        }
        #expect(variable?.message.hasSuffix("(set in the environment variable KAFKA_LOG_RETENTION_HOURS)") == true)
    }

    @Test("files that cannot be used are errors that name them")
    func unusableFiles() throws {
        #expect(self.loadError("/nonexistent/a.properties")?.message.contains("/nonexistent/a.properties") == true)
        try self.withFile("a.properties", Data([0x61, 0x3d, 0xff])) { path in
            #expect(self.loadError(path)?.message == "The configuration file \(path) is not UTF-8 text")
        }
        try self.withFile("a.properties", Data(repeating: 0x20, count: 1 << 20 | 1)) { path in
            #expect(self.loadError(path)?.message == "The configuration file \(path) is larger than 1048576 bytes")
        }
        try self.withFile("a.properties", Data(repeating: 0x20, count: 1 << 20)) { path in
            let loaded = try LoadedConfiguration.load(file: path)
            #expect(loaded.origins.isEmpty)
        }
    }

    @Test("a YAML file is read by its ending, and says the same as a properties file")
    func yaml() throws {
        let text = """
            # A comment
            node.id: 4
            log:
              retention:
                ms: 60000
              segment.bytes: 2097152
              dirs: [/a, "/b"]
            auto.create.topics.enable: false
            advertised.listeners:
            listeners: "PLAINTEXT://127.0.0.1:9092"
            nmu.partitions: 1
            """
        for name in ["a.yaml", "a.YML"] {
            try self.withFile(name, text) { path in
                let loaded = try LoadedConfiguration.load(file: path)
                #expect(loaded.broker.nodeID == 4)
                #expect(loaded.broker.topicDefaults.retentionMs == 60_000)
                #expect(loaded.broker.topicDefaults.segmentBytes == 2_097_152)
                #expect(loaded.broker.logDirs == ["/a", "/b"])
                #expect(!loaded.broker.autoCreateTopicsEnable)
                #expect(loaded.broker.listeners == [Listener(name: "PLAINTEXT", host: "127.0.0.1", port: 9092)])
                #expect(loaded.origins["log.retention.ms"] == .file(path: path, line: 5))
                #expect(loaded.origins["advertised.listeners"] == nil)
                #expect(loaded.warnings.count == 1 && loaded.warnings[0].contains("line 11"))
            }
        }
    }

    @Test(
        "YAML that cannot be a configuration is an error, never a trap",
        arguments: [
            "a: [", "- 1\n- 2", "just text", "a: 1\na: 2", "a.b: 1\na:\n  b: 2", "a: [[1]]", "? [x]\n: 1",
            "a: *nothing",
            "a: {b: &x {c: 1}, d: [*x]}", "\u{1}", "a: 1\n---\nb: 2",
            "x0: &x0 {a: 1, b: 2}\n" + (1...20).map { "x\($0): &x\($0) {a: *x\($0 - 1), b: *x\($0 - 1)}\n" }.joined(),
            String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 100_000),
        ])
    func yamlRefusals(text: String) throws {
        try self.withFile("a.yaml", text) { path in
            let message = self.loadError(path)?.message
            #expect(message?.contains("a.yaml") == true)
            #expect((message?.count ?? .max) < 1000)
        }
    }

    @Test("an empty YAML file sets nothing", arguments: ["", "# only a comment\n", "---\n", "{}"])
    func emptyYAML(text: String) throws {
        try self.withFile("a.yaml", text) { path in
            let loaded = try LoadedConfiguration.load(file: path)
            #expect(loaded.origins.isEmpty)
        }
    }
}
