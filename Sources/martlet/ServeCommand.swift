// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import CommitLog
import Logging
import ServeConfiguration

/// `martlet serve`: runs the broker until it is told to stop.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the broker.",
        discussion: """
            Without options it listens on every interface at port 9092 and keeps its data in ./martlet-data.

            Configuration is Kafka's, by Kafka's names. What is set in several places comes from the first of: \
            --set and the options below, KAFKA_* environment variables (log.retention.ms is KAFKA_LOG_RETENTION_MS), \
            the file of --config (.properties or .yaml), the defaults.

            SIGTERM or SIGINT stop the broker: requests under way are answered, the logs are closed, and the exit \
            code is 0. A second signal does not wait for the requests.

            EXAMPLES
              martlet serve --listen 127.0.0.1:9092 --data-dir /var/lib/martlet
              martlet serve --config server.properties --set num.partitions=6
            """
    )

    @Option(
        name: .shortAndLong, help: "A file of configs: Java properties, or YAML by its ending.", completion: .file())
    var config: String?

    @Option(name: .long, help: "A config as name=value; may be given several times.")
    var set: [ConfigAssignment] = []

    @Option(name: .long, help: "The address to listen on, host:port; port 0 lets the system choose. (listeners)")
    var listen: String?

    @Option(name: .long, help: "The directory for logs and metadata. (log.dirs)", completion: .directory)
    var dataDir: String?

    @Option(
        name: .long,
        help:
            "Serve /metrics, /healthz and /readyz by HTTP on host:port; port 0 lets the system choose. (admin.listeners)"
    )
    var admin: String?

    @Option(
        name: .long, help: "How the log is written to standard error: text or json. (log.format)",
        completion: .list(["text", "json"]))
    var logFormat: String?

    @Option(
        name: .long,
        help: "The least that is logged: trace, debug, info, notice, warning, error or critical. (log.level)",
        completion: .list(Logger.Level.allCases.map(\.rawValue)))
    var logLevel: String?

    func run() async throws {
        var values = Dictionary(self.set.map { ($0.name, $0.value) }) { _, later in later }
        if let listen = self.listen { values["listeners"] = "PLAINTEXT://\(listen)" }
        if let dataDir = self.dataDir { values["log.dirs"] = dataDir }
        if let admin = self.admin { values["admin.listeners"] = admin }
        if let logFormat = self.logFormat { values["log.format"] = logFormat }
        if let logLevel = self.logLevel { values["log.level"] = logLevel }
        if let file = self.config, case .some(.none) = try? POSIXFileSystem().status(file) {
            throw CommandFailure("the file of configs, \(file), does not exist", status: .notFound)
        }
        let machine = MachineLimits.current()
        let sizing = Sizing(machine)
        do {
            let loaded = try LoadedConfiguration.load(
                commandLine: values,
                environment: ProcessEnvironment.all,
                file: self.config,
                machine: sizing.configs
            )
            try await BrokerProcess(loaded, machine, sizing).run()
        } catch let error as any CustomStringConvertible & Error {
            throw CommandFailure("\(error)")
        }
    }
}

/// `name=value` on the command line.
struct ConfigAssignment: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
        self.name = String(argument[..<equals])
        self.value = String(argument[argument.index(after: equals)...])
    }
}
