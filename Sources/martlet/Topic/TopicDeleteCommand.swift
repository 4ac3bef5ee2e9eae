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
            On a terminal it asks before it deletes; --yes answers in advance.

            EXAMPLES
              martlet topic delete orders
              martlet topic delete orders payments --yes --if-exists
            """
    )

    @Argument(help: "The topics.")
    var names: [String]

    @Flag(name: .long, help: "A topic that does not exist is no error.")
    var ifExists = false

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try self.confirmation.ask("Delete \(self.names.joined(separator: ", ")) and all records in it?")
        let results = try await self.connection.withCluster { try await $0.deleteTopics(self.names) }
        let changes = results.map { item in
            switch item.result {
            case .success:
                ItemChange(name: item.name, outcome: "deleted")
            case .failure(let error) where error.errorCode == .unknownTopicOrPartition && self.ifExists:
                ItemChange(name: item.name, outcome: "missing")
            case .failure(let error):
                ItemChange(name: item.name, outcome: "failed", error: error)
            }
        }
        try ChangeReport(changes).print(self.format)
    }
}
