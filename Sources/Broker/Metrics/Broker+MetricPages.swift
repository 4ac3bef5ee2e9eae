// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes
import KafkaWire
import PrometheusText

// What the broker has to tell beside kafka_exporter's metrics, family by family.

extension Broker {
    func writeRequestMetrics(to page: inout MetricsPage) {
        let apis = self.metrics.requests.all
        page.write(BrokerFamilies.requests) { samples in
            for api in apis {
                for (version, count) in api.requestCounts {
                    samples.add([api.key.name, version.map { String($0) } ?? "other"], count)
                }
            }
        }
        page.write(BrokerFamilies.unknownRequests, self.metrics.requests.unknown.value)
        page.write(BrokerFamilies.errors) { samples in
            for (api, code, count) in self.metrics.requests.errorCounts {
                samples.add([api.name, ErrorCode(code).name], count)
            }
        }
        // Those that nobody has asked for would be hundreds of zeros.
        let used = apis.filter { !$0.requestCounts.isEmpty }
        func times(_ family: MetricFamily, _ histogram: (RequestMetrics.API) -> Histogram) {
            page.write(family) { samples in
                for api in used {
                    let snapshot = histogram(api).snapshot
                    if snapshot.count > 0 { samples.add([api.key.name], snapshot) }
                }
            }
        }
        times(BrokerFamilies.total) { $0.total }
        times(BrokerFamilies.local) { $0.local }
        times(BrokerFamilies.wait) { $0.wait }
        page.write(BrokerFamilies.requestBytes) { samples in
            for api in used { samples.add([api.key.name], api.requestBytes) }
        }
        page.write(BrokerFamilies.responseBytes) { samples in
            for api in used { samples.add([api.key.name], api.answerBytes) }
        }
        page.write(BrokerFamilies.waitingFetches, self.metrics.waitingFetches.value)
        let storage = self.metrics.storage
        page.write(BrokerFamilies.queue) { samples in
            for origin in StorageMetrics.Origin.allCases {
                samples.add([origin.rawValue], storage.queue(of: origin).snapshot)
            }
            samples.add([APIKey.fetch.name], storage.readQueue.snapshot)
        }
        page.write(BrokerFamilies.disk) { samples in
            for origin in StorageMetrics.Origin.allCases {
                samples.add([origin.rawValue], storage.disk(of: origin).snapshot)
            }
            samples.add([APIKey.fetch.name], storage.readDisk.snapshot)
        }
    }

    func writeTopicMetrics(to page: inout MetricsPage, _ topics: ScrapedTopics) {
        func each(_ family: MetricFamily, _ number: TopicMetrics.Number) {
            page.write(family) { samples in
                for topic in topics.topics { samples.add([topic.name], topic.metrics[number]) }
            }
        }
        each(BrokerFamilies.recordsIn, .recordsIn)
        each(BrokerFamilies.bytesIn, .bytesIn)
        each(BrokerFamilies.batchesIn, .batchesIn)
        each(BrokerFamilies.recordsOut, .recordsOut)
        each(BrokerFamilies.bytesOut, .bytesOut)
        page.write(BrokerFamilies.partitionCount, topics.partitionCount)
        page.write(BrokerFamilies.leaderCount, topics.partitionCount)
        page.write(BrokerFamilies.underReplicated, topics.underReplicatedCount)
        page.write(BrokerFamilies.activeController, 1)
    }

    func writeLogMetrics(to page: inout MetricsPage, _ topics: ScrapedTopics) {
        func each(_ family: MetricFamily, _ value: (Partition) -> Int) {
            page.write(family) { samples in
                for item in topics.partitions { samples.add(item.labels, value(item.partition)) }
            }
        }
        each(BrokerFamilies.logSize) { Int($0.log.sizeInBytes) }
        each(BrokerFamilies.logStart) { Int($0.log.logStartOffset) }
        each(BrokerFamilies.logEnd) { Int($0.log.endOffset) }
        each(BrokerFamilies.segments) { $0.log.segmentCount }
        // Of these every partition counts, shown elsewhere or not.
        var fenced: [[String]] = []
        var damaged: [(labels: [String], offsets: Int64)] = []
        var rangeCount = 0
        for partition in self.topics.all.flatMap(\.partitions) {
            let ranges = partition.log.damagedRanges
            let labels = [partition.topicPartition.topic, "\(partition.topicPartition.partition)"]
            if case .fenced = partition.log.refusal { fenced.append(labels) }
            if ranges.isEmpty { continue }
            rangeCount += ranges.count
            damaged.append((labels, ranges.reduce(0) { $0 + ($1.endOffset - $1.startOffset) }))
        }
        page.write(BrokerFamilies.offline, fenced.count)
        page.write(BrokerFamilies.fenced) { samples in
            for labels in fenced.prefix(MetricLimits.partitions) { samples.add(labels, 1) }
        }
        page.write(BrokerFamilies.damagedRanges, rangeCount)
        page.write(BrokerFamilies.damaged) { samples in
            for item in damaged.prefix(MetricLimits.partitions) { samples.add(item.labels, Int(item.offsets)) }
        }
    }

    func writeStorageMetrics(to page: inout MetricsPage) {
        let storage = self.metrics.storage
        page.write(BrokerFamilies.commits) { samples in
            for way in StorageMetrics.Way.allCases { samples.add([way.label], storage.commit(way).snapshot) }
        }
        page.write(BrokerFamilies.committedLogs) { samples in
            samples.add([StorageMetrics.Way.journal.label], storage.journaledLogs.value)
            samples.add([StorageMetrics.Way.segments.label], storage.syncedLogs.value)
        }
        let lengths = self.ioThreads.map(\.queueLengths)
        page.write(BrokerFamilies.queueLength) { samples in
            samples.add(["write"], lengths.reduce(0) { $0 + $1.writes })
            samples.add(["sync"], lengths.reduce(0) { $0 + $1.syncs })
            samples.add(["read"], self.readers.queueLength)
            samples.add(["admin"], self.admin.queueLength)
        }
        page.write(BrokerFamilies.compactions) { samples in
            samples.add(["done"], storage.compactions.value)
            samples.add(["failed"], storage.failedCompactions.value)
        }
        page.write(BrokerFamilies.compactionBytes) { samples in
            samples.add(["read"], storage.compactedBytesRead.value)
            samples.add(["written"], storage.compactedBytesWritten.value)
            samples.add(["freed"], storage.compactedBytesFreed.value)
        }
        page.write(BrokerFamilies.scrubbedSegments, storage.scrubbedSegments.value)
        page.write(BrokerFamilies.scrubbedBytes, storage.scrubbedBytes.value)
        let space = self.space.figures
        if let total = space.total { page.write(BrokerFamilies.diskSize, Int(total)) }
        if let free = space.free { page.write(BrokerFamilies.diskFree, Int(free)) }
        page.write(BrokerFamilies.diskMark, Int(space.mark))
        page.write(BrokerFamilies.diskReserve, Int(space.reserve))
        page.write(BrokerFamilies.diskIsOpen, self.space.hasRoom ? 1 : 0)
        page.write(BrokerFamilies.diskClosings, space.closings)
    }

    func writeGroupMetrics(to page: inout MetricsPage, _ groups: ScrapedGroups, _ topics: ScrapedTopics) {
        page.write(BrokerFamilies.groups) { samples in
            for (state, type, count) in groups.countsByState { samples.add([state, type], count) }
        }
        page.write(BrokerFamilies.rebalances, self.metrics.groups.rebalances.value)
        let condition = self.condition
        page.write(BrokerFamilies.groupShards) { samples in
            samples.add(["yes"], condition.groupShards - condition.groupShardsMissing)
            samples.add(["no"], condition.groupShardsMissing)
        }
        if let age = groups.lagAgeMs { page.write(BrokerFamilies.lagAge, Double(age) / 1_000) }
        page.write(BrokerFamilies.omitted) { samples in
            samples.add(["topics"], topics.omittedTopics)
            samples.add(["partitions"], topics.omittedPartitions)
            samples.add(["groups"], groups.omittedGroups)
            samples.add(["group-partitions"], groups.omittedPartitions)
        }
    }
}
