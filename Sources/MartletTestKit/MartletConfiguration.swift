// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Logging

/// What kind of broker a test gets.
///
/// The defaults are those of `martlet serve`, but for a few that make tests quick: one thread of each kind, one partition
/// for all consumer groups, and no waiting for more members before the first rebalance of a group. `configs` says
/// otherwise.
public struct MartletConfiguration: Sendable {
    /// Kafka's configs by name, as `martlet serve --set` takes them: `["num.partitions": "3"]`.
    ///
    /// Those of addresses, threads and directories have no effect: `listeners`, `advertised.listeners`, `log.dirs`.
    public var configs: [String: String]
    /// Topics that are there from the start. Others are made when a client first asks for them, unless
    /// `auto.create.topics.enable` is `false`.
    public var topics: [MartletTopic]
    /// Where the log is.
    public var storage: MartletStorage
    /// How many brokers clients see, from 1 to 100; see ``Martlet/nodes``. Their ids follow one another from `node.id` on.
    public var nodes: Int
    /// How the broker's time passes; see ``Martlet/clock``.
    public var time: MartletTime
    /// Where the broker writes what happens; nowhere unless a test says so.
    public var logger: Logger

    /// Configs that differ from those of `martlet serve` where a test does not set them.
    public static let defaultConfigs: [String: String] = [
        "group.initial.rebalance.delay.ms": "0",
        "num.io.threads": "1",
        "num.network.threads": "1",
        "offsets.topic.num.partitions": "1",
    ]

    /// A broker with these configs and topics, its log in memory, that logs nothing.
    public init(
        configs: [String: String] = [:],
        topics: [MartletTopic] = [],
        storage: MartletStorage = .memory,
        nodes: Int = 1,
        time: MartletTime = .passing,
        logger: Logger = Logger(label: "martlet") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.configs = configs
        self.topics = topics
        self.storage = storage
        self.nodes = nodes
        self.time = time
        self.logger = logger
    }
}

/// Where a broker keeps its log.
public enum MartletStorage: Sendable, Hashable {
    /// On a disk in memory that knows what was synced, so that ``Martlet/losePower(_:)`` takes the rest. A byte of the
    /// log takes about two of memory. Fetched records are copied.
    case memory
    /// In a folder of its own in `TMPDIR`, or in `/tmp` without that, which goes away with the broker. Real files, real
    /// syncs, and `sendfile`.
    case temporaryDirectory
}

/// A topic that is there when the broker starts. A string literal is one with `num.partitions` partitions.
public struct MartletTopic: Sendable, Hashable, ExpressibleByStringLiteral {
    /// Its name, as Kafka allows it.
    public var name: String
    /// How many partitions it has, at least 1; nil: the broker's `num.partitions`.
    public var partitions: Int?
    /// Kafka's topic configs by name: `["cleanup.policy": "compact"]`.
    public var configs: [String: String]

    /// A topic to be made.
    public init(_ name: String, partitions: Int? = nil, configs: [String: String] = [:]) {
        self.name = name
        self.partitions = partitions
        self.configs = configs
    }

    /// A topic with the broker's defaults.
    public init(stringLiteral name: String) { self.init(name) }
}
