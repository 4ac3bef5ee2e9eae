// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import KafkaConfig
import KafkaTypes
public import PrometheusText

/// How much of what there can be very many of is shown, so that neither this process nor a Prometheus drowns in it.
///
/// What comes first by name is shown. `martlet_metrics_omitted` says how much was left out.
enum MetricLimits {
    /// Partitions with samples of their own. There are a dozen for each, about 1 KiB of text.
    static let partitions = 5_000
    /// Topics with samples of their own.
    static let topics = 2_000
    /// Groups with samples of their own.
    static let groups = 2_000
    /// Partitions of groups with samples of their own.
    static let groupPartitions = 10_000
}

/// What one scrape shows of topics: looked up once, as many families tell of it.
struct ScrapedTopics {
    struct ScrapedPartition {
        /// The values of the labels `topic` and `partition`.
        let labels: [String]
        let partition: Partition
        let image: PartitionImage?
        let start: Int64
        let highWatermark: Int64
    }

    /// By name.
    private(set) var topics: [ServedTopic]
    private(set) var partitions: [ScrapedPartition] = []
    private(set) var partitionCount = 0
    /// Of all partitions, shown or not.
    private(set) var underReplicatedCount = 0
    private(set) var omittedTopics = 0
    private(set) var omittedPartitions = 0

    init(_ table: TopicTable, _ image: ClusterImage) {
        self.topics = table.all.sorted { $0.name < $1.name }
        self.partitionCount = self.topics.reduce(0) { $0 + $1.partitions.count }
        self.underReplicatedCount = image.topics.reduce(0) { sum, topic in
            sum + topic.partitions.count { $0.isr.count < $0.replicas.count }
        }
        self.omittedTopics = max(0, self.topics.count - MetricLimits.topics)
        self.topics.removeLast(self.omittedTopics)
        self.partitions.reserveCapacity(min(self.partitionCount, MetricLimits.partitions))
        for topic in self.topics {
            let images = image.topic(id: topic.id)
            for (index, partition) in topic.partitions.enumerated() {
                if self.partitions.count == MetricLimits.partitions { break }
                self.partitions.append(
                    ScrapedPartition(
                        labels: [topic.name, String(index)], partition: partition,
                        image: images?.partition(PartitionIndex(Int32(clamping: index))),
                        start: partition.log.logStartOffset, highWatermark: partition.log.highWatermark))
            }
        }
        self.omittedPartitions = self.partitionCount - self.partitions.count
    }
}

extension Broker {
    /// Writes everything that the broker has to tell, as of now. Costs some microseconds for each partition and group and
    /// does not wait for the disk; not for event loops all the same. May be called from any thread.
    public func writeMetrics(to page: inout MetricsPage) {
        let image = self.metadata.image
        let topics = ScrapedTopics(self.topics, image)
        let groups = ScrapedGroups(self.groups, self.groupLags, now: self.clock.wallMilliseconds())
        self.writeExporterMetrics(to: &page, topics, groups, image)
        self.writeRequestMetrics(to: &page)
        self.writeTopicMetrics(to: &page, topics)
        self.writeLogMetrics(to: &page, topics)
        self.writeStorageMetrics(to: &page)
        self.writeGroupMetrics(to: &page, groups, topics)
    }

    private func writeExporterMetrics(
        to page: inout MetricsPage, _ topics: ScrapedTopics, _ groups: ScrapedGroups, _ image: ClusterImage
    ) {
        page.write(ExporterFamilies.brokers, 1)
        page.write(ExporterFamilies.brokerInfo) { samples in
            samples.add([self.advertisedAddress, "\(image.nodeID)"], Int(image.nodeID.rawValue))
        }
        page.write(ExporterFamilies.partitions) { samples in
            for topic in topics.topics { samples.add([topic.name], topic.partitions.count) }
        }
        func each(_ family: MetricFamily, _ value: (ScrapedTopics.ScrapedPartition) -> Int?) {
            page.write(family) { samples in
                for item in topics.partitions {
                    if let value = value(item) { samples.add(item.labels, value) }
                }
            }
        }
        each(ExporterFamilies.currentOffset) { Int($0.highWatermark) }
        each(ExporterFamilies.oldestOffset) { Int($0.start) }
        each(ExporterFamilies.leader) { $0.image.map { Int($0.leader.rawValue) } }
        each(ExporterFamilies.leaderIsPreferred) { $0.image.map { $0.leader == $0.replicas.first ? 1 : 0 } }
        each(ExporterFamilies.replicas) { $0.image?.replicas.count }
        each(ExporterFamilies.inSyncReplicas) { $0.image?.isr.count }
        each(ExporterFamilies.underReplicated) { $0.image.map { $0.isr.count < $0.replicas.count ? 1 : 0 } }
        groups.write(to: &page)
    }

    /// The first address that clients are told, as far as it does not depend on where they stand.
    private var advertisedAddress: String {
        let config = self.config
        return (config.advertisedListeners.first ?? config.listeners.first).map { "\($0.host):\($0.port)" } ?? ""
    }
}
