// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import CommitLog
import KafkaClient

/// How a command finds the cluster: the same for all commands but `serve`.
struct ConnectionOptions: ParsableArguments {
    /// The environment variable that stands in for `--bootstrap`.
    static let environmentVariable = "MARTLET_BOOTSTRAP"
    static let defaultBootstrap = "localhost:9092"
    /// No connection may take longer to be made, in seconds, whatever `--timeout` says: there may be other brokers.
    static let connectSecondsMax = 10.0

    @Option(
        name: [.customShort("b"), .customLong("bootstrap"), .customLong("bootstrap-server")],
        help: ArgumentHelp(
            "Brokers to ask first, separated by commas; one that answers is enough."
                + " (default: $\(Self.environmentVariable), the context, or \(Self.defaultBootstrap))",
            valueName: "host:port"))
    var bootstrap: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The cluster and login that `martlet context add` has saved under this name."
                + " (default: $\(ConnectionTarget.contextVariable), or the current one)", valueName: "name"),
        completion: .contextNames)
    var context: String?

    @Option(
        name: .customLong("timeout"),
        help: ArgumentHelp(
            "How long to wait for a connection, and for each answer: seconds, or with a unit, such as 500ms or 2m."
                + " (default: \(Int(Self.defaultTimeout))s)", valueName: "time"),
        transform: ConnectionOptions.seconds)
    var givenTimeout: Double?

    /// Seconds.
    static let defaultTimeout = 30.0

    private static func seconds(_ argument: String) throws -> Double {
        if let seconds = Double(argument) { return seconds }
        guard let milliseconds = TypedDuration.milliseconds(argument) else {
            throw ValidationError("'\(argument)' is no length of time, such as 2, 0.5, 2s or 500ms.")
        }
        return Double(milliseconds) / 1000
    }

    /// Seconds to wait for a connection, and for each answer.
    var timeout: Double { self.givenTimeout ?? Self.defaultTimeout }

    @OptionGroup var security: SecurityOptions

    func validate() throws {
        if let bootstrap = self.bootstrap, BrokerAddress.list(bootstrap) == nil {
            throw ValidationError(
                "--bootstrap takes host:port, or several separated by commas, and not '\(bootstrap)'.")
        }
        guard self.timeout > 0, self.timeout <= 86_400 else {
            throw ValidationError("--timeout takes seconds, more than 0 and at most 86400.")
        }
    }

    /// What options, environment and contexts come to. Throws `CommandFailure`.
    func target(
        environment: (String) -> String? = SecurityOptions.environment,
        book: () throws -> ContextBook = Self.savedContexts
    ) throws -> ConnectionTarget {
        try ConnectionTarget.resolve(
            bootstrap: self.bootstrap, context: self.context, options: self.security.settings,
            environment: environment, book: book)
    }

    /// Empty where there is no place for contexts.
    static func savedContexts() throws -> ContextBook {
        guard let file = ContextFile() else { return ContextBook() }
        let book = try file.load()
        for warning in file.warnings(about: book) { StandardError.print("warning: \(warning)") }
        return book
    }

    /// How the client of a target is configured.
    func configuration(_ target: ConnectionTarget) -> KafkaClusterConfiguration {
        var configuration = KafkaClusterConfiguration(bootstrap: target.addresses, security: target.security)
        configuration.connection.requestTimeout = .seconds(self.timeout)
        configuration.connection.connectTimeout = .seconds(min(self.timeout, Self.connectSecondsMax))
        return configuration
    }

    /// Runs `body`, a question that has an answer, and gives up after `timeout`: retries, other brokers and all.
    func ask<Result: Sendable>(
        _ body: @escaping @Sendable (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let target = try self.target()
        return try await self.inTime(target) { try await self.withCluster(target, body) }
    }

    /// Runs `body` with the cluster, whose connections end with it, for as long as it likes; but the cluster has to give
    /// a sign of life within `timeout` first. `patience` is how often a cluster that was reached before is tried again,
    /// about once a second; `prepare` may change how its clients are configured.
    func withCluster<Result: Sendable>(
        patience: Int? = nil, prepare: (inout KafkaClusterConfiguration) -> Void = { _ in },
        _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let target = try self.target()
        return try await self.withCluster(target, patience: patience, prepare: prepare) { cluster in
            _ = try await self.inTime(target) { try await cluster.describeCluster() }
            return try await body(cluster)
        }
    }

    private func withCluster<Result: Sendable>(
        _ target: ConnectionTarget, patience: Int? = nil,
        prepare: (inout KafkaClusterConfiguration) -> Void = { _ in }, _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        try Self.checkFiles(target.security.tls)
        var configuration = self.configuration(target)
        prepare(&configuration)
        if let patience { configuration.retry.attemptsMax = patience }
        do {
            return try await KafkaCluster.withCluster(configuration, body)
        } catch let error as KafkaClientError {
            throw ConnectionFailure(error: error, target: target)
        }
    }

    /// Throws `CommandFailure` for a file that was named and is not there: what TLS has to say of it is less clear.
    private static func checkFiles(_ tls: KafkaTLSConfiguration?) throws {
        guard let tls else { return }
        var files: [KafkaTLSConfiguration.PEM] = []
        if case .only(let file) = tls.trustRoots { files.append(file) }
        if let identity = tls.identity { files += [identity.certificateChain, identity.privateKey] }
        for path in files.compactMap(\.path) {
            guard case .some(.none) = try? POSIXFileSystem().status(path) else { continue }
            throw CommandFailure(
                "the file \(path), which TLS needs, does not exist",
                hint: "--tls-ca, --tls-cert and --tls-key name such files, and so may a context", status: .notFound)
        }
    }

    /// What a single request that is late gets to say so itself: its error knows more.
    private static let grace = Duration.milliseconds(200)

    /// Runs `body` and throws `timedOut` when it takes longer than `timeout`.
    private func inTime<Result: Sendable>(
        _ target: ConnectionTarget, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let limit = Duration.seconds(self.timeout)
        return try await TimeLimit.run(limit + Self.grace) {
            let addresses = target.addresses.map(\.description).joined(separator: ", ")
            let error = KafkaClientError(
                .timedOut, "the cluster at \(addresses) did not answer everything within \(limit.shortText)")
            return ConnectionFailure(error: error, target: target)
        } _: {
            try await body()
        }
    }
}

/// An error of the client, with what the command line knows about the cluster that it happened with.
struct ConnectionFailure: CommandLineFailure {
    var error: KafkaClientError
    var target: ConnectionTarget

    func report() -> FailureReport { self.error.report(target: self.target) }
}
