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
            Of the configs, those are shown that somebody has set; --all-configs shows the others, too.

            EXAMPLES
              martlet topic describe orders
              martlet topic describe -o json | jq '.[].partitions'
            """
    )

    @Argument(help: "Topics; without one, all that are not the cluster's own.")
    var names: [String] = []

    @Flag(name: .long, help: "Show the configs that have their default, too.")
    var allConfigs = false

    @OptionGroup var format: ListOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let names = self.names
        let (pages, failures) = try await self.connection.withCluster { cluster in
            let topics =
                names.isEmpty ? try await cluster.listTopics() : try await cluster.describeTopics(names)
            var pages: [TopicPage] = []
            var failures: [KafkaClientError] = []
            for topic in topics {
                do {
                    pages.append(try await TopicPage.load(topic, from: cluster))
                } catch let error as KafkaClientError where !error.isUnreachable {
                    failures.append(error)
                }
            }
            return (pages, failures)
        }
        var output = StandardOutput()
        switch self.format.output {
        case .table:
            for (index, page) in pages.enumerated() {
                if index > 0 { output.print("") }
                for line in page.lines(showsDefaults: self.allConfigs) { output.print(line) }
            }
        case .json:
            var json = JSONWriter()
            json.array { json in
                for page in pages { page.write(to: &json, showsDefaults: self.allConfigs) }
            }
            output.print(json.text)
        }
        try output.flush()
        for failure in failures { failure.report().print() }
        if !failures.isEmpty { throw ExitCode(ExitStatus.failure.rawValue) }
    }
}
