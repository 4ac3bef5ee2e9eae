// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// Who is in a group.
struct GroupKind: Sendable {
    let name: String
    /// What its members are like, in turn.
    let members: [MemberOptions]
    /// What they become while the group runs, one after the other, before they become again what they were.
    var upgrade: [MemberOptions]?

    private static func confluent(_ strategy: String, assignor: String? = nil, isStatic: Bool = false) -> MemberOptions
    {
        MemberOptions(library: .confluent, strategy: strategy, assignor: assignor, isStatic: isStatic)
    }

    private static func ours(_ strategy: String, assignor: String? = nil, isStatic: Bool = false) -> MemberOptions {
        MemberOptions(library: .kafkaClient, strategy: strategy, assignor: assignor, isStatic: isStatic)
    }

    static let range = GroupKind(name: "confluent-kafka, range", members: [Self.confluent("range")])
    static let cooperative = GroupKind(
        name: "confluent-kafka and KafkaClient, cooperative-sticky",
        members: [Self.confluent("cooperative-sticky"), Self.ours("cooperative-sticky")])
    static let staticMembers = GroupKind(
        name: "confluent-kafka and KafkaClient, range, static members",
        members: [Self.confluent("range", isStatic: true), Self.ours("range", isStatic: true)])
    static let uniform = GroupKind(
        name: "confluent-kafka and KafkaClient, consumer protocol, uniform",
        members: [Self.confluent("consumer", assignor: "uniform"), Self.ours("consumer", assignor: "uniform")])
    static let serverRange = GroupKind(
        name: "confluent-kafka, consumer protocol, range", members: [Self.confluent("consumer", assignor: "range")])
    static let staticConsumers = GroupKind(
        name: "confluent-kafka, consumer protocol, static members",
        members: [Self.confluent("consumer", isStatic: true)])
    static let mixed = GroupKind(
        name: "KafkaClient, kafka-python, aiokafka and confluent-kafka, range",
        members: [
            Self.ours("range"),
            MemberOptions(library: .kafkaPython, strategy: "range"),
            MemberOptions(library: .aiokafka, strategy: "range"), Self.confluent("range"),
        ])
    static let kafkaPython = GroupKind(
        name: "kafka-python, cooperative-sticky",
        members: [MemberOptions(library: .kafkaPython, strategy: "cooperative-sticky")])
    static let aiokafka = GroupKind(
        name: "aiokafka, range", members: [MemberOptions(library: .aiokafka, strategy: "range")])
    static let roundRobin = GroupKind(
        name: "KafkaClient and confluent-kafka, roundrobin",
        members: [Self.ours("roundrobin"), Self.confluent("roundrobin")])
    static let sticky = GroupKind(name: "KafkaClient, sticky", members: [Self.ours("sticky")])
    static let oursCooperative = GroupKind(
        name: "KafkaClient and kafka-python, cooperative-sticky",
        members: [
            Self.ours("cooperative-sticky"), MemberOptions(library: .kafkaPython, strategy: "cooperative-sticky"),
        ])
    static let oursChanging = GroupKind(
        name: "KafkaClient, range to consumer protocol and back", members: [Self.ours("range")],
        upgrade: [Self.ours("consumer")])
    static let changing = GroupKind(
        name: "confluent-kafka, range to consumer protocol and back", members: [Self.confluent("range")],
        upgrade: [Self.confluent("consumer")])

    /// Every kind of client and protocol, as few processes as can be.
    static let few = [Self.mixed, .cooperative, .staticMembers, .uniform, .changing]
    static let all = [
        Self.range, .cooperative, .staticMembers, .uniform, .serverRange, .staticConsumers, .mixed, .kafkaPython,
        .aiokafka, .roundRobin, .sticky, .oursCooperative, .oursChanging, .changing,
    ]
}

/// How long the groups go on, and how large they are.
struct RollingPlan: CustomStringConvertible {
    /// Groups that run at the same time, on one broker.
    let companies: [[GroupKind]]
    let rounds: Int
    let members: Int
    let partitions: Int
    let recordsPerSecond: Int

    /// One short round for `make test`; as many long ones as ROLLING_ROUNDS says, each group alone, so that times are its
    /// own. ROLLING_KIND chooses those whose name has it.
    init() throws {
        let environment = ProcessInfo.processInfo.environment
        guard let text = environment["ROLLING_ROUNDS"], !text.isEmpty else {
            (self.companies, self.rounds) = ([GroupKind.few], 1)
            (self.members, self.partitions, self.recordsPerSecond) = (3, 12, 240)
            return
        }
        let wanted = environment["ROLLING_KIND"] ?? ""
        let kinds = GroupKind.all.filter { wanted.isEmpty || $0.name.contains(wanted) }
        try #require(!kinds.isEmpty, "ROLLING_KIND fits none of \(GroupKind.all.map(\.name))")
        self.companies = kinds.map { [$0] }
        self.rounds = max(1, try #require(Int(text), "ROLLING_ROUNDS is no number: \(text)"))
        (self.members, self.partitions, self.recordsPerSecond) = (5, 24, 960)
    }

    var description: String {
        "\(self.rounds) rounds, \(self.members) members, \(self.partitions) partitions, \(self.recordsPerSecond) records/s"
    }

    /// Sessions of the consumer protocol as short as those of the classic one.
    static let broker = BrokerOptions(settings: [
        ("group.consumer.min.session.timeout.ms", "\(MemberOptions.sessionTimeoutMs)"),
        ("group.consumer.session.timeout.ms", "\(MemberOptions.sessionTimeoutMs)"),
        ("group.consumer.min.heartbeat.interval.ms", "\(MemberOptions.heartbeatIntervalMs)"),
        ("group.consumer.heartbeat.interval.ms", "\(MemberOptions.heartbeatIntervalMs)"),
    ])
}
