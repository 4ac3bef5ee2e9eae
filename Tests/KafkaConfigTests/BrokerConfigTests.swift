// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import Testing

@Suite("Broker configs")
struct BrokerConfigTests {
    @Test("names resolve to values; unknown ones are listed, Kafka's without effect apart from them")
    func resolving() throws {
        let config = try BrokerConfig(resolving: [
            "broker.id": "7", "log.dirs": "/a, /b", "log.dir": "/c", "num.partitions": "3", "log.level": "DEBUG",
            "auto.create.topics.enable": "FALSE", "num.io.threads": "2", "numpartitions": "4",
            "process.roles": "broker,controller", "controller.quorum.voters": "1@x:9093", "zzz": "1",
        ])
        #expect(config.nodeID == 7)
        #expect(config.logDirs == ["/a", "/b"])
        #expect(config.numPartitions == 3)
        #expect(config.logLevel == .debug)
        #expect(!config.autoCreateTopicsEnable)
        #expect(config.numIOThreads == 2)
        #expect(config.numNetworkThreads == nil)
        #expect(config.unknownKeys == ["numpartitions", "zzz"])
        #expect(config.keysWithoutEffect == ["controller.quorum.voters", "process.roles"])
        #expect(BrokerConfigDefinitions.suggestion(for: "numpartitions") == "num.partitions")
        #expect(BrokerConfigDefinitions.suggestion(for: "log.retention.mss") == "log.retention.ms")
        #expect(BrokerConfigDefinitions.suggestion(for: "zzz") == nil)
        #expect(try BrokerConfig(resolving: ["node.id": "2", "broker.id": "7"]).nodeID == 2)
    }

    @Test("admin.listeners are addresses without names; nowhere by default")
    func adminListeners() throws {
        #expect(try BrokerConfig(resolving: [:]).adminListeners == [])
        let config = try BrokerConfig(resolving: ["admin.listeners": "0.0.0.0:9644, :0,[::1]:1"])
        #expect(config.adminListeners.map(\.host) == ["0.0.0.0", "", "::1"])
        #expect(config.adminListeners.map(\.port) == [9644, 0, 1])
        for wrong in ["9644", "host", "http://host:80", "host:99999", "::1:80"] {
            let error = #expect(throws: ConfigError.self) { try BrokerConfig(resolving: ["admin.listeners": wrong]) }
            #expect(error?.message.contains("is not of the form host:port") == true)
        }
        #expect(try BrokerConfig(resolving: ["log.format": "JSON"]).logFormat == .json)
        #expect(throws: ConfigError.self) { try BrokerConfig(resolving: ["log.format": "xml"]) }
    }

    @Test("a wrong value names its config")
    func refusal() {
        let error = #expect(throws: ConfigError.self) { try BrokerConfig(resolving: ["num.partitions": "0"]) }
        #expect(error?.message == "Invalid value 0 for configuration num.partitions: the value must be at least 1")
    }

    @Test("every typed property follows its name")
    func allNumbersAreRead() throws {
        // A value that the default is not, tried for each config alone: something must change. Beside it, one that is
        // within the bounds that other configs set.
        let plain = try BrokerConfig()
        for definition in BrokerConfigDefinitions.all {
            let values: [String]
            switch definition.type {
            case .int, .short, .long:
                let near = definition.defaultValue.flatMap { Int64($0) }.map { [$0 - 1, min($0, .max - 1) + 1] } ?? []
                values = ["1023"] + near.map(String.init)
            case .boolean: values = [definition.defaultValue == "true" ? "false" : "true"]
            default: continue
            }
            let accepted = values.filter { (try? definition.validate($0)) != nil }
            guard !accepted.isEmpty else { continue }
            let resolved = accepted.lazy.compactMap { try? BrokerConfig(resolving: [definition.name: $0]) }.first
            var changed = try #require(resolved, "\(definition.name)")
            // The layers differ in any case, so the same layers are compared with and without the property.
            changed = try changed.applyingDynamic(clusterDefault: [:], node: [:])
            let same = "\(changed)".split(separator: "layers:")[0] == "\(plain)".split(separator: "layers:")[0]
            let isWithoutProperty = [
                "log.local.retention.ms", "log.local.retention.bytes",
            ].contains(definition.name)
            #expect(same == isWithoutProperty, "\(definition.name)")
        }
    }

    @Test("dynamic configs stand over the file, one broker's over all brokers', and go away again")
    func dynamic() throws {
        let base = try BrokerConfig(resolving: ["log.retention.hours": "1", "message.max.bytes": "1000"])
        let changed = try base.applyingDynamic(
            clusterDefault: ["log.retention.ms": "50", "message.max.bytes": "2000"],
            node: ["message.max.bytes": "3000"])
        #expect(changed.topicDefaults.retentionMs == 50)
        #expect(changed.topicDefaults.maxMessageBytes == 3000)
        #expect(try changed.applyingDynamic(clusterDefault: [:], node: [:]) == base)
    }

    @Test("a config that needs a restart is refused at run time")
    func readOnly() throws {
        let base = try BrokerConfig()
        let error = #expect(throws: ConfigError.self) {
            try base.applyingDynamic(clusterDefault: ["log.dirs": "/x"], node: [:])
        }
        #expect(error?.code == .readOnly)
        let ofNode = #expect(throws: ConfigError.self) {
            try base.applyingDynamic(clusterDefault: [:], node: ["log.dirs": "/x"])
        }
        #expect(ofNode?.code == .readOnly)
        let unknown = #expect(throws: ConfigError.self) {
            try base.altering(dynamic: [:], forAllBrokers: true, [.init("no.such", .set, "1")])
        }
        #expect(unknown?.code == .unknownName)
    }

    @Test("entries tell the value, where it comes from and what stands behind it")
    func entries() throws {
        let base = try BrokerConfig(resolving: ["log.retention.hours": "1"])
        let broker = try base.applyingDynamic(clusterDefault: ["log.retention.ms": "50"], node: [:])
        let entry = try #require(
            broker.topicEntries(overrides: ["retention.ms": "9"], names: ["retention.ms"]).first)
        #expect(entry.value == "9")
        #expect(entry.source == .dynamicTopic)
        #expect(entry.type == .long)
        #expect(!entry.isReadOnly && !entry.isDefault)
        #expect(
            entry.synonyms.map(\.name) == [
                "retention.ms", "log.retention.ms", "log.retention.hours", "log.retention.hours",
            ])
        #expect(entry.synonyms.map(\.value) == ["9", "50", "1", "168"])
        #expect(
            entry.synonyms.map(\.source) == [
                .dynamicTopic, .dynamicDefaultBroker, .staticBroker, .defaultConfig,
            ])
        let inherited = try #require(base.topicEntries(overrides: [:], names: ["retention.ms"]).first)
        #expect(inherited.value == "3600000")
        #expect(inherited.source == .staticBroker)
        let untouched = try #require(base.topicEntries(overrides: [:], names: ["segment.ms"]).first)
        #expect(untouched.value == "604800000" && untouched.isDefault)
        let names = base.topicEntries(overrides: [:]).map(\.name)
        #expect(
            names == names.sorted() && names.contains("cleanup.policy") && !names.contains("internal.segment.bytes"))
        let node = try #require(try BrokerConfig(resolving: ["node.id": "4"]).entries(names: ["node.id"]).first)
        #expect(node.value == "4" && node.isReadOnly && node.source == .staticBroker)
        #expect(base.entries().count == BrokerConfigDefinitions.all.count)
    }

    @Test("set, delete, append and subtract work on a topic's overrides")
    func altering() throws {
        let broker = try BrokerConfig()
        var overrides = try broker.altering(
            topicOverrides: [:], [.init("retention.ms", .set, "5"), .init("cleanup.policy", .append, "compact")])
        #expect(overrides == ["retention.ms": "5", "cleanup.policy": "delete,compact"])
        overrides = try broker.altering(
            topicOverrides: overrides, [.init("retention.ms", .delete), .init("cleanup.policy", .subtract, "delete")])
        #expect(overrides == ["cleanup.policy": "compact"])
        let refused: [([ConfigAlteration], ConfigError.Code)] = [
            ([.init("retention.ms", .append, "5")], .notAList),
            ([.init("retention.ms", .set)], .invalidValue),
            ([.init("retention.ms", .set, "5"), .init("retention.ms", .delete)], .duplicate),
            ([.init("nope", .delete)], .unknownName),
            ([.init("cleanup.policy", .append, "x")], .invalidValue),
        ]
        for (changes, code) in refused {
            let error = #expect(throws: ConfigError.self) { try broker.altering(topicOverrides: [:], changes) }
            #expect(error?.code == code)
        }
    }
}
