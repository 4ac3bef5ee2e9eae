// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import PrometheusText

/// What one scrape shows of consumer groups.
struct ScrapedGroups {
    /// By group id.
    private var standings: [GroupStandingLine] = []
    private var lags: [GroupLag] = []
    /// Groups that are there, shown or not.
    private(set) var groupCount = 0
    private(set) var omittedGroups = 0
    private(set) var omittedPartitions = 0
    private let now: Int64
    /// Milliseconds since the lag was looked at; nil before the first look.
    let lagAgeMs: Int64?

    private struct GroupStandingLine {
        let id: String
        let state: String
        let type: String
        let members: Int
    }

    /// - Parameter now: wall-clock milliseconds.
    init(_ service: GroupCoordinatorService, _ lags: GroupLagSnapshot, now: Int64) {
        self.now = now
        self.lagAgeMs = lags.takenAtMs > 0 ? max(0, now - lags.takenAtMs) : nil
        for host in service.all {
            // Those that are being loaded are shown when they are there.
            guard case .success(let groups) = host.read({ shard, _ in shard.memberCounts() }) else { continue }
            self.standings += groups.map {
                GroupStandingLine(id: $0.id, state: $0.state, type: $0.type, members: $0.members)
            }
        }
        self.standings.sort { $0.id < $1.id }
        self.groupCount = self.standings.count
        self.omittedGroups = max(0, self.standings.count - MetricLimits.groups)
        self.standings.removeLast(self.omittedGroups)
        var partitionsLeft = MetricLimits.groupPartitions
        for lag in lags.groups {
            if lag.partitions.count > partitionsLeft || self.lags.count == MetricLimits.groups {
                self.omittedPartitions += lag.partitions.count
                continue
            }
            partitionsLeft -= lag.partitions.count
            self.lags.append(lag)
        }
    }

    /// Writes what kafka_exporter has of groups.
    func write(to page: inout MetricsPage) {
        page.write(ExporterFamilies.groupMembers) { samples in
            for group in self.standings { samples.add([group.id], group.members) }
        }
        self.each(ExporterFamilies.groupOffset, &page) { $0.currentOffset < 0 ? nil : Double($0.currentOffset) }
        self.each(ExporterFamilies.groupLag, &page) { $0.offsetsBehind.map(Double.init) }
        self.each(ExporterFamilies.groupLagSeconds, &page) { lag in
            lag.millisecondsBehind(now: self.now).map { Double($0) / 1_000 }
        }
        self.sums(ExporterFamilies.groupOffsetSum, &page) { $0.currentOffset < 0 ? nil : $0.currentOffset }
        self.sums(ExporterFamilies.groupLagSum, &page) { $0.offsetsBehind }
    }

    /// Groups by state and type.
    var countsByState: [(state: String, type: String, count: Int)] {
        var counts: [[String]: Int] = [:]
        for group in self.standings { counts[[group.state, group.type], default: 0] += 1 }
        return counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key[0], $0.key[1], $0.value) }
    }

    private func each(_ family: MetricFamily, _ page: inout MetricsPage, _ value: (PartitionLag) -> Double?) {
        page.write(family) { samples in
            for group in self.lags {
                for partition in group.partitions {
                    guard let value = value(partition) else { continue }
                    samples.add([group.groupID, partition.topic, String(partition.partition)], value)
                }
            }
        }
    }

    private func sums(_ family: MetricFamily, _ page: inout MetricsPage, _ value: (PartitionLag) -> Int64?) {
        page.write(family) { samples in
            for group in self.lags {
                // Partitions come by topic and number.
                var topic: String?
                var sum: Int64 = 0
                for partition in group.partitions {
                    if topic != partition.topic {
                        if let topic { samples.add([group.groupID, topic], Int(sum)) }
                        topic = partition.topic
                        sum = 0
                    }
                    sum = sum.addingReportingOverflow(value(partition) ?? 0).partialValue
                }
                if let topic { samples.add([group.groupID, topic], Int(sum)) }
            }
        }
    }
}
