// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet topic alter`.
struct TopicAlterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter",
        abstract: "Add partitions to a topic, and change its configs.",
        discussion: """
            Records with a key may go to other partitions than before when partitions are added: their order across \
            the change is lost.

            EXAMPLES
              martlet topic alter orders --partitions 12
              martlet topic alter orders --config retention.ms=86400000 --delete-config max.message.bytes
            """
    )

    @Argument(help: "The topic.")
    var name: String

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

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard self.partitions != nil || !self.config.isEmpty || !self.deleteConfig.isEmpty else {
            throw ValidationError("Nothing to alter: give --partitions, --config or --delete-config.")
        }
        guard (self.partitions ?? 1) > 0 else { throw ValidationError("--partitions must be at least 1.") }
    }

    func run() async throws {
        let alterations =
            self.config.map { ConfigAlteration.set($0.name, to: $0.value) }
            + self.deleteConfig.map(ConfigAlteration.delete)
        try await self.connection.withCluster { cluster in
            // First what is easier to undo.
            if !alterations.isEmpty { try await cluster.alterConfigs(of: .topic(self.name), alterations) }
            if let partitions = self.partitions {
                try await cluster.createPartitions(topic: self.name, count: partitions)
            }
        }
        var output = StandardOutput()
        output.print("\(self.name) altered")
        try output.flush()
    }
}
