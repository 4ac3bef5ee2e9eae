// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import PrometheusText

/// The metrics that kafka_exporter has: names, labels and meaning are its, so that its dashboards and alerts work.
public enum ExporterFamilies {
    static let brokers = MetricFamily("kafka_brokers", .gauge, "Brokers in the cluster.")
    static let brokerInfo = MetricFamily(
        "kafka_broker_info", .gauge, "A broker of the cluster; the value is its id.", labels: ["address", "id"])

    static let partitions = MetricFamily(
        "kafka_topic_partitions", .gauge, "Partitions of a topic.", labels: ["topic"])
    static let currentOffset = MetricFamily(
        "kafka_topic_partition_current_offset", .gauge,
        "The high watermark of a partition: the offset after the last record that consumers see.",
        labels: Self.partition)
    static let oldestOffset = MetricFamily(
        "kafka_topic_partition_oldest_offset", .gauge, "The log start offset of a partition.", labels: Self.partition)
    static let inSyncReplicas = MetricFamily(
        "kafka_topic_partition_in_sync_replica", .gauge, "Replicas of a partition that are in sync.",
        labels: Self.partition)
    static let leader = MetricFamily(
        "kafka_topic_partition_leader", .gauge, "The id of the broker that leads a partition.", labels: Self.partition)
    static let leaderIsPreferred = MetricFamily(
        "kafka_topic_partition_leader_is_preferred", .gauge,
        "1 if a partition is led by the first of its replicas, else 0.", labels: Self.partition)
    static let replicas = MetricFamily(
        "kafka_topic_partition_replicas", .gauge, "Replicas of a partition.", labels: Self.partition)
    static let underReplicated = MetricFamily(
        "kafka_topic_partition_under_replicated_partition", .gauge,
        "1 if a partition has replicas that are not in sync, else 0.", labels: Self.partition)

    static let groupOffset = MetricFamily(
        "kafka_consumergroup_current_offset", .gauge, "The offset that a group has committed in a partition.",
        labels: Self.groupPartition)
    static let groupOffsetSum = MetricFamily(
        "kafka_consumergroup_current_offset_sum", .gauge,
        "The offsets that a group has committed in a topic, added up.", labels: ["consumergroup", "topic"])
    static let groupLag = MetricFamily(
        "kafka_consumergroup_lag", .gauge,
        "Offsets from the one that a group has committed in a partition to the high watermark.",
        labels: Self.groupPartition)
    static let groupLagSum = MetricFamily(
        "kafka_consumergroup_lag_sum", .gauge, "The lag of a group in a topic, added up.",
        labels: ["consumergroup", "topic"])
    static let groupLagSeconds = MetricFamily(
        "kafka_consumergroup_lag_seconds", .gauge,
        "How long the first record that a group has not consumed has been waiting, by its timestamp.",
        labels: Self.groupPartition)
    static let groupMembers = MetricFamily(
        "kafka_consumergroup_members", .gauge, "Members of a group.", labels: ["consumergroup"])

    /// Labels of what there is once for each partition.
    static let partition = ["topic", "partition"]
    /// Labels of what there is once for each partition in which a group has committed.
    static let groupPartition = ["consumergroup", "topic", "partition"]

    /// All of them.
    public static let all = [
        brokers, brokerInfo, partitions, currentOffset, oldestOffset, inSyncReplicas, leader, leaderIsPreferred,
        replicas, underReplicated, groupOffset, groupOffsetSum, groupLag, groupLagSum, groupLagSeconds, groupMembers,
    ]
}
