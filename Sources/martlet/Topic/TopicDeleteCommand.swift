// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaWire

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(name: .long, help: "A topic that does not exist is no error.")
    var ifExists = false

    @OptionGroup var format: ListOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        if !self.yes, isatty(STDIN_FILENO) == 1 { try self.ask() }
        let results = try await self.connection.withCluster { try await $0.deleteTopics(self.names) }
        let changes = results.map { item in
            switch item.result {
            case .success:
                TopicChange(name: item.name, outcome: "deleted")
            case .failure(let error) where error.errorCode == .unknownTopicOrPartition && self.ifExists:
                TopicChange(name: item.name, outcome: "missing")
            case .failure(let error):
                TopicChange(name: item.name, outcome: "failed", error: error)
            }
        }
        try TopicChangeReport(changes).print(as: self.format.output)
    }

    private func ask() throws {
        let what = self.names.joined(separator: ", ")
        StandardError.print("Delete \(what) and all records in it? [y/N] ", terminator: "")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw CommandFailure("nothing was deleted")
        }
    }
}
