// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet topic alter`.
struct TopicAlterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter",
        abstract: "Add partitions to topics, and change their configs.",
        discussion: """
            Records with a key may go to other partitions than before when partitions are added: their order across \
            the change is lost.

            A name may be a pattern with * and ?; with --regex names are regular expressions.

            EXAMPLES
              martlet topic alter orders --partitions 12
              martlet topic alter orders --config retention.ms=86400000 --delete-config max.message.bytes
              martlet topic alter 'test-*' --config retention.ms=3600000
            """
    )

    @Argument(help: "The topics.", completion: .names(of: .topic))
    var names: [String]

    @OptionGroup var matching: MatchingOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("The new number of partitions, above the old.", valueName: "count"))
    var partitions: Int32?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("A config to set; may be given several times.", valueName: "name=value"))
    var config: [ConfigAssignment] = []

    @Option(
        name: .long,
        help: ArgumentHelp("A config to put back to its default; may be given several times.", valueName: "name"))
    var deleteConfig: [String] = []

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard self.partitions != nil || !self.config.isEmpty || !self.deleteConfig.isEmpty else {
            throw ValidationError("Nothing to alter: give --partitions, --config or --delete-config.")
        }
        guard (self.partitions ?? 1) > 0 else { throw ValidationError("--partitions must be at least 1.") }
        _ = try self.matching.patterns(self.names)
    }

    func run() async throws {
        let changes = try await self.connection.ask { cluster in
            let names = try await self.matching.names(self.names, of: "topic") {
                try await cluster.listTopics().map(\.name)
            }
            var failures: [String: KafkaClientError] = [:]
            // First what is easier to undo.
            for (name, error) in try await self.alterConfigs(of: names, cluster) { failures[name] = error }
            for (name, error) in try await self.addPartitions(to: names.filter { failures[$0] == nil }, cluster) {
                failures[name] = error
            }
            return names.map { name in
                ItemChange(name: name, outcome: failures[name] == nil ? "altered" : "failed", error: failures[name])
            }
        }
        try ChangeReport(changes).print(self.format)
    }

    private func alterConfigs(
        of names: [String], _ cluster: KafkaCluster
    ) async throws -> [(String, KafkaClientError)] {
        let alterations =
            self.config.map { ConfigAlteration.set($0.name, to: $0.value) }
            + self.deleteConfig.map(ConfigAlteration.delete)
        guard !alterations.isEmpty else { return [] }
        let all = names.map { (ConfigResource.topic($0), alterations) }
        return try await cluster.alterConfigs(Dictionary(all) { first, _ in first })
            .compactMap { resource, result in result.failure.map { (resource.name, $0) } }
    }

    private func addPartitions(
        to names: [String], _ cluster: KafkaCluster
    ) async throws -> [(String, KafkaClientError)] {
        guard let count = self.partitions, !names.isEmpty else { return [] }
        return try await cluster.createPartitions(Dictionary(names.map { ($0, count) }) { first, _ in first })
            .compactMap { item in item.result.failure.map { (item.name, $0) } }
    }
}
