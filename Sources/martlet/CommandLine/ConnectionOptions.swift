// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How a command finds the cluster: the same for all commands but `serve`.
struct ConnectionOptions: ParsableArguments {
    /// The environment variable that stands in for `--bootstrap`.
    static let environmentVariable = "MARTLET_BOOTSTRAP"
    static let defaultBootstrap = "localhost:9092"

    @Option(
        name: [.customShort("b"), .customLong("bootstrap")],
        help: ArgumentHelp(
            "Brokers to ask first, separated by commas; one that answers is enough."
                + " (default: $\(Self.environmentVariable), or \(Self.defaultBootstrap))",
            valueName: "host:port"))
    var bootstrap: String?

    @Option(
        name: .customLong("timeout"),
        help: ArgumentHelp(
            "Seconds to wait for a connection, and for each answer. (default: \(Self.defaultTimeout))",
            valueName: "seconds"))
    var givenTimeout: Double?

    /// Seconds.
    static let defaultTimeout = 30.0

    /// Seconds to wait for a connection, and for each answer.
    var timeout: Double { self.givenTimeout ?? Self.defaultTimeout }

    @OptionGroup var security: SecurityOptions

    mutating func validate() throws {
        _ = try self.addresses()
        guard self.timeout > 0, self.timeout <= 86_400 else {
            throw ValidationError("--timeout takes seconds, more than 0 and at most 86400.")
        }
    }

    func addresses(environment: String? = Self.environment) throws -> [BrokerAddress] {
        let text = self.bootstrap ?? environment ?? Self.defaultBootstrap
        guard let addresses = BrokerAddress.list(text) else {
            let origin = self.bootstrap == nil ? "$\(Self.environmentVariable)" : "--bootstrap"
            throw ValidationError("\(origin) takes host:port, or several separated by commas, and not '\(text)'.")
        }
        return addresses
    }

    static var environment: String? {
        getenv(Self.environmentVariable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Runs `body`, a question that has an answer, and gives up after `timeout`: retries, other brokers and all.
    func ask<Result: Sendable>(
        _ body: @escaping @Sendable (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let limit = Duration.seconds(self.timeout)
        return try await withThrowingTaskGroup(of: Result.self) { tasks in
            tasks.addTask { try await self.withCluster(body) }
            tasks.addTask {
                try await Task.sleep(for: limit + Self.grace)
                throw KafkaClientError(
                    .timedOut,
                    "\(try self.addresses().map(\.description).joined(separator: ", ")) did not answer"
                        + " everything within \(limit.shortText)")
            }
            defer { tasks.cancelAll() }
            guard let first = try await tasks.next() else { throw CancellationError() }
            return first
        }
    }

    /// What a single request that is late gets to say so itself: its error knows more.
    private static let grace = Duration.milliseconds(200)

    /// Runs `body` with the cluster, whose connections end with it. `patience` is how often a cluster that was reached
    /// before is tried again, about once a second.
    func withCluster<Result: Sendable>(
        patience: Int? = nil, _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        var configuration = KafkaClusterConfiguration(
            bootstrap: try self.addresses(), security: try self.security.security())
        configuration.connection.requestTimeout = .seconds(self.timeout)
        configuration.connection.connectTimeout = .seconds(min(self.timeout, 10))
        if let patience { configuration.retry.attemptsMax = patience }
        return try await KafkaCluster.withCluster(configuration, body)
    }
}
