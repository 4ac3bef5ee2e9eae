// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet cluster logdirs`.
struct ClusterLogDirsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logdirs",
        abstract: "Show what is where on the brokers' disks, and how large.",
        discussion: """
            One row per directory; with --topic or --partitions one per partition, the largest first.

            EXAMPLES
              martlet cluster logdirs
              martlet cluster logdirs --partitions -o json
              martlet cluster logdirs --topic orders --broker 1
            """
    )

    @Option(
        name: .long, help: ArgumentHelp("Only this broker; may be given several times.", valueName: "id"),
        completion: .names(of: .broker))
    var broker: [Int32] = []

    @Option(
        name: .long, help: ArgumentHelp("Only this topic's partitions; may be given several times.", valueName: "name"),
        completion: .names(of: .topic))
    var topic: [String] = []

    @Flag(name: .long, help: "A row per partition.")
    var partitions = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let found = try await self.connection.ask { cluster in
            var partitions: [TopicPartition]?
            if !self.topic.isEmpty {
                var named: [TopicPartition] = []
                for topic in try await cluster.describeTopics(self.topic) {
                    guard topic.errorCode == .none else { throw TopicPage.failure(topic) }
                    named += topic.partitions.map { TopicPartition(topic: topic.name, partition: $0.index) }
                }
                partitions = named
            }
            let brokers = self.broker.isEmpty ? nil : self.broker.map { NodeID($0) }
            return try await cluster.describeLogDirectories(of: brokers, partitions: partitions)
        }
        let report = LogDirectoryReport(found)
        let isByPartition = self.partitions || !self.topic.isEmpty
        let table = isByPartition ? report.partitionTable : report.table(isWide: self.format.isWide)
        try self.format.print(
            // Titles above nothing would look like an answer.
            lines: { report.rows.isEmpty ? [] : table.lines(terminal: $0) },
            json: { report.write(to: &$0, withPartitions: isByPartition) })
        try report.failures.leave(of: report.askedCount)
    }
}

/// Directories of brokers, as they are shown.
struct LogDirectoryReport {
    struct Row {
        var broker: NodeID
        var path: String
        var directory: LogDirectory

        /// Of all replicas in it.
        var bytes: Int64 { self.directory.replicas.values.reduce(Int64(0)) { $0 &+ $1.bytes } }
    }

    /// Ascending by broker and path.
    var rows: [Row] = []
    var failures: [KafkaClientError] = []
    /// Directories, and brokers that did not answer.
    var askedCount: Int { self.rows.count + self.failures.count }

    init(_ found: [NodeID: Result<LogDirectories, KafkaClientError>]) {
        for (broker, result) in found.sorted(by: { $0.key < $1.key }) {
            switch result {
            case .success(let directories):
                for (path, directory) in directories.sorted(by: { $0.key < $1.key }) {
                    switch directory {
                    case .success(let directory):
                        self.rows.append(Row(broker: broker, path: path, directory: directory))
                    case .failure(let error):
                        self.failures.append(error)
                    }
                }
            case .failure(let error):
                self.failures.append(error)
            }
        }
    }

    func table(isWide: Bool) -> TextTable {
        var columns: [TextTable.Column] = [
            .init("BROKER", .right), .init("DIRECTORY"), .init("PARTITIONS", .right), .init("SIZE", .right),
            .init("FREE", .right), .init("VOLUME", .right),
        ]
        if isWide { columns += [.init("MOVING IN", .right), .init("CORDONED")] }
        var table = TextTable(columns)
        for row in self.rows {
            table.append([
                "\(row.broker)", row.path, "\(row.directory.replicas.count)", ByteText.text(row.bytes),
                ByteText.text(row.directory.usableBytes), ByteText.text(row.directory.totalBytes),
                "\(row.directory.replicas.values.count(where: \.isFuture))", row.directory.isCordoned ? "yes" : "no",
            ])
        }
        return table
    }

    /// The largest partitions first.
    var partitionTable: TextTable {
        var table = TextTable([
            .init("TOPIC"), .init("PARTITION", .right), .init("BROKER", .right), .init("SIZE", .right),
            .init("BEHIND", .right), .init("DIRECTORY"),
        ])
        let all = self.rows.flatMap { row in row.directory.replicas.map { (row, $0.key, $0.value) } }
            .sorted { ($1.2.bytes, $0.1, $0.0.broker) < ($0.2.bytes, $1.1, $1.0.broker) }
        for (row, partition, replica) in all {
            table.append([
                partition.topic, "\(partition.partition)", "\(row.broker)", ByteText.text(replica.bytes),
                "\(replica.offsetLag)", replica.isFuture ? "\(row.path) (on its way)" : row.path,
            ])
        }
        return table
    }

    func write(to json: inout JSONWriter, withPartitions: Bool) {
        json.array { json in
            for row in self.rows {
                json.object { json in
                    json.name("broker")
                    json.integer(row.broker.rawValue)
                    json.name("path")
                    json.string(row.path)
                    json.name("bytes")
                    json.integer(row.bytes)
                    json.name("usableBytes")
                    json.integer(row.directory.usableBytes)
                    json.name("totalBytes")
                    json.integer(row.directory.totalBytes)
                    json.name("cordoned")
                    json.bool(row.directory.isCordoned)
                    json.name("partitionCount")
                    json.integer(row.directory.replicas.count)
                    guard withPartitions else { return }
                    json.name("partitions")
                    json.array { json in Self.write(row.directory.replicas, to: &json) }
                }
            }
        }
    }

    private static func write(_ replicas: [TopicPartition: LogDirectory.Replica], to json: inout JSONWriter) {
        for (partition, replica) in replicas.sorted(by: { $0.key < $1.key }) {
            json.object { json in
                json.name("topic")
                json.string(partition.topic)
                json.name("partition")
                json.integer(partition.partition.rawValue)
                json.name("bytes")
                json.integer(replica.bytes)
                json.name("offsetLag")
                json.integer(replica.offsetLag)
                json.name("future")
                json.bool(replica.isFuture)
            }
        }
    }
}
