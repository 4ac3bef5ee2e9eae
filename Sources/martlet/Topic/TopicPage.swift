// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import KafkaWire

/// Everything that `martlet topic describe` shows of one topic.
struct TopicPage {
    var topic: TopicDescription
    /// Partitions whose leader does not answer are missing.
    var earliest: [PartitionIndex: Offset]
    var latest: [PartitionIndex: Offset]
    var configs: [ConfigDescription]

    /// Loads these topics, in their order; those that cannot be described are failures. All together: as many requests
    /// as for one topic, and one to each leader.
    static func load(
        _ topics: [TopicDescription], from cluster: KafkaCluster
    ) async throws -> (pages: [TopicPage], failures: [KafkaClientError]) {
        var failures: [KafkaClientError] = []
        var found: [TopicDescription] = []
        for topic in topics {
            if topic.errorCode == .none {
                found.append(topic)
            } else {
                failures.append(Self.failure(topic))
            }
        }
        guard !found.isEmpty else { return ([], failures) }
        // A partition without a leader has no offsets to ask for, and waiting for one would hide the rest.
        let partitions = found.flatMap { topic in
            topic.partitions.filter { $0.leader != nil }
                .map { TopicPartition(topic: topic.name, partition: $0.index) }
        }
        async let earliest = Self.offsets(.earliest, of: partitions, cluster)
        async let latest = Self.offsets(.latest, of: partitions, cluster)
        async let configs = cluster.describeConfigs(of: found.map { .topic($0.name) })
        let loaded = try await (earliest: earliest, latest: latest, configs: configs)
        var pages: [TopicPage] = []
        for topic in found {
            switch loaded.configs[.topic(topic.name)] {
            case .success(let configs):
                pages.append(
                    TopicPage(
                        topic: topic, earliest: loaded.earliest[topic.name] ?? [:],
                        latest: loaded.latest[topic.name] ?? [:], configs: configs))
            case .failure(let error):
                failures.append(error)
            case nil:
                failures.append(KafkaClientError(.malformedResponse, "the answer lacks the configs of \(topic.name)"))
            }
        }
        return (pages, failures)
    }

    /// Why a topic cannot be described.
    static func failure(_ topic: TopicDescription) -> KafkaClientError {
        var error = KafkaClientError(topic.errorCode, subject: topic.name)
        if topic.errorCode == .unknownTopicOrPartition { error.message = "the topic \(topic.name) does not exist" }
        return error
    }

    /// By topic and partition.
    private static func offsets(
        _ specification: OffsetSpecification, of partitions: [TopicPartition], _ cluster: KafkaCluster
    ) async throws -> [String: [PartitionIndex: Offset]] {
        let asked = Dictionary(partitions.map { ($0, specification) }) { first, _ in first }
        var offsets: [String: [PartitionIndex: Offset]] = [:]
        for (partition, result) in try await cluster.listOffsets(asked) {
            guard case .success(let found) = result else { continue }
            offsets[partition.topic, default: [:]][partition.partition] = found.offset
        }
        return offsets
    }

    private func shownConfigs(_ showsDefaults: Bool) -> [ConfigDescription] {
        showsDefaults ? self.configs : self.configs.filter { $0.source != .defaultConfig }
    }

    /// How many offsets are in use: no more records than that, fewer after a compaction.
    private var recordCountMax: Int64? {
        var sum: Int64 = 0
        for partition in self.topic.partitions {
            guard let earliest = self.earliest[partition.index], let latest = self.latest[partition.index] else {
                return nil
            }
            sum += max(latest - earliest, 0)
        }
        return sum
    }

    // MARK: Text

    func lines(showsDefaults: Bool, isWide: Bool = false, terminal: Terminal = .plain) -> [String] {
        var lines = [terminal.styled(self.topic.name, .title)]
        if let id = self.topic.topicID { lines.append("  id          \(id)") }
        lines.append("  partitions  \(self.topic.partitions.count)")
        lines.append("  replicas    \(self.topic.replicationFactor)")
        if let count = self.recordCountMax { lines.append("  offsets     \(count) in use") }
        let durability = AcknowledgedDurability(self.configs)
        if let durability { lines.append("  acks=all    \(durability)") }
        lines.append("")
        lines += self.partitionTable(isWide).lines(indentation: "  ", terminal: terminal)
        // What acks=all means stands above, and is a sentence.
        let configs = self.shownConfigs(showsDefaults)
            .filter { durability == nil || $0.name != AcknowledgedDurability.configName }
        if !configs.isEmpty {
            lines.append("")
            var table = TextTable([.init("CONFIG"), .init("VALUE"), .init("SET BY")])
            for config in configs {
                table.append([config.name, config.valueText, config.source.name])
            }
            lines += table.lines(indentation: "  ", terminal: terminal)
        }
        return lines
    }

    private func partitionTable(_ isWide: Bool) -> TextTable {
        var columns: [TextTable.Column] = [
            .init("PARTITION", .right), .init("LEADER", .right), .init("EPOCH", .right), .init("REPLICAS"),
            .init("ISR"), .init("EARLIEST", .right), .init("LATEST", .right),
        ]
        if isWide { columns += [.init("OFFSETS", .right), .init("OFFLINE")] }
        var table = TextTable(columns)
        for partition in self.topic.partitions {
            let (earliest, latest) = (self.earliest[partition.index], self.latest[partition.index])
            var styles: [Int: Terminal.Style] = [:]
            if partition.leader == nil { styles[1] = .bad }
            if partition.isr.count < partition.replicas.count { styles[4] = .notice }
            var inUse = "-"
            if let earliest, let latest { inUse = "\(max(latest - earliest, 0))" }
            table.append(
                [
                    "\(partition.index)",
                    partition.leader.map { "\($0)" } ?? "none",
                    partition.leaderEpoch == .none ? "-" : "\(partition.leaderEpoch)",
                    partition.replicas.map(\.description).joined(separator: ","),
                    partition.isr.map(\.description).joined(separator: ","),
                    earliest.map { "\($0)" } ?? "-",
                    latest.map { "\($0)" } ?? "-",
                    inUse,
                    partition.offlineReplicas.isEmpty
                        ? "-" : partition.offlineReplicas.map(\.description).joined(separator: ","),
                ], styles: styles)
        }
        return table
    }

    // MARK: JSON

    func write(to json: inout JSONWriter, showsDefaults: Bool) {
        json.object { json in
            json.name("name")
            json.string(self.topic.name)
            json.name("id")
            json.string(self.topic.topicID?.base64)
            json.name("internal")
            json.bool(self.topic.isInternal)
            if let durability = AcknowledgedDurability(self.configs) {
                json.name("acksAll")
                json.string(durability.word)
            }
            json.name("partitions")
            json.array { json in
                for partition in self.topic.partitions { self.write(partition, to: &json) }
            }
            json.name("configs")
            json.array { json in
                for config in self.shownConfigs(showsDefaults) { config.write(to: &json) }
            }
        }
    }

    private func write(_ partition: PartitionDescription, to json: inout JSONWriter) {
        json.object { json in
            json.name("partition")
            json.integer(partition.index.rawValue)
            json.name("leader")
            json.integer(partition.leader?.rawValue)
            json.name("leaderEpoch")
            json.integer(partition.leaderEpoch == .none ? nil : partition.leaderEpoch.rawValue)
            json.name("replicas")
            json.array { json in for node in partition.replicas { json.integer(node.rawValue) } }
            json.name("isr")
            json.array { json in for node in partition.isr { json.integer(node.rawValue) } }
            json.name("earliest")
            json.integer(self.earliest[partition.index]?.rawValue)
            json.name("latest")
            json.integer(self.latest[partition.index]?.rawValue)
        }
    }
}
