// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import KafkaWire

/// What `martlet cluster` shows of a cluster as a whole.
struct ClusterPage: Sendable {
    var cluster: ClusterDescription
    /// The cluster's own ones, too; ascending by name.
    var topics: [TopicDescription]
    /// Levels of the features that hold for the whole cluster, by name; empty from brokers before 2.7.
    var features: [String: Int16] = [:]

    static func load(from cluster: KafkaCluster) async throws -> ClusterPage {
        let description = try await cluster.describeCluster()
        let topics = try await cluster.listTopics(includesInternal: true)
        do {
            let features = try await cluster.describeFeatures()
            return ClusterPage(cluster: description, topics: topics, features: features.finalized)
        } catch let error as KafkaClientError where error.code == .unsupportedVersion {
            return ClusterPage(cluster: description, topics: topics)
        }
    }

    var partitionCount: Int { self.topics.reduce(0) { $0 + $1.partitions.count } }

    /// Partitions that nobody answers for, ascending.
    var leaderless: [TopicPartition] { self.partitions { $0.leader == nil } }

    /// Partitions with fewer copies that are up to date than they should have, ascending.
    var underReplicated: [TopicPartition] { self.partitions { $0.isr.count < $0.replicas.count } }

    private func partitions(where isMeant: (PartitionDescription) -> Bool) -> [TopicPartition] {
        self.topics.flatMap { topic in
            topic.partitions.filter(isMeant).map { TopicPartition(topic: topic.name, partition: $0.index) }
        }
    }

    private func count(_ isMeant: (PartitionDescription) -> Bool) -> Int {
        self.topics.reduce(0) { $0 + $1.partitions.count(where: isMeant) }
    }

    // MARK: Text

    func lines(isWide: Bool, terminal: Terminal = .plain) -> [String] {
        let (leaderless, underReplicated) = (self.leaderless, self.underReplicated)
        let controller = self.cluster.controller.map { node in
            let address = self.cluster.brokers.first { $0.nodeID == node }.map { " at \($0.address)" }
            return "\(node)" + (address ?? "")
        }
        func counted(_ partitions: [TopicPartition], _ style: Terminal.Style) -> String {
            guard !partitions.isEmpty else { return "0" }
            let names = isWide ? ": \(partitions.shortText)" : ""
            return terminal.styled("\(partitions.count)", style) + names
        }
        var lines = [terminal.styled(self.cluster.clusterID ?? "(the cluster has no id)", .title)]
        lines.append("  controller        \(controller ?? terminal.styled("none", .bad))")
        lines.append("  brokers           \(self.cluster.brokers.count)")
        lines.append("  topics            \(self.topics.count), \(self.topics.count(where: \.isInternal)) internal")
        lines.append("  partitions        \(self.partitionCount)")
        lines.append("  without leader    \(counted(leaderless, .bad))")
        lines.append("  under-replicated  \(counted(underReplicated, .notice))")
        if isWide {
            for (name, level) in self.features.sorted(by: { $0.key < $1.key }) {
                lines.append("  \(name)" + String(repeating: " ", count: max(18 - name.count, 2)) + "\(level)")
            }
        }
        lines.append("")
        return lines + self.brokerTable(directories: nil).lines(indentation: "  ", terminal: terminal)
    }

    /// `directories` are those of the wide table.
    func brokerTable(directories: [NodeID: Result<LogDirectories, KafkaClientError>]?) -> TextTable {
        var columns: [TextTable.Column] = [
            .init("ID", .right), .init("ADDRESS"), .init("RACK"), .init("CONTROLLER"), .init("LEADS", .right),
            .init("REPLICAS", .right),
        ]
        if directories != nil { columns += [.init("SIZE", .right), .init("FREE", .right), .init("NOTE")] }
        var table = TextTable(columns)
        for broker in self.cluster.brokers {
            var cells = [
                "\(broker.nodeID)", "\(broker.address)", broker.rack ?? "-",
                broker.nodeID == self.cluster.controller ? "yes" : "no",
                "\(self.count { $0.leader == broker.nodeID })",
                "\(self.count { $0.replicas.contains(broker.nodeID) })",
            ]
            switch directories?[broker.nodeID] {
            case .success(let directories):
                let found = directories.values.compactMap { try? $0.get() }
                let bytes = found.reduce(Int64(0)) { sum, directory in
                    directory.replicas.values.reduce(sum) { $0 &+ $1.bytes }
                }
                let failed = directories.count - found.count
                cells += [
                    ByteText.text(bytes), ByteText.text(found.compactMap(\.usableBytes).min()),
                    failed == 0 ? "" : "\(failed) log directories cannot be read",
                ]
            case .failure(let error): cells += ["-", "-", error.message]
            case nil: break
            }
            table.append(cells, styles: [8: .bad])
        }
        return table
    }

    // MARK: JSON

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("clusterId")
            json.string(self.cluster.clusterID)
            json.name("controller")
            json.integer(self.cluster.controller?.rawValue)
            json.name("brokers")
            json.array { json in for broker in self.cluster.brokers { self.write(broker, to: &json) } }
            json.name("topics")
            json.integer(self.topics.count)
            json.name("internalTopics")
            json.integer(self.topics.count(where: \.isInternal))
            json.name("partitions")
            json.integer(self.partitionCount)
            json.name("leaderless")
            Self.write(self.leaderless, to: &json)
            json.name("underReplicated")
            Self.write(self.underReplicated, to: &json)
            json.name("features")
            json.object { json in
                for (name, level) in self.features.sorted(by: { $0.key < $1.key }) {
                    json.name(name)
                    json.integer(level)
                }
            }
        }
    }

    func write(_ broker: BrokerDescription, to json: inout JSONWriter) {
        json.object { json in
            json.name("id")
            json.integer(broker.nodeID.rawValue)
            json.name("host")
            json.string(broker.address.host)
            json.name("port")
            json.integer(broker.address.port)
            json.name("rack")
            json.string(broker.rack)
            json.name("controller")
            json.bool(broker.nodeID == self.cluster.controller)
            json.name("leads")
            json.integer(self.count { $0.leader == broker.nodeID })
            json.name("replicas")
            json.integer(self.count { $0.replicas.contains(broker.nodeID) })
        }
    }

    static func write(_ partitions: [TopicPartition], to json: inout JSONWriter) {
        json.array { json in
            for partition in partitions {
                json.object { json in
                    json.name("topic")
                    json.string(partition.topic)
                    json.name("partition")
                    json.integer(partition.partition.rawValue)
                }
            }
        }
    }
}
