// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet group describe`.
struct GroupDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show how far groups have come, and who is in them.",
        discussion: """
            COMMITTED is the offset that the group will read next, END that of the next record to be written, LAG the \
            difference, and BEHIND how long the record to be read next has been waiting, which only Martlet's brokers \
            tell.

            A name may be a pattern with * and ?; with --regex names are regular expressions. -o wide shows the \
            members, too, and of each commit its leader epoch and metadata.

            EXAMPLES
              martlet group describe payments
              martlet group describe payments --members
              martlet group describe -o json | jq '.[] | {group, lag: [.partitions[].lag] | add}'
            """
    )

    @Argument(help: "Groups; without one, all of them.", completion: .names(of: .group))
    var names: [String] = []

    @OptionGroup var matching: MatchingOptions

    @Flag(name: .long, help: "Show the members with what they have and what they subscribed to.")
    var members = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try self.matching.patterns(self.names) }

    func run() async throws {
        let (pages, failures) = try await self.connection.ask { cluster in
            try await GroupPage.load(try await self.groups(cluster), from: cluster)
        }
        let isWide = self.format.isWide
        try self.format.print(
            pages: pages,
            lines: { page, terminal in
                page.lines(showsMembers: self.members || isWide, isWide: isWide, terminal: terminal)
            },
            json: { page, json in page.write(to: &json) })
        for warning in pages.flatMap(\.warnings) { StandardError.print("warning: \(warning)") }
        try failures.leave(of: failures.count + pages.count)
    }

    private func groups(_ cluster: KafkaCluster) async throws -> [String] {
        guard !self.names.isEmpty else { return try await cluster.listGroups().map(\.groupID) }
        return try await self.matching.names(self.names, of: "group") {
            try await cluster.listGroups().map(\.groupID)
        }
    }
}
