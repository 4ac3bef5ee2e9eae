// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet cluster health`.
struct ClusterHealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Tell whether a cluster is whole: brokers, leaders, replicas, disks.",
        discussion: """
            The exit code is 0 when it is, and 1 when something is wrong. Whether a single broker is up is told by \
            `martlet health`, which is quicker.

            EXAMPLES
              martlet cluster health
              martlet cluster health -o json | jq '.checks[] | select(.ok | not)'
            """
    )

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let health = try await self.connection.ask { cluster in
            let page = try await ClusterPage.load(from: cluster)
            return ClusterHealth(page, directories: try await cluster.describeLogDirectories())
        }
        try self.format.print(lines: { health.lines(terminal: $0) }, json: { health.write(to: &$0) })
        if !health.isHealthy { try ExitStatus.failure.leave() }
    }
}

/// What was looked at, and what it came to.
struct ClusterHealth: Sendable, Equatable {
    struct Check: Sendable, Equatable {
        var name: String
        /// What is wrong; empty when nothing is.
        var findings: [String]
    }

    /// Partitions that a finding names one by one.
    static let partitionsNamedMax = 20

    var checks: [Check]

    var isHealthy: Bool { self.checks.allSatisfy(\.findings.isEmpty) }

    init(_ page: ClusterPage, directories: [NodeID: Result<LogDirectories, KafkaClientError>]) {
        var unreachable: [String] = []
        var unreadable: [String] = []
        for broker in page.cluster.brokers {
            switch directories[broker.nodeID] {
            case .success(let directories):
                for (_, result) in directories.sorted(by: { $0.key < $1.key }) {
                    if case .failure(let error) = result { unreadable.append(error.message) }
                }
            case .failure(let error): unreachable.append("broker \(broker.nodeID): \(error.message)")
            case nil: unreachable.append("broker \(broker.nodeID) was not asked")
            }
        }
        self.checks = [
            Check(name: "controller", findings: page.cluster.controller == nil ? ["there is no controller"] : []),
            Check(name: "brokers", findings: unreachable),
            Check(name: "leaders", findings: Self.findings(page.leaderless, "without a leader")),
            Check(name: "replicas", findings: Self.findings(page.underReplicated, "under-replicated")),
            Check(name: "disks", findings: unreadable),
        ]
    }

    private static func findings(_ partitions: [TopicPartition], _ what: String) -> [String] {
        guard !partitions.isEmpty else { return [] }
        let named = Array(partitions.prefix(Self.partitionsNamedMax))
        let more = partitions.count > named.count ? ", and \(partitions.count - named.count) more" : ""
        return ["\(what): \(named.shortText)\(more)"]
    }

    func lines(terminal: Terminal = .plain) -> [String] {
        self.checks.flatMap { check in
            let padding = String(repeating: " ", count: max(12 - check.name.count, 1))
            guard !check.findings.isEmpty else { return [check.name + padding + terminal.styled("ok", .good)] }
            return check.findings.map { check.name + padding + terminal.styled($0, .bad) }
        } + [self.isHealthy ? terminal.styled("healthy", .good) : terminal.styled("not healthy", .bad)]
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("healthy")
            json.bool(self.isHealthy)
            json.name("checks")
            json.array { json in
                for check in self.checks {
                    json.object { json in
                        json.name("name")
                        json.string(check.name)
                        json.name("ok")
                        json.bool(check.findings.isEmpty)
                        json.name("findings")
                        json.array { json in for finding in check.findings { json.string(finding) } }
                    }
                }
            }
        }
    }
}
