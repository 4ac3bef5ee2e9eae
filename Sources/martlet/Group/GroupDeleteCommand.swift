// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaWire

/// `martlet group delete`.
struct GroupDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete groups and the offsets they have committed.",
        discussion: """
            A group that has members cannot be deleted. On a terminal it asks before it deletes; --yes answers in \
            advance.

            EXAMPLES
              martlet group delete payments
              martlet group delete payments audit --yes --if-exists
            """
    )

    @Argument(help: "The groups.")
    var names: [String]

    @Flag(name: .long, help: "A group that does not exist is no error.")
    var ifExists = false

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try self.confirmation.ask("Delete \(self.names.joined(separator: ", ")) and the offsets committed there?")
        let results = try await self.connection.withCluster { try await $0.deleteGroups(self.names) }
        let changes = results.map { item in
            switch item.result {
            case .success:
                ItemChange(name: item.name, outcome: "deleted")
            case .failure(let error) where error.errorCode == .groupIDNotFound && self.ifExists:
                ItemChange(name: item.name, outcome: "missing")
            case .failure(let error):
                ItemChange(name: item.name, outcome: "failed", error: error)
            }
        }
        try ChangeReport(changes).print(self.format)
    }
}
