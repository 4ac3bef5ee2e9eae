// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import Testing

@Suite("Group configs")
struct GroupConfigTests {
    @Test("the typed defaults of the broker's group configs are the registry's")
    func typedDefaultsMatch() throws {
        let defaults = Dictionary(
            uniqueKeysWithValues: BrokerConfigDefinitions.all.compactMap { entry in
                entry.defaultValue.map { (entry.name, $0) }
            })
        let (resolved, plain) = (try BrokerConfig(resolving: defaults), try BrokerConfig())
        #expect(resolved.groups == plain.groups)
        #expect(resolved.consumerGroups == plain.consumerGroups)
        #expect(resolved.offsets == plain.offsets)
        for definition in GroupConfigDefinitions.all {
            let synonym = definition.synonyms.first.flatMap { BrokerConfigDefinitions.definition($0.name) }
            #expect(definition.defaultValue == synonym?.defaultValue ?? "")
            try definition.validate(definition.defaultValue ?? "")
        }
    }

    @Test("what the group coordinator goes by changes at run time, but for what counts when the topic is made")
    func dynamic() throws {
        let changed = try BrokerConfig().applyingDynamic(
            clusterDefault: [
                "group.initial.rebalance.delay.ms": "50", "group.consumer.assignors": "range, uniform",
                "group.consumer.migration.policy": "Upgrade",
            ],
            node: ["group.max.size": "7"])
        #expect(changed.groups.initialRebalanceDelayMs == 50)
        #expect(changed.groups.maxSize == 7)
        #expect(changed.consumerGroups.assignors == ["range", "uniform"])
        #expect(changed.consumerGroups.migrationPolicy == .upgrade)
        let error = #expect(throws: ConfigError.self) {
            try BrokerConfig().applyingDynamic(clusterDefault: ["offsets.topic.num.partitions": "3"], node: [:])
        }
        #expect(error?.code == .readOnly)
    }

    @Test(
        "configs of groups that contradict one another are refused with both names",
        arguments: [
            (
                ["group.max.session.timeout.ms": "5000"],
                """
                group.min.session.timeout.ms (6000) must not be above group.max.session.timeout.ms (5000)
                """
            ),
            (
                ["group.consumer.session.timeout.ms": "10000"],
                """
                group.consumer.min.session.timeout.ms (45000) must not be above group.consumer.session.timeout.ms \
                (10000)
                """
            ),
            (
                ["group.consumer.max.heartbeat.interval.ms": "4000"],
                """
                group.consumer.heartbeat.interval.ms (5000) must not be above \
                group.consumer.max.heartbeat.interval.ms (4000)
                """
            ),
            (
                ["group.consumer.min.session.timeout.ms": "4000", "group.consumer.session.timeout.ms": "5000"],
                """
                group.consumer.heartbeat.interval.ms (5000) must be below group.consumer.session.timeout.ms (5000), \
                or members would be removed between two heartbeats
                """
            ),
        ])
    func contradictions(_ configs: [String: String], _ message: String) {
        let error = #expect(throws: ConfigError.self) { try BrokerConfig(resolving: configs) }
        #expect(error?.message == message)
        #expect(error?.code == .conflict)
    }

    @Test("an assignor that there is not is refused with those that there are, and so is a list without any")
    func assignors() {
        let name = "group.consumer.assignors"
        let unknown = #expect(throws: ConfigError.self) { try BrokerConfig(resolving: [name: "uniform,sticky"]) }
        #expect(
            unknown?.message == """
                Invalid value uniform,sticky for configuration \(name): each item must be one of: uniform, range, weighted
                """)
        let none = #expect(throws: ConfigError.self) { try BrokerConfig(resolving: [name: " , "]) }
        #expect(none?.message.hasSuffix("the list must have at least one item") == true)
        #expect(throws: ConfigError.self) { try BrokerConfig(resolving: [name: "range,range"]) }
    }

    @Test("rules of weights are read in their order, blanks and a last semicolon passed over")
    func weights() throws {
        let config = try GroupConfig(overrides: [
            "martlet.consumer.weights": " client.id:big-*=200 ; group.instance.id:a:b=c=0;client.id: * = 1000000;",
            "consumer.session.timeout.ms": "50000",
        ])
        #expect(config.consumerSessionTimeoutMs == 50_000)
        #expect(config.consumerHeartbeatIntervalMs == nil)
        #expect(config.consumerWeights.map(\.subject) == [.clientID, .instanceID, .clientID])
        #expect(config.consumerWeights.map(\.pattern) == ["big-*", "a:b=c", "*"])
        #expect(config.consumerWeights.map(\.weight) == [200, 0, 1_000_000])
        #expect(try GroupConfig(overrides: ["martlet.consumer.weights": ""]) == GroupConfig())
    }

    @Test(
        "a rule that cannot be read is refused with the rule and what would be right",
        arguments: [
            ("client.id:a=1;b=2", "b=2", "a rule is written client.id:PATTERN=WEIGHT"),
            ("clientid:a=1", "clientid:a=1", "did you mean client.id?"),
            ("client.id:=1", "client.id:=1", "the pattern must not be empty"),
            ("client.id:a\0b=1", "client.id:a\0b=1", "must not hold a zero byte"),
            ("client.id:a=1000001", "client.id:a=1000001", "a whole number from 0 to 1000000"),
            ("client.id:a=-1", "client.id:a=-1", "a whole number from 0 to 1000000"),
            ("client.id:a=x", "client.id:a=x", "a whole number from 0 to 1000000"),
            ("client.id:\(String(repeating: "é", count: 128))=1", "client.id:", "at most 255 are accepted"),
            (String(repeating: "client.id:a=1;", count: 101), "client.id", "101 rules are too many"),
        ])
    func wrongWeights(_ value: String, _ shown: String, _ reason: String) throws {
        let error = #expect(throws: ConfigError.self) {
            try BrokerConfig().altering(groupOverrides: [:], [.init("martlet.consumer.weights", .set, value)])
        }
        #expect(error?.code == .invalidValue)
        #expect(error?.message.hasPrefix("Invalid value \(shown)") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test("a group may set what the broker allows, and loses nothing of it when the broker's file allows less")
    func bounds() throws {
        let broker = try BrokerConfig()
        let name = "consumer.session.timeout.ms"
        #expect(try broker.altering(groupOverrides: [:], [.init(name, .set, "60000")]) == [name: "60000"])
        for (value, message) in [
            ("60001", "\(name) (60001) must not be above group.consumer.max.session.timeout.ms (60000)"),
            ("44999", "group.consumer.min.session.timeout.ms (45000) must not be above \(name) (44999)"),
        ] {
            let error = #expect(throws: ConfigError.self) {
                try broker.altering(groupOverrides: [:], [.init(name, .set, value)])
            }
            #expect(error?.message == message)
        }
        let group = try GroupConfig(overrides: [name: "60000", "consumer.heartbeat.interval.ms": "5000"])
        let narrow = try BrokerConfig(resolving: [
            "group.consumer.max.session.timeout.ms": "50000", "group.consumer.min.heartbeat.interval.ms": "6000",
            "group.consumer.heartbeat.interval.ms": "6000",
        ])
        #expect(throws: ConfigError.self) { try group.check(against: narrow) }
        #expect(group.bounded(by: narrow).consumerSessionTimeoutMs == 50_000)
        #expect(group.bounded(by: narrow).consumerHeartbeatIntervalMs == 6_000)
    }

    @Test("heartbeats must come before the session ends, whichever of the two the group sets")
    func heartbeatBelowSession() throws {
        let broker = try BrokerConfig(resolving: [
            "group.consumer.min.session.timeout.ms": "1000", "group.consumer.session.timeout.ms": "10000",
        ])
        let error = #expect(throws: ConfigError.self) {
            try broker.altering(groupOverrides: [:], [.init("consumer.heartbeat.interval.ms", .set, "10000")])
        }
        #expect(error?.message.contains("must be below consumer.session.timeout.ms (10000)") == true)
        #expect(throws: ConfigError.self) {
            try broker.altering(groupOverrides: [:], [.init("consumer.session.timeout.ms", .set, "5000")])
        }
    }

    @Test("a misspelt name gets the one that was meant")
    func suggestion() throws {
        let error = #expect(throws: ConfigError.self) {
            try BrokerConfig().altering(groupOverrides: [:], [.init("consumer.session.timeout", .set, "50000")])
        }
        #expect(
            error?.message
                == "Unknown group config name: consumer.session.timeout; did you mean consumer.session.timeout.ms?")
    }

    @Test("entries of a group tell what it sets, what the broker sets and what nobody did")
    func entries() throws {
        let broker = try BrokerConfig(resolving: ["group.consumer.heartbeat.interval.ms": "6000"])
        let entries = broker.groupEntries(overrides: ["consumer.session.timeout.ms": "50000"])
        #expect(entries.map(\.name) == GroupConfigDefinitions.all.map(\.name))
        #expect(entries.map(\.name) == entries.map(\.name).sorted())
        #expect(entries.map(\.value) == ["6000", "50000", ""])
        #expect(entries.map(\.source) == [.staticBroker, .dynamicGroup, .defaultConfig])
        #expect(entries.allSatisfy { !$0.isReadOnly })
        #expect(
            entries[1].synonyms.map(\.name) == ["consumer.session.timeout.ms", "group.consumer.session.timeout.ms"])
        #expect(broker.groupEntries(overrides: [:], names: ["martlet.consumer.weights", "x"]).count == 1)
    }
}
