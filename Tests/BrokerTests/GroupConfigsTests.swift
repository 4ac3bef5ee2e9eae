// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import GroupCoordinator
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import Broker

@Suite("Configs of groups")
struct GroupConfigsTests {
    private typealias Describe = DescribeConfigsHandlerTests
    private typealias Alter = AlterConfigsHandlerTests

    private static let session = "consumer.session.timeout.ms"
    private static let weights = "martlet.consumer.weights"

    /// Value and source of one config of group `payments`.
    private static func config(_ broker: BrokerHarness, _ name: String) async throws -> String {
        let config = try Describe.config(
            try await Describe.describe(broker, Describe.group, "payments", keys: [name]))
        return "\(config.value ?? "null") from \(config.configSource)"
    }

    @Test("what is set on a group is described, in force for the coordinator at once, and there after a restart")
    func setAndDescribe() async throws {
        try await withBroker { broker in
            #expect(broker.broker.groups.environment().settings == GroupSettings(config: try BrokerConfig()))
            #expect(try await Self.config(broker, Self.session) == "45000 from 5")
            try await Alter.set(
                broker, Describe.group, "payments",
                [Self.session: "50000", Self.weights: "client.id:big-*=200;group.instance.id:pod-7=0"])
            try await Alter.set(broker, Describe.broker, "", ["group.consumer.session.timeout.ms": "46000"])
            for round in 1...2 {
                #expect(try await Self.config(broker, Self.session) == "50000 from 8", "round \(round)")
                let settings = broker.broker.groups.environment().settings
                #expect(settings.consumerSessionTimeoutMs(of: "payments") == 50_000)
                #expect(settings.consumerSessionTimeoutMs(of: "others") == 46_000)
                #expect(
                    settings.groups["payments"]?.weights == [
                        WeightRule(subject: .clientID, pattern: "big-*", weight: 200),
                        WeightRule(subject: .instanceID, pattern: "pod-7", weight: 0),
                    ])
                try broker.restart()
            }
            let all = try await Describe.describe(broker, Describe.group, "payments", synonyms: true)
            #expect(
                all.configs.map(\.name) == ["consumer.heartbeat.interval.ms", Self.session, Self.weights])
            #expect(all.configs[1].synonyms.map(\.source) == [8, 3, 5])
            #expect(all.configs.allSatisfy { !$0.readOnly })
        }
    }

    @Test("deleted or left out of AlterConfigs, a config of a group is the broker's again")
    func backToDefault() async throws {
        try await withBroker { broker in
            try await Alter.set(broker, Describe.group, "payments", [Self.session: "50000"])
            let deleted = try await Alter.alter(broker, Describe.group, "payments", [(Self.session, 1, nil)])
            #expect(deleted.errorCode == 0)
            #expect(broker.broker.groups.environment().settings.groups.isEmpty)
            try await Alter.set(broker, Describe.group, "payments", [Self.session: "50000"])
            let replaced = try await Alter.replace(
                broker, Describe.group, "payments", [(Self.weights, "client.id:*=1")])
            #expect(replaced.errorCode == 0)
            #expect(try await Self.config(broker, Self.session) == "45000 from 5")
            #expect(broker.broker.groups.environment().settings.groups["payments"]?.weights.count == 1)
        }
    }

    @Test("a group cannot set what the broker does not allow, and the broker cannot forbid what a group has set")
    func bounds() async throws {
        try await withBroker { broker in
            let tooLong = try await Alter.alter(broker, Describe.group, "payments", [(Self.session, 0, "60001")])
            #expect(ErrorCode(tooLong.errorCode) == .invalidConfig)
            #expect(tooLong.errorMessage?.contains("group.consumer.max.session.timeout.ms (60000)") == true)
            #expect(broker.broker.groups.environment().settings.groups.isEmpty)
            try await Alter.set(broker, Describe.group, "payments", [Self.session: "60000"])
            let narrowed = try await Alter.alter(
                broker, Describe.broker, "", [("group.consumer.max.session.timeout.ms", 0, "50000")])
            #expect(ErrorCode(narrowed.errorCode) == .invalidConfig)
            #expect(narrowed.errorMessage?.contains("Group 'payments' has set otherwise") == true)
            #expect(broker.broker.config.consumerGroups.maxSessionTimeoutMs == 60_000)
        }
    }

    @Test("only validated, nothing changes")
    func validateOnly() async throws {
        try await withBroker { broker in
            let answer = try await Alter.alter(
                broker, Describe.group, "payments", [(Self.session, 0, "50000")], validateOnly: true)
            #expect(answer.errorCode == 0)
            #expect(broker.broker.groups.environment().settings.groups.isEmpty)
        }
    }

    @Test("configs of a group that cannot be read leave it with the broker's")
    func unreadable() async throws {
        try await withBroker { broker in
            try broker.store.commit([.setGroupConfigs("payments", ["from.the.future": "1", Self.session: "50000"])])
            try broker.restart()
            #expect(broker.broker.groups.environment().settings.groups.isEmpty)
            #expect(try await Self.config(broker, Self.session) == "50000 from 8")
        }
    }

    @Test("settings follow every config of the broker that groups go by, and weights end where the coordinator's do")
    func mapping() throws {
        #expect(GroupSettings(config: try BrokerConfig()) == GroupSettings())
        let settings = GroupSettings(
            config: try BrokerConfig(resolving: [
                "group.min.session.timeout.ms": "1", "group.max.session.timeout.ms": "2",
                "group.initial.rebalance.delay.ms": "3", "group.max.size": "4", "offset.metadata.max.bytes": "5",
                "offsets.retention.minutes": "2147483647", "group.consumer.min.session.timeout.ms": "7",
                "group.consumer.session.timeout.ms": "8", "group.consumer.min.heartbeat.interval.ms": "6",
                "group.consumer.heartbeat.interval.ms": "7", "group.consumer.max.size": "9",
                "group.consumer.assignors": "weighted", "group.consumer.migration.policy": "downgrade",
            ]))
        var expected = GroupSettings()
        expected.minSessionTimeoutMs = 1
        expected.maxSessionTimeoutMs = 2
        expected.initialRebalanceDelayMs = 3
        expected.maxSize = 4
        expected.offsetMetadataMaxBytes = 5
        expected.offsetsRetentionMs = 2_147_483_647 * 60_000
        expected.consumerSessionTimeoutMs = 8
        expected.consumerHeartbeatIntervalMs = 7
        expected.consumerMaxSize = 9
        expected.consumerAssignors = ["weighted"]
        expected.migrationPolicy = .downgrade
        #expect(settings == expected)
        #expect(ConsumerWeightRule.weightMax == WeightRule.weightMax)
    }

    private static func list(
        _ broker: BrokerHarness, _ types: [Int8], version: Int16 = 1
    ) async throws -> ListConfigResourcesResponse {
        var request = ListConfigResourcesRequest()
        request.resourceTypes = types
        return try await broker.send(request, version: version)
    }

    @Test("ListConfigResources lists topics, the broker and its loggers, and groups with configs of their own")
    func listing() async throws {
        try await withBroker { broker in
            try await broker.createTopic("b")
            try await broker.createTopic("a")
            try await Alter.set(broker, Describe.group, "payments", [Self.session: "50000"])
            let own = String(BrokerHarness.nodeID)
            let all = try await Self.list(broker, [])
            #expect(all.errorCode == 0)
            #expect(all.configResources.map(\.resourceName) == ["a", "b", own, own, "payments"])
            #expect(all.configResources.map(\.resourceType) == [2, 2, 4, 8, 32])
            let some = try await Self.list(broker, [32, 16, 2, 32])
            #expect(some.configResources.map(\.resourceName) == ["a", "b", "payments"])
            let metrics = try await Self.list(broker, [], version: 0)
            #expect(metrics.errorCode == 0 && metrics.configResources.isEmpty)
            let unknown = try await Self.list(broker, [2, 3])
            #expect(ErrorCode(unknown.errorCode) == .unsupportedVersion && unknown.configResources.isEmpty)
        }
    }
}
