// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Configs through the admin clients and from outside") struct ConfigTests {
        private static func describe(topic: String) -> JSON {
            ["do": "describe_configs", "type": "topic", "name": .string(topic)]
        }

        @Test("DescribeConfigs tells values, where they come from, and their synonyms", arguments: Library.clients)
        func describe(library: Library) async throws {
            try await withBroker(BrokerOptions(settings: [("log.segment.bytes", "2000000")])) { broker in
                let results = try await broker.run(
                    library,
                    ["do": "create_topic", "topic": "known", "configs": ["retention.ms": "3600000"]],
                    Self.describe(topic: "known")
                )
                let configs = results[1]["configs"]
                #expect(configs["retention.ms"]["value"] == "3600000")
                #expect(configs["retention.ms"]["source"] == "DYNAMIC_TOPIC_CONFIG")
                #expect(configs["segment.bytes"]["value"] == "2000000")
                #expect(configs["segment.bytes"]["source"] == "STATIC_BROKER_CONFIG")
                #expect(configs["cleanup.policy"]["value"] == "delete")
                #expect(configs["cleanup.policy"]["source"] == "DEFAULT_CONFIG")
                #expect(configs["max.message.bytes"]["value"] == "1048588")
                let synonyms = configs["segment.bytes"]["synonyms"].elements
                if library == .kafkaPython {
                    #expect(synonyms.map { $0["value"] } == ["2000000", "1073741824"])
                    #expect(synonyms.map { $0["source"] } == ["STATIC_BROKER_CONFIG", "DEFAULT_CONFIG"])
                }
                // confluent-kafka keeps one synonym for each name.
                #expect(Set(synonyms.map { $0["name"].text }) == ["log.segment.bytes"])
                #expect(configs.fields.values.allSatisfy { $0["isSensitive"] == false })
            }
        }

        @Test("the incremental request sets, deletes, appends and subtracts", arguments: Library.clients)
        func incremental(library: Library) async throws {
            try await withBroker { broker in
                func alter(_ changes: [JSON], _ fields: [String: JSON] = [:]) -> JSON {
                    let step: [String: JSON] = [
                        "do": "incremental_alter_configs", "type": "topic", "name": "known",
                        "changes": .array(changes),
                    ]
                    return .object(step.merging(fields) { _, own in own })
                }
                func change(_ operation: JSON, _ name: JSON, _ value: JSON) -> JSON {
                    ["operation": operation, "name": name, "value": value]
                }
                let results = try await broker.run(
                    library,
                    ["do": "create_topic", "topic": "known", "configs": ["retention.ms": "3600000"]],
                    alter([change("SET", "segment.bytes", "3000000"), change("APPEND", "cleanup.policy", "compact")]),
                    Self.describe(topic: "known"),
                    alter([
                        change("DELETE", "retention.ms", nil), change("SUBTRACT", "cleanup.policy", "delete"),
                    ]),
                    Self.describe(topic: "known"),
                    alter([change("SET", "segment.bytes", "many")]),
                    alter([change("SET", "segment.megabytes", "1")]),
                    alter([change("APPEND", "segment.bytes", "1")]),
                    alter([change("SET", "segment.bytes", "4000000")], ["validateOnly": true]),
                    alter([change("SET", "segment.bytes", "4000000")], ["name": "missing"]),
                    Self.describe(topic: "known")
                )
                #expect(
                    [1, 3, 5, 6, 7, 8, 9].map { results[$0].error } == [
                        nil, nil, "INVALID_CONFIG", "INVALID_CONFIG", "INVALID_CONFIG", nil,
                        "UNKNOWN_TOPIC_OR_PARTITION",
                    ]
                )
                let first = results[2]["configs"]
                #expect(first["segment.bytes"]["value"] == "3000000")
                #expect(first["cleanup.policy"]["value"] == "delete,compact")
                #expect(first["retention.ms"]["value"] == "3600000")
                for configs in [results[4]["configs"], results[10]["configs"]] {
                    #expect(configs["segment.bytes"]["value"] == "3000000")
                    #expect(configs["cleanup.policy"]["value"] == "compact")
                    #expect(configs["retention.ms"]["source"] == "DEFAULT_CONFIG")
                }
            }
        }

        @Test("the old request replaces all configs of a topic")
        func legacy() async throws {
            try await withBroker { broker in
                func alter(_ configs: JSON) -> JSON {
                    ["do": "alter_configs", "type": "topic", "name": "known", "configs": configs]
                }
                let results = try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "known", "configs": ["retention.ms": "3600000"]],
                    alter(["segment.bytes": "3000000"]),
                    Self.describe(topic: "known"),
                    alter(["segment.bytes": "many"])
                )
                #expect(results[1].error == nil)
                #expect(results[2]["configs"]["segment.bytes"]["value"] == "3000000")
                #expect(results[2]["configs"]["retention.ms"]["source"] == "DEFAULT_CONFIG")
                #expect(results[3].error == "INVALID_CONFIG")
                // kafka-python reads the configs first and sends them back with the change.
                let completed = try await broker.run(
                    .kafkaPython, alter(["retention.ms": "7200000"]), Self.describe(topic: "known")
                )
                #expect(completed[0].error == nil, "\(completed[0])")
                #expect(completed[1]["configs"]["segment.bytes"]["value"] == "3000000")
                #expect(completed[1]["configs"]["retention.ms"]["value"] == "7200000")
            }
        }

        @Test("a changed max.message.bytes holds for the next record")
        func takesEffect() async throws {
            try await withBroker { broker in
                let record = Record(value: Data(repeating: 1, count: 5000))
                try await broker.produce(.confluent, "limited", [record])
                let results = try await broker.run(
                    .confluent,
                    [
                        "do": "incremental_alter_configs", "type": "topic", "name": "limited",
                        "changes": [["operation": "SET", "name": "max.message.bytes", "value": "1000"]],
                    ],
                    BrokerUnderTest.produceStep("limited", [record])
                )
                #expect(results[1]["deliveries"][0].error == "MESSAGE_TOO_LARGE")
            }
        }

        @Test("a dynamic broker config shows up with its source and outlives a restart")
        func dynamicBrokerConfig() async throws {
            try await withBroker { broker in
                let node = try await broker.run(.confluent, ["do": "metadata"])[0]["controller"].int ?? -1
                let name: JSON = "\(node)"
                let describe: JSON = ["do": "describe_configs", "type": "broker", "name": name]
                let results = try await broker.run(
                    .confluent,
                    [
                        "do": "incremental_alter_configs", "type": "broker", "name": name,
                        "changes": [["operation": "SET", "name": "log.retention.ms", "value": "7200000"]],
                    ],
                    describe
                )
                #expect(results[0].error == nil, "\(results[0])")
                #expect(results[1]["configs"]["log.retention.ms"]["value"] == "7200000")
                #expect(results[1]["configs"]["log.retention.ms"]["source"] == "DYNAMIC_BROKER_CONFIG")
                try await broker.stop()
                try await broker.start()
                let after = try await broker.run(.kafkaPython, describe)
                #expect(after[0]["configs"]["log.retention.ms"]["value"] == "7200000")
            }
        }

        @Test("a group has configs before it is there, and they outlive a kill", arguments: Library.clients)
        func groupConfig(library: Library) async throws {
            try await withBroker { broker in
                func alter(_ name: JSON, _ value: JSON) -> JSON {
                    [
                        "do": "incremental_alter_configs", "type": "group", "name": "payments",
                        "changes": [["operation": "SET", "name": name, "value": value]],
                    ]
                }
                let describe: JSON = ["do": "describe_configs", "type": "group", "name": "payments"]
                let results = try await broker.run(
                    library,
                    alter("consumer.session.timeout.ms", "50000"),
                    alter("martlet.consumer.weights", "client.id:big-*=200;group.instance.id:pod-7=0"),
                    alter("consumer.session.timeout.ms", "1"),
                    alter("consumer.sessions.timeout.ms", "50000"),
                    describe
                )
                #expect((0..<4).map { results[$0].error } == [nil, nil, "INVALID_CONFIG", "INVALID_CONFIG"])
                #expect(results[2]["message"].text?.contains("group.consumer.min.session.timeout.ms") == true)
                let source: JSON = library == .confluent ? "GROUP_CONFIG" : "DYNAMIC_GROUP_CONFIG"
                try await broker.kill()
                try await broker.start()
                for configs in [results[4]["configs"], try await broker.run(library, describe)[0]["configs"]] {
                    #expect(configs["consumer.session.timeout.ms"]["value"] == "50000")
                    #expect(configs["consumer.session.timeout.ms"]["source"] == source)
                    #expect(configs["consumer.heartbeat.interval.ms"]["value"] == "5000")
                    #expect(configs["consumer.heartbeat.interval.ms"]["source"] == "DEFAULT_CONFIG")
                    #expect(configs["martlet.consumer.weights"]["value"].text?.hasSuffix("pod-7=0") == true)
                }
            }
        }

        @Test("--set wins over KAFKA_ variables, they over the file, and the file over the defaults")
        func precedence() async throws {
            let options = BrokerOptions(
                settings: [("num.partitions", "4")],
                environment: ["KAFKA_NUM_PARTITIONS": "3", "KAFKA_LOG_SEGMENT_BYTES": "3000000"],
                file: """
                    # Kafka's own format.
                    num.partitions=2
                    log.segment.bytes=2000000
                    log.retention.ms = 7200000
                    no.such.config=1
                    """
            )
            try await withBroker(options) { broker in
                let node = try await broker.run(.kafkaPython, ["do": "metadata"])[0]["controller"].int ?? -1
                let results = try await broker.run(
                    .kafkaPython,
                    ["do": "describe_configs", "type": "broker", "name": "\(node)"],
                    ["do": "metadata", "topic": "asked"],
                    ["do": "metadata"]
                )
                let configs = results[0]["configs"]
                for (name, value) in [
                    "num.partitions": "4", "log.segment.bytes": "3000000", "log.retention.ms": "7200000",
                ] {
                    #expect(configs[name]["value"].text == value)
                    #expect(configs[name]["source"] == "STATIC_BROKER_CONFIG")
                }
                #expect(configs["message.max.bytes"]["source"] == "DEFAULT_CONFIG")
                #expect(results[2]["topics"] == ["asked": 4])
                #expect(broker.log.contains("no.such.config"), "an unknown config is worth a warning")
            }
        }
    }
}
