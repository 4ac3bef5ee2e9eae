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
            advance, and is needed for patterns where nobody can be asked.

            A name may be a pattern with * and ?; with --regex names are regular expressions.

            EXAMPLES
              martlet group delete payments
              martlet group delete payments audit --yes --if-exists
              martlet group delete --regex 'test-[0-9]+'
            """
    )

    @Argument(help: "The groups.", completion: .names(of: .group))
    var names: [String]

    @OptionGroup var matching: MatchingOptions

    @Flag(name: .long, help: "A group that does not exist is no error.")
    var ifExists = false

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        _ = try self.matching.patterns(self.names)
        try self.confirmation.check(self.matching, self.names)
    }

    func run() async throws {
        let names = try await self.matching.names(self.names, of: "group", self.connection) {
            try await $0.listGroups().map(\.groupID)
        }
        try self.confirmation.ask("Delete \(names.joined(separator: ", ")) and the offsets committed there?")
        let results = try await self.connection.ask { try await $0.deleteGroups(names) }
        let tolerated: ErrorCode? = self.ifExists ? .groupIDNotFound : nil
        try ChangeReport(results.map { .deletion($0, tolerated: tolerated) }).print(self.format)
    }
}
