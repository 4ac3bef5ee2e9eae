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
            A PATTERN is a name, or one with * for any characters and ? for one; quote it from the shell. With --regex \
            it is a regular expression that a whole name matches. A topic is listed when one of the patterns fits.

            EXAMPLES
              martlet topic list
              martlet topic list 'orders.*' payments -o wide
              martlet topic list --regex '(dev|test)-.*' -o json
            """
    )

    @Argument(
        help: ArgumentHelp("Only topics that fit one of these.", valueName: "pattern"), completion: .names(of: .topic))
    var patterns: [String] = []

    @OptionGroup var matching: MatchingOptions

    @Flag(name: .long, help: "Show the cluster's own topics, too.")
    var `internal` = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try self.matching.patterns(self.patterns) }

    func run() async throws {
        let patterns = try self.matching.patterns(self.patterns)
        let topics = try await self.connection.ask { cluster in
            try await cluster.listTopics(includesInternal: self.internal)
        }.filter { topic in patterns.isEmpty || patterns.contains { $0.matches(topic.name) } }
        try self.format.print(Self.table(of: topics, isWide: self.format.isWide)) { Self.write(topics, to: &$0) }
        guard topics.isEmpty else { return }
        self.format.note(
            patterns.isEmpty ? "there are no topics; `martlet topic create NAME` makes one" : "no topic fits")
    }

    static func table(of topics: [TopicDescription], isWide: Bool = false) -> TextTable {
        var columns: [TextTable.Column] = [.init("NAME"), .init("PARTITIONS", .right), .init("REPLICAS", .right)]
        if isWide {
            columns += [
                .init("LEADERLESS", .right), .init("UNDER-REPLICATED", .right), .init("INTERNAL"), .init("ID"),
            ]
        }
        var table = TextTable(columns)
        for topic in topics {
            let (leaderless, underReplicated) = (topic.leaderlessCount, topic.underReplicatedCount)
            var styles: [Int: Terminal.Style] = [:]
            if leaderless > 0 { styles[3] = .bad }
            if underReplicated > 0 { styles[4] = .notice }
            table.append(
                [
                    topic.name, "\(topic.partitions.count)", "\(topic.replicationFactor)", "\(leaderless)",
                    "\(underReplicated)", topic.isInternal ? "yes" : "no", topic.topicID.map { "\($0)" } ?? "-",
                ], styles: isWide ? styles : [:])
        }
        return table
    }

    static func write(_ topics: [TopicDescription], to json: inout JSONWriter) {
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
                    json.name("leaderless")
                    json.integer(topic.leaderlessCount)
                    json.name("underReplicated")
                    json.integer(topic.underReplicatedCount)
                }
            }
        }
    }
}

extension TopicDescription {
    /// The largest number of replicas that a partition has; they differ while a partition moves.
    var replicationFactor: Int { self.partitions.map(\.replicas.count).max() ?? 0 }

    /// How many partitions nobody answers for.
    var leaderlessCount: Int { self.partitions.count { $0.leader == nil } }

    /// How many partitions have fewer copies that are up to date than they should.
    var underReplicatedCount: Int { self.partitions.count { $0.isr.count < $0.replicas.count } }
}
