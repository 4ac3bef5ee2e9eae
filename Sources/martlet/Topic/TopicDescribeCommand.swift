// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes
import KafkaWire

/// `martlet topic describe`.
struct TopicDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show partitions, offsets and configs of topics.",
        discussion: """
            Of the configs, those are shown that somebody has set; --all-configs and -o wide show the others, too.

            A name may be a pattern with * and ?; with --regex names are regular expressions.

            EXAMPLES
              martlet topic describe orders
              martlet topic describe 'orders.*' -o wide
              martlet topic describe -o json | jq '.[].partitions'
            """
    )

    @Argument(help: "Topics; without one, all that are not the cluster's own.", completion: .names(of: .topic))
    var names: [String] = []

    @OptionGroup var matching: MatchingOptions

    @Flag(name: .long, help: "Show the configs that have their default, too.")
    var allConfigs = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try self.matching.patterns(self.names) }

    func run() async throws {
        let (pages, failures) = try await self.connection.ask { cluster in
            try await TopicPage.load(try await self.topics(cluster), from: cluster)
        }
        let showsDefaults = self.allConfigs || self.format.isWide
        try self.format.print(
            pages: pages,
            lines: { page, terminal in
                page.lines(showsDefaults: showsDefaults, isWide: self.format.isWide, terminal: terminal)
            },
            json: { page, json in page.write(to: &json, showsDefaults: self.allConfigs) })
        try failures.leave(of: failures.count + pages.count)
    }

    private func topics(_ cluster: KafkaCluster) async throws -> [TopicDescription] {
        guard !self.names.isEmpty else { return try await cluster.listTopics() }
        let names = try await self.matching.names(self.names, of: "topic") {
            try await cluster.listTopics(includesInternal: true).map(\.name)
        }
        return try await cluster.describeTopics(names)
    }
}
