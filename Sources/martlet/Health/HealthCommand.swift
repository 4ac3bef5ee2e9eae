// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet health`.
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Say whether a broker takes requests: for container checks.",
        discussion: """
            Connects, exchanges versions and asks for the cluster's controller. Prints one line, and ends with 0 when \
            the broker answers as it should, else with 1; never with 2, which container engines keep for themselves. \
            Of several addresses in -b one that answers is enough.

            --ready asks for more: every partition has a leader, and the consumer groups have been read.

            Nothing is written or created, and nothing is tried twice: the engine that asks does that.

            EXAMPLES
              martlet health
              martlet health -b 127.0.0.1:9092 --timeout 500ms --ready
              HEALTHCHECK CMD ["martlet", "health"]
            """
    )

    /// How long the whole check may take when `--timeout` says nothing: less than the intervals of container engines.
    static let defaultTimeout = Duration.seconds(2)

    @Flag(name: .long, help: "Ask, too, whether clients can work: all partitions have leaders, groups are loaded.")
    var ready = false

    @OptionGroup var format: OutputOptions

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let target = try self.connection.target()
        let (addresses, security) = (target.addresses, target.security)
        let timeout = self.connection.givenTimeout.map { Duration.seconds($0) } ?? Self.defaultTimeout
        let depth: BrokerProbe.Depth = self.ready ? .readiness : .liveness
        let clock = ContinuousClock()
        let start = clock.now
        let report: HealthVerdict
        do {
            let probe = try await TimeLimit.run(timeout) {
                KafkaClientError(
                    .timedOut,
                    "\(addresses.map { "\($0)" }.joined(separator: ", ")): no answer within \(timeout.shortText)")
            } _: {
                try await BrokerProbe.askFirst(of: addresses, security: security, timeout: timeout, depth: depth)
            }
            report = HealthVerdict(addresses: addresses, probe: probe, took: start.duration(to: clock.now))
        } catch {
            report = HealthVerdict(addresses: addresses, failure: error, took: start.duration(to: clock.now))
        }
        try self.format.print(lines: { [report.line($0)] }, json: report.write)
        if !report.isHealthy { try ExitStatus.failure.leave() }
    }
}
