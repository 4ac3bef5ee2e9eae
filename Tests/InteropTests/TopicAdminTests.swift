// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Topics through the admin clients") struct TopicAdminTests {
        @Test("a topic is created, listed, described, enlarged and deleted", arguments: Library.clients)
        func life(library: Library) async throws {
            try await withBroker { broker in
                let results = try await broker.run(
                    library,
                    [
                        "do": "create_topic", "topic": "life", "partitions": 3, "replicationFactor": 1,
                        "configs": ["retention.ms": "3600000"],
                    ],
                    ["do": "describe_topic", "topic": "life"],
                    ["do": "create_partitions", "topic": "life", "count": 5],
                    ["do": "describe_topic", "topic": "life"],
                    ["do": "metadata"],
                    ["do": "delete_topic", "topic": "life"],
                    ["do": "metadata"],
                    ["do": "describe_topic", "topic": "life"]
                )
                #expect(results[0].error == nil, "\(results[0])")
                let node = results[4]["controller"]
                let partitions: [JSON] = (0..<5).map {
                    ["partition": .number($0), "leader": node, "replicas": [node], "isr": [node]]
                }
                #expect(results[1]["partitions"].elements == Array(partitions.prefix(3)))
                #expect(results[1]["isInternal"] == false)
                #expect(results[3]["partitions"].elements == partitions)
                #expect(results[1]["topicID"] == results[3]["topicID"])
                #expect(results[4]["topics"] == ["life": 5])
                #expect(results[5].error == nil)
                #expect(results[6]["topics"] == [:])
                #expect(results[7].error == "UNKNOWN_TOPIC_OR_PARTITION")
            }
        }

        @Test("a topic that is created again after deletion is empty and has another id", arguments: Library.clients)
        func recreation(library: Library) async throws {
            try await withBroker { broker in
                let create: JSON = ["do": "create_topic", "topic": "again"]
                let describe: JSON = ["do": "describe_topic", "topic": "again"]
                let record = Record(value: Data("old".utf8))
                let results = try await broker.run(
                    library,
                    create, describe, BrokerUnderTest.produceStep("again", [record]),
                    ["do": "delete_topic", "topic": "again"],
                    create, describe, ["do": "offsets", "topic": "again", "partition": 0]
                )
                #expect(results.allSatisfy { $0.error == nil }, "\(results)")
                #expect(results[1]["topicID"] != results[5]["topicID"])
                #expect(results[6] == ["beginning": 0, "end": 0, "forTimes": []])
            }
        }

        @Test("wrong requests are answered with the protocol's errors and texts", arguments: Library.clients)
        func errors(library: Library) async throws {
            try await withBroker { broker in
                func create(_ topic: String, _ fields: [String: JSON] = [:]) -> JSON {
                    .object(fields.merging(["do": "create_topic", "topic": .string(topic)]) { _, own in own })
                }
                let results = try await broker.run(
                    library,
                    create("there", ["partitions": 2]),
                    create("there"),
                    create("no/slash"),
                    create(".."),
                    create(String(repeating: "x", count: 250)),
                    create("replicas", ["replicationFactor": 3]),
                    create("value", ["configs": ["retention.ms": "soon"]]),
                    create("name", ["configs": ["retention.millis": "1"]]),
                    create("checked", ["validateOnly": true]),
                    create("there", ["validateOnly": true]),
                    ["do": "create_partitions", "topic": "there", "count": 2],
                    ["do": "create_partitions", "topic": "there", "count": 1],
                    ["do": "create_partitions", "topic": "missing", "count": 2],
                    ["do": "delete_topic", "topic": "missing"],
                    ["do": "describe_topic", "topic": "missing"],
                    ["do": "delete_records", "topic": "missing", "partition": 0, "offset": 0],
                    ["do": "metadata"]
                )
                #expect(
                    results.dropLast().map(\.error) == [
                        nil, "TOPIC_ALREADY_EXISTS", "INVALID_TOPIC_EXCEPTION", "INVALID_TOPIC_EXCEPTION",
                        "INVALID_TOPIC_EXCEPTION", "INVALID_REPLICATION_FACTOR", "INVALID_CONFIG", "INVALID_CONFIG",
                        nil,
                        "TOPIC_ALREADY_EXISTS", "INVALID_PARTITIONS", "INVALID_PARTITIONS",
                        "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION",
                        // librdkafka says in an error of its own that it finds no leader.
                        library == .confluent ? "-156" : "UNKNOWN_TOPIC_OR_PARTITION",
                    ]
                )
                #expect(results[16]["topics"] == ["there": 2])
                #expect(results[6]["message"].text?.contains("retention.ms") == true, "\(results[6])")
            }
        }

        @Test("zero partitions are INVALID_PARTITIONS")
        func zeroPartitions() async throws {
            try await withBroker { broker in
                // librdkafka does not even send this.
                let results = try await broker.run(
                    .kafkaPython, ["do": "create_topic", "topic": "none", "partitions": 0]
                )
                #expect(results[0].error == "INVALID_PARTITIONS")
            }
        }

        @Test("the cluster describes itself as one broker that is its own controller", arguments: Library.clients)
        func cluster(library: Library) async throws {
            try await withBroker { broker in
                let results = try await broker.run(library, ["do": "describe_cluster"], ["do": "metadata"])
                for cluster in results {
                    #expect(cluster["clusterID"].text?.count == 22)
                    #expect(
                        cluster["brokers"].elements == [
                            ["id": cluster["controller"], "host": "127.0.0.1", "port": .number(Int(broker.port))]
                        ]
                    )
                }
                #expect(results[0]["clusterID"] == results[1]["clusterID"])
            }
        }

        @Test("DescribeTopicPartitions gives page after page, and kcat lists all topics")
        func pages() async throws {
            try await withBroker { broker in
                let results = try await broker.run(
                    .kafkaPython,
                    ["do": "create_topic", "topic": "b", "partitions": 4],
                    ["do": "create_topic", "topic": "a", "partitions": 3],
                    ["do": "describe_topic_partitions", "topics": ["a", "b"], "limit": 2]
                )
                let pages = results[2]["pages"].elements.map(\.elements)
                #expect(pages.allSatisfy { $0.count <= 2 })
                let partitions: [JSON] = [("a", 3), ("b", 4)].flatMap { topic, count in
                    (0..<count).map { ["topic": .string(topic), "error": 0, "partition": .number($0)] }
                }
                #expect(pages.flatMap(\.self) == partitions)
                let listed = String(decoding: try await broker.kcat("-L"), as: UTF8.self)
                #expect(listed.contains("topic \"a\" with 3 partitions"))
                #expect(listed.contains("topic \"b\" with 4 partitions"))
            }
        }

        @Test("DescribeLogDirs tells the size of every partition and of the volume")
        func logDirectories() async throws {
            try await withBroker { broker in
                try await broker.produce(.kcat, "sized", [Record(value: Data(repeating: 7, count: 5000))])
                let results = try await broker.run(.kafkaPython, ["do": "describe_log_dirs"])
                let directory = results[0]["directories"][0]
                #expect(directory["error"] == 0)
                #expect(directory["path"].text == broker.dataDirectory.path)
                #expect((5000...6000).contains(directory["sizes"]["sized-0"].int ?? 0), "\(directory)")
                let (total, usable) = (directory["totalBytes"].int ?? 0, directory["usableBytes"].int ?? 0)
                #expect(usable > 0 && usable <= total)
            }
        }

        @Test("a topic appears when it is first asked for or written to", arguments: Client.allCases)
        func autoCreation(client: Client) async throws {
            try await withBroker(BrokerOptions(settings: [("num.partitions", "3")])) { broker in
                let record = Record(partition: 2, value: Data("first".utf8))
                try await broker.produce(client, "written", [record])
                #expect(try await broker.consume(client, "written", from: [2: 0], count: 1).map(\.content) == [record])
                if let library = client.library {
                    let results = try await broker.run(
                        library, ["do": "metadata", "topic": "asked"], ["do": "metadata"]
                    )
                    // A consumer may have made the topic that groups are kept in, too.
                    let topics = results[1]["topics"]
                    #expect(topics["written"].int == 3 && topics["asked"].int == 3, "\(topics)")
                }
            }
        }

        @Test("with auto.create.topics.enable=false no topic appears by itself", arguments: Library.clients)
        func noAutoCreation(library: Library) async throws {
            try await withBroker(BrokerOptions(settings: [("auto.create.topics.enable", "false")])) { broker in
                let results = try await broker.run(
                    library, ["do": "metadata", "topic": "asked"], ["do": "metadata"]
                )
                #expect(results[0]["topics"]["asked"] == nil)
                #expect(results[1]["topics"] == [:])
            }
        }
    }
}
