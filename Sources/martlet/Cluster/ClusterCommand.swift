// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet cluster`: what a cluster consists of and how it is.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Show a cluster: brokers, health, disks, APIs.",
        discussion: """
            EXAMPLES
              martlet cluster info
              martlet cluster health && deploy
              martlet cluster brokers -o wide
              martlet cluster logdirs --topic orders
              martlet cluster apis --broker 1
            """,
        subcommands: [
            ClusterInfoCommand.self, ClusterBrokersCommand.self, ClusterHealthCommand.self,
            ClusterLogDirsCommand.self, ClusterAPIsCommand.self,
        ]
    )
}

/// `martlet cluster info`.
struct ClusterInfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show what a cluster consists of.",
        discussion: """
            -o wide shows the partitions, too, that have no leader or fewer copies than they should, and the features \
            of the cluster.

            EXAMPLES
              martlet cluster info
              martlet cluster info -o json | jq .brokers
            """
    )

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let page = try await self.connection.ask { try await ClusterPage.load(from: $0) }
        try self.format.print(
            lines: { page.lines(isWide: self.format.isWide, terminal: $0) }, json: { page.write(to: &$0) })
    }
}

/// `martlet cluster brokers`.
struct ClusterBrokersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "brokers",
        abstract: "List the brokers, where they are and what they have.",
        discussion: """
            LEADS is of how many partitions a broker is the leader, REPLICAS of how many it has a copy.

            EXAMPLES
              martlet cluster brokers -o wide
            """
    )

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isWide = self.format.isWide
        let (page, directories) = try await self.connection.ask { cluster in
            let page = try await ClusterPage.load(from: cluster)
            return (page, isWide ? try await cluster.describeLogDirectories() : [:])
        }
        try self.format.print(page.brokerTable(directories: isWide ? directories : nil)) { json in
            json.array { json in for broker in page.cluster.brokers { page.write(broker, to: &json) } }
        }
    }
}
