// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

// What the group coordinator goes by. It looks at these with each request, so most of them can change at run time, which
// Kafka asks a restart for; those about the topic count when it is made.

extension BrokerConfigDefinitions {
    static let classicGroups: [ConfigDefinition] = [
        ConfigDefinition(
            "group.initial.rebalance.delay.ms", .int, "0",
            """
            Milliseconds that the first rebalance of an empty group waits for more members, so that a group whose \
            members start together is not rebalanced for each of them. Kafka waits for 3 seconds; here a group of one \
            need not.
            """,
            .atLeast(0), kafka: "3000", update: .clusterWide),
        ConfigDefinition(
            "group.min.session.timeout.ms", .int, "6000",
            "The shortest session timeout that a member of a classic group may ask for, in milliseconds.",
            .atLeast(1), update: .clusterWide),
        ConfigDefinition(
            "group.max.session.timeout.ms", .int, "1800000",
            "The longest session timeout that a member of a classic group may ask for, in milliseconds.",
            .atLeast(1), update: .clusterWide),
        ConfigDefinition(
            "group.max.size", .int, "2147483647", "The most members of a classic group.", .atLeast(1),
            update: .clusterWide),
    ]

    static let consumerGroups: [ConfigDefinition] = [
        ConfigDefinition(
            "group.consumer.session.timeout.ms", .int, "45000",
            """
            Milliseconds after which a silent member is removed from a consumer group; a group may set its own with \
            consumer.session.timeout.ms.
            """,
            .atLeast(1), update: .clusterWide),
        ConfigDefinition(
            "group.consumer.min.session.timeout.ms", .int, "45000",
            "The shortest session timeout that may be set for a consumer group, in milliseconds.", .atLeast(1),
            update: .clusterWide),
        ConfigDefinition(
            "group.consumer.max.session.timeout.ms", .int, "60000",
            "The longest session timeout that may be set for a consumer group, in milliseconds.", .atLeast(1),
            update: .clusterWide),
        ConfigDefinition(
            "group.consumer.heartbeat.interval.ms", .int, "5000",
            """
            Milliseconds between the heartbeats of a consumer group's members, who are told it; a group may set its \
            own with consumer.heartbeat.interval.ms.
            """,
            .atLeast(1), update: .clusterWide),
        ConfigDefinition(
            "group.consumer.min.heartbeat.interval.ms", .int, "5000",
            "The shortest heartbeat interval that may be set for a consumer group, in milliseconds.", .atLeast(1),
            update: .clusterWide),
        ConfigDefinition(
            "group.consumer.max.heartbeat.interval.ms", .int, "15000",
            "The longest heartbeat interval that may be set for a consumer group, in milliseconds.", .atLeast(1),
            update: .clusterWide),
        ConfigDefinition(
            "group.consumer.max.size", .int, "2147483647", "The most members of a consumer group.", .atLeast(1),
            update: .clusterWide),
        ConfigDefinition(
            "group.consumer.assignors", .list, ConsumerGroupConfig.knownAssignors.joined(separator: ","),
            """
            The server-side assignors that members of a consumer group may ask for; the first is for those that ask for \
            none. weighted is Martlet's own: partitions follow what each member can carry.
            """,
            .nonEmptyListOf(ConsumerGroupConfig.knownAssignors), kafka: "uniform,range", update: .clusterWide),
        ConfigDefinition(
            "group.consumer.migration.policy", .string, "bidirectional",
            """
            Whether a group may change its protocol while it has members: upgrade from classic to consumer, downgrade \
            back again, bidirectional or disabled.
            """,
            .oneOfIgnoringCase(GroupMigrationPolicy.allCases.map(\.rawValue)), update: .clusterWide),
    ]

    static let offsets: [ConfigDefinition] = [
        ConfigDefinition(
            "offset.metadata.max.bytes", .int, "4096", "Bytes of the longest text kept with a committed offset.",
            .atLeast(0), update: .clusterWide),
        ConfigDefinition(
            "offsets.retention.minutes", .int, "10080", "Minutes that the offsets of an empty group are kept.",
            .atLeast(1), update: .clusterWide),
        ConfigDefinition(
            "offsets.retention.check.interval.ms", .long, "600000",
            "Milliseconds between looks for offsets past their retention.", .atLeast(1)),
        ConfigDefinition(
            "offsets.topic.num.partitions", .int, "50",
            "Partitions of __consumer_offsets; counts when the topic is made, with the first group.", .atLeast(1)),
        ConfigDefinition(
            "offsets.topic.replication.factor", .short, "1",
            "Replicas of __consumer_offsets; counts when the topic is made.", .atLeast(1), kafka: "3"),
        ConfigDefinition(
            "offsets.topic.segment.bytes", .int, "104857600",
            "segment.bytes of __consumer_offsets; counts when the topic is made.", .atLeast(1_048_576)),
        ConfigDefinition(
            "offsets.topic.compression.codec", .int, "0",
            "The codec of the records in __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
            .between(0, 4)),
    ]
}
