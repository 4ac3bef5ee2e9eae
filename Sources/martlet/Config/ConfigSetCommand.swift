// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet config set`.
struct ConfigSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set configs while the cluster runs.",
        discussion: """
            Of each topic, broker or group all configs are set or none.

            EXAMPLES
              martlet config set --topic orders retention.ms=86400000 max.message.bytes=2000000
              martlet config set --broker 1 log.dir.min.free.bytes=200000000
              martlet config set --group payments consumer.session.timeout.ms=30000 --dry-run
            """
    )

    @Argument(help: ArgumentHelp("Configs and their new values.", valueName: "name=value"))
    var assignments: [ConfigAssignment]

    @OptionGroup var target: ConfigResourceOptions

    @Flag(name: .long, help: "Ask the broker whether it would, and change nothing.")
    var dryRun = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let alterations = self.assignments.map { ConfigAlteration.set($0.name, to: $0.value) }
        try await ConfigChange(resources: self.target.resources, isDryRun: self.dryRun)
            .carryOut(alterations, outcome: "altered", self.connection, self.format)
    }
}

/// `martlet config delete`.
struct ConfigDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Put configs back to what holds when nobody sets them.",
        discussion: """
            A config that is not set stays as it is, without an error.

            EXAMPLES
              martlet config delete --topic orders retention.ms
              martlet config delete --all-brokers log.retention.ms
            """
    )

    @Argument(help: "The configs.")
    var names: [String]

    @OptionGroup var target: ConfigResourceOptions

    @Flag(name: .long, help: "Ask the broker whether it would, and change nothing.")
    var dryRun = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await ConfigChange(resources: self.target.resources, isDryRun: self.dryRun)
            .carryOut(self.names.map(ConfigAlteration.delete), outcome: "altered", self.connection, self.format)
    }
}

/// The same change for several resources.
private struct ConfigChange {
    var resources: [ConfigResource]
    var isDryRun: Bool

    func carryOut(
        _ alterations: [ConfigAlteration], outcome: String, _ connection: ConnectionOptions, _ format: OutputOptions
    ) async throws {
        let (resources, isDryRun) = (self.resources, self.isDryRun)
        let results = try await connection.ask { cluster in
            let all = resources.map { ($0, alterations) }
            return try await cluster.alterConfigs(Dictionary(all) { first, _ in first }, validatesOnly: isDryRun)
        }
        let changes = resources.map { resource in
            let error =
                switch results[resource] {
                case .success: KafkaClientError?.none
                case .failure(let error): error
                case nil: KafkaClientError(.malformedResponse, "the answer lacks \(resource.text)")
                }
            return ItemChange(
                name: resource.name, kind: resource.name.isEmpty ? "all brokers" : resource.kindText,
                outcome: error == nil ? (isDryRun ? "valid" : outcome) : "failed", error: error)
        }
        defer { if isDryRun { StandardError.print("dry run: nothing was changed") } }
        try ChangeReport(changes).print(format)
    }
}
