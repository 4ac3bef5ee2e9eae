// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet topic list`.
struct TopicListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List topics.",
        discussion: """
            EXAMPLES
              martlet topic list
              martlet topic list --internal -o json
            """
    )

    @Flag(name: .long, help: "Show the cluster's own topics, too.")
    var `internal` = false

    @OptionGroup var format: ListOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let showsInternal = self.internal
        let topics = try await self.connection.withCluster { cluster in
            try await cluster.listTopics(includesInternal: showsInternal)
        }
        var output = StandardOutput()
        switch self.format.output {
        case .table:
            for line in Self.table(of: topics).lines() { output.print(line) }
        case .json:
            output.print(Self.json(of: topics))
        }
        try output.flush()
    }

    static func table(of topics: [TopicDescription]) -> TextTable {
        var table = TextTable([.init("NAME"), .init("PARTITIONS", .right), .init("REPLICAS", .right)])
        for topic in topics {
            table.append([topic.name, "\(topic.partitions.count)", "\(topic.replicationFactor)"])
        }
        return table
    }

    static func json(of topics: [TopicDescription]) -> String {
        var json = JSONWriter()
        json.array { json in
            for topic in topics {
                json.object { json in
                    json.name("name")
                    json.string(topic.name)
                    json.name("id")
                    json.string(topic.topicID?.base64)
                    json.name("partitions")
                    json.integer(topic.partitions.count)
                    json.name("replicationFactor")
                    json.integer(topic.replicationFactor)
                    json.name("internal")
                    json.bool(topic.isInternal)
                }
            }
        }
        return json.text
    }
}

extension TopicDescription {
    /// The largest number of replicas that a partition has; they differ while a partition moves.
    var replicationFactor: Int { self.partitions.map(\.replicas.count).max() ?? 0 }
}
