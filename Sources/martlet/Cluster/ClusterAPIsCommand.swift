// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes
import KafkaWire

/// `martlet cluster apis`.
struct ClusterAPIsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apis",
        abstract: "Show which APIs of the protocol a broker serves, and in which versions.",
        discussion: """
            Without --broker it is the one that answers first.

            EXAMPLES
              martlet cluster apis
              martlet cluster apis --broker 2 -o json
            """
    )

    @Option(
        name: .long, help: ArgumentHelp("The broker, by its id.", valueName: "id"), completion: .names(of: .broker))
    var broker: Int32?

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (address, served) = try await self.connection.ask { cluster in
            let connection = try await self.connection(to: cluster)
            return (connection.address, connection.versions.all)
        }
        let apis = served.sorted { $0.key.rawValue < $1.key.rawValue }
        try self.format.print(Self.table(of: apis)) { json in
            json.object { json in
                json.name("broker")
                json.string("\(address)")
                json.name("apis")
                json.array { json in
                    for (key, versions) in apis {
                        json.object { json in
                            json.name("key")
                            json.integer(key.rawValue)
                            json.name("name")
                            json.string(key.name)
                            json.name("min")
                            json.integer(versions.lowerBound)
                            json.name("max")
                            json.integer(versions.upperBound)
                        }
                    }
                }
            }
        }
    }

    private func connection(to cluster: KafkaCluster) async throws -> KafkaConnection {
        guard let broker = self.broker else { return try await cluster.anyConnection() }
        let brokers = try await cluster.describeCluster().brokers
        guard let found = brokers.first(where: { $0.nodeID == NodeID(broker) }) else {
            throw KafkaClientError(.unknownBroker, "the cluster has no broker \(broker)")
        }
        return try await cluster.connection(to: found.address)
    }

    static func table(of apis: [(key: APIKey, value: ClosedRange<Int16>)]) -> TextTable {
        var table = TextTable([.init("KEY", .right), .init("API"), .init("MIN", .right), .init("MAX", .right)])
        for (key, versions) in apis {
            table.append(["\(key.rawValue)", key.name, "\(versions.lowerBound)", "\(versions.upperBound)"])
        }
        return table
    }
}
