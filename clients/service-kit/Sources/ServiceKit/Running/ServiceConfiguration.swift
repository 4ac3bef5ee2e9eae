// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import Logging
import Tracing

/// How a replica is told where it is: by its environment, as containers are.
public struct ServiceConfiguration: Sendable {
    /// The service, the same for all its replicas.
    public var name: String
    /// `KAFKA_BOOTSTRAP`: brokers to ask first. Default: 127.0.0.1:9092.
    public var bootstrap = [BrokerAddress(host: "127.0.0.1")]
    /// `HOST`: the address to serve HTTP on. Default: 127.0.0.1.
    public var host = "127.0.0.1"
    /// `PORT`: the port to serve HTTP on. Default: 8080.
    public var port = 8080
    /// `DATABASE`: the file that all replicas of this service share. Default: the name of the service, in the folder it
    /// was started in.
    public var database: String
    /// `REPLICA`: tells this replica from the others, and stays when it is started again. It is the instance id of the
    /// consumers (static membership, KIP-345) and the holder of the outbox's lease. Default: the name of the service.
    public var replica: String
    /// `PARTITIONS`: of topics that are made. Default: 6.
    public var partitions: Int32 = 6
    /// `RETRY_DELAYS`: seconds, separated by commas. Default: 1,10,60.
    public var retryPlan = RetryPlan()
    /// `SHUTDOWN_SECONDS`: what a graceful shutdown may take. Default: 20.
    public var shutdownTimeout: Duration = .seconds(20)
    /// `LOG_LEVEL`: trace, debug, info, notice, warning, error or critical. Default: info.
    public var logLevel = Logger.Level.info
    /// `TRACE_LOG=1`: write finished spans to standard error. Default: no.
    public var logsTraces = false
    /// How long handled events are remembered: longer than topics keep them, by default 7 days in Kafka.
    public var inboxRetention: Duration = .seconds(8 * 86_400)

    /// The defaults.
    public init(name: String) {
        self.name = name
        self.database = "\(name).sqlite"
        self.replica = name
    }

    /// What the environment says; throws when a value makes no sense.
    public init(name: String, environment: [String: String]) throws {
        self.init(name: name)
        func read<Value>(_ key: String, _ into: inout Value, _ parse: (String) -> Value?) throws {
            guard let text = environment[key], !text.isEmpty else { return }
            guard let value = parse(text) else { throw InvalidSetting(key: key, value: text) }
            into = value
        }
        try read("KAFKA_BOOTSTRAP", &self.bootstrap) { BrokerAddress.list($0) }
        try read("HOST", &self.host) { $0 }
        try read("PORT", &self.port) { Int($0).flatMap { (0...65535).contains($0) ? $0 : nil } }
        try read("DATABASE", &self.database) { $0 }
        try read("REPLICA", &self.replica) { $0 }
        try read("PARTITIONS", &self.partitions) { Int32($0).flatMap { $0 > 0 ? $0 : nil } }
        try read("RETRY_DELAYS", &self.retryPlan.delays) { text in
            let seconds = text.split(separator: ",").map { Double($0) }
            guard seconds.allSatisfy({ $0.map { $0 >= 0 && $0 < 86_400 } ?? false }) else { return nil }
            return seconds.compactMap { $0 }.map { .seconds($0) }
        }
        try read("SHUTDOWN_SECONDS", &self.shutdownTimeout) { Int($0).flatMap { $0 > 0 ? .seconds($0) : nil } }
        try read("LOG_LEVEL", &self.logLevel) { Logger.Level(rawValue: $0.lowercased()) }
        try read("TRACE_LOG", &self.logsTraces) { $0 == "1" }
    }

    /// Sets up logging and tracing for this process. Call it once, first.
    public func bootstrapObservability() {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        if self.logsTraces { InstrumentationSystem.bootstrap(LogTracer(service: self.replica)) }
    }

    /// A logger for this replica.
    public var logger: Logger {
        var logger = Logger(label: self.name)
        logger.logLevel = self.logLevel
        logger[metadataKey: "replica"] = "\(self.replica)"
        return logger
    }
}

/// A variable of the environment that makes no sense.
struct InvalidSetting: Error, CustomStringConvertible {
    var key: String
    var value: String

    var description: String { "the environment says \(self.key)=\(self.value), which cannot be used" }
}
