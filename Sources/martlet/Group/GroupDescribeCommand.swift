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

            EXAMPLES
              martlet group describe payments
              martlet group describe payments --members
              martlet group describe -o json | jq '.[] | {group, lag: [.partitions[].lag] | add}'
            """
    )

    @Argument(help: "Groups; without one, all of them.")
    var names: [String] = []

    @Flag(name: .long, help: "Show the members with what they have and what they subscribed to.")
    var members = false

    @OptionGroup var format: ListOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (pages, failures) = try await self.connection.withCluster { cluster in
            let names = self.names.isEmpty ? try await cluster.listGroups().map(\.groupID) : self.names
            return try await GroupPage.load(names, from: cluster)
        }
        var output = StandardOutput()
        switch self.format.output {
        case .table:
            for (index, page) in pages.enumerated() {
                if index > 0 { output.print("") }
                for line in page.lines(showsMembers: self.members) { output.print(line) }
            }
        case .json:
            var json = JSONWriter()
            json.array { json in for page in pages { page.write(to: &json) } }
            output.print(json.text)
        }
        try output.flush()
        for warning in pages.flatMap(\.warnings) { StandardError.print("warning: \(warning)") }
        for failure in failures { failure.report().print() }
        if let first = failures.first { throw ExitCode(first.report().status.rawValue) }
    }
}
