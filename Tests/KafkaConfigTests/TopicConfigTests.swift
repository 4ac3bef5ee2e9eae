// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import Testing

@Suite("Topic configs")
struct TopicConfigTests {
    @Test("every default reads as its own type and passes its own check")
    func defaultsAreValid() throws {
        for definition in TopicConfigDefinitions.all + BrokerConfigDefinitions.all {
            if let value = definition.defaultValue { try definition.validate(value) }
            if let value = definition.kafkaDefault { try definition.validate(value) }
            #expect(!definition.documentation.isEmpty)
        }
    }

    @Test("the typed defaults are the registry's")
    func typedDefaultsMatch() throws {
        let defaults = Dictionary(
            uniqueKeysWithValues: TopicConfigDefinitions.all.compactMap { entry in
                entry.defaultValue.map { (entry.name, $0) }
            })
        #expect(try TopicConfig(overrides: defaults, broker: BrokerConfig()) == TopicConfig())
        #expect(try BrokerConfig().topicDefaults == TopicConfig())
        let broker = Dictionary(
            uniqueKeysWithValues: BrokerConfigDefinitions.all.compactMap { entry in
                entry.defaultValue.map { (entry.name, $0) }
            })
        let resolved = try BrokerConfig(resolving: broker)
        let plain = try BrokerConfig()
        #expect(resolved.topicDefaults == plain.topicDefaults)
        #expect(resolved.fetchMaxBytes == plain.fetchMaxBytes)
        #expect(resolved.unknownKeys.isEmpty)
        #expect(resolved.listeners == plain.listeners)
        #expect(resolved.logDirs == plain.logDirs)
    }

    @Test("only flush.messages differs from Kafka's default")
    func onlyFlushDiffers() {
        let different = TopicConfigDefinitions.all.filter { $0.defaultValue != $0.kafkaDefault }.map(\.name)
        #expect(different == ["flush.messages"])
    }

    @Test("an override wins over the broker, the broker over the default")
    func layers() throws {
        let broker = try BrokerConfig(resolving: ["log.retention.hours": "2", "log.segment.bytes": "2097152"])
        let topic = try TopicConfig(overrides: ["retention.ms": " 5000 "], broker: broker)
        #expect(topic.retentionMs == 5000)
        #expect(topic.segmentBytes == 2_097_152)
        #expect(try TopicConfig(overrides: [:], broker: broker).retentionMs == 7_200_000)
    }

    @Test("the finest unit of a broker's retention wins, and a negative one is for ever")
    func synonymOrder() throws {
        let both = try BrokerConfig(resolving: ["log.retention.hours": "2", "log.retention.minutes": "3"])
        #expect(both.topicDefaults.retentionMs == 180_000)
        #expect(try BrokerConfig(resolving: ["log.retention.hours": "-1"]).topicDefaults.retentionMs == -1)
        #expect(
            try BrokerConfig(resolving: ["log.retention.hours": "2147483647"]).topicDefaults.retentionMs
                == 2_147_483_647 * 3_600_000)
    }

    @Test("answers wait for stable storage unless flush.messages is set above 1")
    func durability() throws {
        let broker = try BrokerConfig()
        #expect(TopicConfig().acksAllWaitsForStableStorage)
        #expect(try TopicConfig(overrides: ["flush.ms": "1000"], broker: broker).acksAllWaitsForStableStorage)
        #expect(try !TopicConfig(overrides: ["flush.messages": "2"], broker: broker).acksAllWaitsForStableStorage)
        let relaxed = try BrokerConfig(resolving: ["log.flush.interval.messages": "9223372036854775807"])
        #expect(!relaxed.topicDefaults.acksAllWaitsForStableStorage)
        #expect(try TopicConfig(overrides: ["flush.messages": "1"], broker: relaxed).acksAllWaitsForStableStorage)
    }

    @Test(
        "a wrong value is refused with its name and what would be right",
        arguments: [
            (
                "retention.ms", "x",
                "Invalid value x for configuration retention.ms: not a whole number of 64 bits (type LONG)"
            ),
            ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: the value must be at least -1"),
            (
                "max.message.bytes", "2147483648",
                "Invalid value 2147483648 for configuration max.message.bytes: not a whole number of 32 bits (type INT)"
            ),
            (
                "preallocate", "yes",
                "Invalid value yes for configuration preallocate: expected true or false (type BOOLEAN)"
            ),
            (
                "min.cleanable.dirty.ratio", "1.5",
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: the value must be from 0 to 1"
            ),
            (
                "min.cleanable.dirty.ratio", "nan",
                "Invalid value nan for configuration min.cleanable.dirty.ratio: not a number (type DOUBLE)"
            ),
            (
                "cleanup.policy", "delete,shred",
                "Invalid value delete,shred for configuration cleanup.policy: each item must be one of: compact, delete"
            ),
            (
                "cleanup.policy", "delete,delete",
                "Invalid value delete,delete for configuration cleanup.policy: delete is listed twice"
            ),
            (
                "compression.gzip.level", "0",
                """
                Invalid value 0 for configuration compression.gzip.level: the value must be from 1 to 9, or -1 for the \
                codec's default
                """
            ),
            (
                "remote.storage.enable", "true",
                "Invalid value true for configuration remote.storage.enable: tiered storage is not supported"
            ),
            ("retention.mss", "1", "Unknown topic config name: retention.mss; did you mean retention.ms?"),
            ("nonsense", "1", "Unknown topic config name: nonsense"),
        ])
    func refusals(name: String, value: String, message: String) throws {
        let broker = try BrokerConfig()
        let error = #expect(throws: ConfigError.self) { try TopicConfig(overrides: [name: value], broker: broker) }
        #expect(error?.message == message)
        #expect(error?.name == name)
    }

    @Test("values that do not go together are refused together")
    func conflict() throws {
        let broker = try BrokerConfig()
        let error = #expect(throws: ConfigError.self) {
            try TopicConfig(
                overrides: ["min.compaction.lag.ms": "10", "max.compaction.lag.ms": "9"], broker: broker)
        }
        #expect(error?.code == .conflict)
    }

    @Test("lists, enumerations and the small segments of tests are read")
    func values() throws {
        let broker = try BrokerConfig()
        let topic = try TopicConfig(
            overrides: [
                "cleanup.policy": " compact , delete", "compression.type": "zstd", "segment.bytes": "1048576",
                "message.timestamp.type": "LogAppendTime", "internal.segment.bytes": "100",
            ], broker: broker)
        #expect(topic.cleanupPolicy == [.compact, .delete])
        #expect(topic.compressionType == .zstd)
        #expect(topic.messageTimestampType == .logAppendTime)
        #expect(topic.segmentBytes == 100)
        #expect(try TopicConfig(overrides: ["cleanup.policy": ""], broker: broker).cleanupPolicy == [])
    }

    @Test("a hostile value is cut short in the message")
    func longValues() throws {
        let broker = try BrokerConfig()
        let error = #expect(throws: ConfigError.self) {
            try TopicConfig(overrides: ["retention.ms": String(repeating: "9", count: 100_000)], broker: broker)
        }
        #expect((error?.message.utf8.count ?? .max) < 500)
    }
}
