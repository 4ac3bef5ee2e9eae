// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaWire

/// `martlet topic delete`.
struct TopicDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete topics and all their records.",
        discussion: """
            On a terminal it asks before it deletes; --yes answers in advance, and is needed for patterns where nobody \
            can be asked.

            A name may be a pattern with * and ?; with --regex names are regular expressions.

            EXAMPLES
              martlet topic delete orders
              martlet topic delete orders payments --yes --if-exists
              martlet topic delete 'test-*'
            """
    )

    @Argument(help: "The topics.", completion: .names(of: .topic))
    var names: [String]

    @OptionGroup var matching: MatchingOptions

    @Flag(name: .long, help: "A topic that does not exist is no error.")
    var ifExists = false

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        _ = try self.matching.patterns(self.names)
        try self.confirmation.check(self.matching, self.names)
    }

    func run() async throws {
        let names = try await self.matching.names(self.names, of: "topic", self.connection) {
            try await $0.listTopics().map(\.name)
        }
        let them = names.count == 1 ? "it" : "them"
        try self.confirmation.ask("Delete \(names.joined(separator: ", ")) and all records in \(them)?")
        let results = try await self.connection.ask { try await $0.deleteTopics(names) }
        let tolerated: ErrorCode? = self.ifExists ? .unknownTopicOrPartition : nil
        try ChangeReport(results.map { .deletion($0, tolerated: tolerated) }).print(self.format)
    }
}
