// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import PrometheusText

/// The metrics of a broker beside those of kafka_exporter.
///
/// What Kafka measures, too, has the name that Prometheus' JMX exporter makes of Kafka's, by the rules in its examples, in
/// lower case. What only Martlet has begins with `martlet_`.
public enum BrokerFamilies {
    // MARK: Requests

    static let requests = MetricFamily(
        "kafka_network_requestmetrics_requests_total", .counter,
        "Requests by API and version; of versions that are not served, with the version \"other\".",
        labels: ["request", "version"])
    static let unknownRequests = MetricFamily(
        "martlet_requests_unknown_total", .counter, "Requests for APIs that are not served.")
    static let errors = MetricFamily(
        "kafka_network_requestmetrics_errors_total", .counter,
        "Errors in answers by API and code, one for each partition, topic or group that had one.",
        labels: ["request", "error"])
    static let local = MetricFamily(
        "martlet_request_local_seconds", .histogram, "How long the event loop worked on a request.",
        labels: Self.request)
    static let wait = MetricFamily(
        "martlet_request_wait_seconds", .histogram,
        "How long a request waited after that until its answer left: for the disk, for records to come, for a rebalance, for the answers before it. Only requests that waited are counted.",
        labels: Self.request)
    static let queue = MetricFamily(
        "martlet_request_queue_seconds", .histogram,
        "How long batches (Produce, Groups) and reads (Fetch) lay in the queue of a thread for the disk.",
        labels: Self.request)
    static let disk = MetricFamily(
        "martlet_request_disk_seconds", .histogram,
        "How long it took from there until batches were written and, with acks=all, on stable storage (Produce, Groups), or records were found (Fetch).",
        labels: Self.request)
    static let total = MetricFamily(
        "martlet_request_total_seconds", .histogram,
        "How long a request took, from its last byte in to its answer handed to the socket.", labels: Self.request)
    static let requestBytes = MetricFamily(
        "martlet_request_bytes_total", .counter, "Bytes of requests.", labels: Self.request)
    static let responseBytes = MetricFamily(
        "martlet_response_bytes_total", .counter, "Bytes of answers.", labels: Self.request)
    static let waitingFetches = MetricFamily(
        "martlet_fetches_waiting", .gauge, "Fetches that wait for records to come.")

    // MARK: Topics

    static let recordsIn = MetricFamily(
        "kafka_server_brokertopicmetrics_messagesin_total", .counter, "Records produced.", labels: ["topic"])
    static let bytesIn = MetricFamily(
        "kafka_server_brokertopicmetrics_bytesin_total", .counter, "Bytes of batches produced, as they came.",
        labels: ["topic"])
    static let batchesIn = MetricFamily(
        "martlet_topic_batches_in_total", .counter, "Batches produced.", labels: ["topic"])
    static let recordsOut = MetricFamily(
        "martlet_topic_records_out_total", .counter, "Records in what was sent to consumers.", labels: ["topic"])
    static let bytesOut = MetricFamily(
        "kafka_server_brokertopicmetrics_bytesout_total", .counter, "Bytes of batches sent to consumers.",
        labels: ["topic"])
    static let partitionCount = MetricFamily(
        "kafka_server_replicamanager_partitioncount", .gauge, "Partitions that this broker has.")
    static let leaderCount = MetricFamily(
        "kafka_server_replicamanager_leadercount", .gauge, "Partitions that this broker leads.")
    static let underReplicated = MetricFamily(
        "kafka_server_replicamanager_underreplicatedpartitions", .gauge,
        "Partitions that have replicas that are not in sync.")
    static let activeController = MetricFamily(
        "kafka_controller_kafkacontroller_activecontrollercount", .gauge, "1 on the broker that controls the cluster.")
    static let offline = MetricFamily(
        "kafka_controller_kafkacontroller_offlinepartitionscount", .gauge,
        "Partitions that take no records until the broker restarts, as a write or sync of their log failed.")

    // MARK: Logs

    static let logSize = MetricFamily(
        "kafka_log_log_size", .gauge, "Bytes of the segments of a partition.", labels: ExporterFamilies.partition)
    static let logStart = MetricFamily(
        "kafka_log_log_logstartoffset", .gauge, "The first offset of a partition that can be read.",
        labels: ExporterFamilies.partition)
    static let logEnd = MetricFamily(
        "kafka_log_log_logendoffset", .gauge, "The offset after the last record of a partition, durable or not.",
        labels: ExporterFamilies.partition)
    static let segments = MetricFamily(
        "kafka_log_log_numlogsegments", .gauge, "Segments of a partition.", labels: ExporterFamilies.partition)
    static let fenced = MetricFamily(
        "martlet_log_fenced", .gauge,
        "1 for a partition that takes no records until the broker restarts; others have no sample.",
        labels: ExporterFamilies.partition)
    static let damaged = MetricFamily(
        "martlet_log_damaged_offsets", .gauge,
        "Offsets of a partition whose records are damaged on disk and are not served; partitions without damage have no sample.",
        labels: ExporterFamilies.partition)
    static let damagedRanges = MetricFamily(
        "martlet_log_damaged_ranges", .gauge, "Stretches of damaged records in all partitions.")
    static let commits = MetricFamily(
        "martlet_log_commit_seconds", .histogram,
        "How long a commit took that made appends durable: by one sync of the journal, by syncs of segments, or both.",
        labels: ["way"])
    static let committedLogs = MetricFamily(
        "martlet_log_commit_logs_total", .counter,
        "Partitions made durable by commits. Divided by the number of commits: how many share one.", labels: ["way"])
    static let queueLength = MetricFamily(
        "martlet_io_queue_length", .gauge,
        "What waits for the threads of a kind: batches to be written, partitions to be synced, reads, changes of metadata.",
        labels: ["queue"])
    static let compactions = MetricFamily(
        "martlet_compaction_runs_total", .counter, "Compactions of a log, by what came of them.", labels: ["outcome"])
    static let compactionBytes = MetricFamily(
        "martlet_compaction_bytes_total", .counter, "Bytes that compaction read, wrote and freed.", labels: ["what"])
    static let scrubbedSegments = MetricFamily(
        "martlet_scrub_segments_total", .counter, "Segments read to their end in search of damage.")
    static let scrubbedBytes = MetricFamily(
        "martlet_scrub_bytes_total", .counter, "Bytes read in search of damage.")

    // MARK: Disk

    static let diskSize = MetricFamily(
        "martlet_disk_size_bytes", .gauge, "Size of the file system of the logs.")
    static let diskFree = MetricFamily(
        "martlet_disk_free_bytes", .gauge, "Bytes free on it, without what the reserve still has to take.")
    static let diskMark = MetricFamily(
        "martlet_disk_min_free_bytes", .gauge, "Bytes below which records are refused (log.dir.min.free.bytes).")
    static let diskReserve = MetricFamily(
        "martlet_disk_reserve_bytes", .gauge, "Bytes that the broker holds back for the day when the disk is full.")
    static let diskIsOpen = MetricFamily(
        "martlet_disk_accepts_records", .gauge, "1 while there is room for records, 0 while Produce is refused.")
    static let diskClosings = MetricFamily(
        "martlet_disk_full_total", .counter, "How often Produce began to be refused for want of room.")

    // MARK: Groups

    static let groups = MetricFamily(
        "martlet_groups", .gauge, "Consumer groups by state and type.", labels: ["state", "type"])
    static let rebalances = MetricFamily(
        "martlet_group_rebalances_total", .counter,
        "Rebalances of classic groups that began, and assignments made for groups of the consumer protocol.")
    static let groupShards = MetricFamily(
        "martlet_group_shards", .gauge,
        "Partitions of __consumer_offsets by whether their groups are loaded.", labels: ["loaded"])
    static let lagAge = MetricFamily(
        "martlet_group_lag_age_seconds", .gauge, "How long ago the lag of groups was looked at.")
    static let omitted = MetricFamily(
        "martlet_metrics_omitted", .gauge,
        "Things that have no samples of their own, as there are too many.", labels: ["what"])

    private static let request = ["request"]

    /// All of them.
    public static let all = [
        requests, unknownRequests, errors, local, wait, queue, disk, total, requestBytes, responseBytes, waitingFetches,
        recordsIn, bytesIn, batchesIn, recordsOut, bytesOut, partitionCount, leaderCount, underReplicated,
        activeController, offline, logSize, logStart, logEnd, segments, fenced, damaged, damagedRanges, commits,
        committedLogs, queueLength, compactions, compactionBytes, scrubbedSegments, scrubbedBytes, diskSize, diskFree,
        diskMark, diskReserve, diskIsOpen, diskClosings, groups, rebalances, groupShards, lagAge, omitted,
    ]
}
