// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The broker configs that Martlet knows, by Kafka's names.
public enum BrokerConfigDefinitions {
    /// All of them in the order of their names.
    public static let all: [ConfigDefinition] =
        (identity + network + limits + logs + logDefaults + classicGroups + consumerGroups + offsets + transactions)
        .sorted { $0.name < $1.name }

    private static let byName: [String: ConfigDefinition] =
        Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The definition of a broker config, or nil if there is none of that name.
    public static func definition(_ name: String) -> ConfigDefinition? { byName[name] }

    /// The definition of a broker config. Throws `unknownName`, with the nearest name there is.
    public static func require(_ name: String) throws(ConfigError) -> ConfigDefinition {
        if let definition = byName[name] { return definition }
        let hint = self.suggestion(for: name).map { "; did you mean \($0)?" } ?? ""
        let shown = name.prefix(ConfigError.valueCharactersMax)
        throw ConfigError(.unknownName, name: name, message: "Unknown broker config name: \(shown)\(hint)")
    }

    /// The known name that an unknown one was perhaps meant to be.
    public static func suggestion(for name: String) -> String? {
        NameSuggestion.nearest(to: name, in: all.lazy.map(\.name))
    }

    /// Whether a name belongs to Kafka's configuration but asks for something that Martlet has no use for, such as
    /// the controller quorum. Such keys come with files and compose files written for Kafka and are passed over.
    public static func isWithoutEffect(_ name: String) -> Bool {
        let prefixes = [
            "controller.quorum.", "metadata.log.", "metadata.max.", "zookeeper.", "replica.", "quorum.", "metrics.",
            "metric.", "log.cleaner.", "remote.log.", "confluent.", "kafka.metrics.", "replication.quota.",
            "group.share.",
            "group.streams.", "share.coordinator.",
        ]
        let names: Set<String> = [
            "process.roles", "inter.broker.listener.name", "security.inter.broker.protocol",
            "inter.broker.protocol.version", "auto.leader.rebalance.enable", "num.recovery.threads.per.data.dir",
            "num.replica.fetchers", "background.threads", "num.replica.alter.log.dirs.threads",
            "broker.heartbeat.interval.ms", "broker.session.timeout.ms", "controlled.shutdown.enable", "broker.rack",
            "socket.listen.backlog.size", "early.start.listeners", "unstable.api.versions.enable",
            "group.coordinator.rebalance.protocols", "group.coordinator.new.enable", "group.coordinator.threads",
            "group.coordinator.background.threads", "group.coordinator.append.linger.ms",
            "group.coordinator.cached.buffer.max.bytes", "group.consumer.regex.refresh.interval.ms",
            "offsets.load.buffer.size", "offsets.commit.timeout.ms", "offsets.commit.required.acks",
        ]
        return byName[name] == nil && (names.contains(name) || prefixes.contains { name.hasPrefix($0) })
    }

    private static let identity: [ConfigDefinition] = [
        ConfigDefinition(
            "node.id", .int, "1", "The number of this broker in its cluster.", .atLeast(0), kafka: .none),
        ConfigDefinition(
            "broker.id", .int, nil, "Kafka's older name of node.id, which wins if both are set.",
            .atLeast(0), kafka: .none),
        ConfigDefinition(
            "cluster.id", .string, nil,
            "The id of the cluster, for a broker whose data directory is new; drawn at random if not set.",
            .nonEmpty, kafka: .none),
        ConfigDefinition(
            "log.level", .string, "info",
            "How much is logged: trace, debug, info, notice, warning, error or critical.",
            .oneOfIgnoringCase(["trace", "debug", "info", "notice", "warning", "error", "critical"]), kafka: .none),
        ConfigDefinition(
            "log.format", .string, "text",
            "How the broker's own log is written: text for people, json with one object a line for machines.",
            .oneOfIgnoringCase(["text", "json"]), kafka: .none),
    ]

    private static let network: [ConfigDefinition] = [
        ConfigDefinition(
            "listeners", .list, "PLAINTEXT://:9092",
            """
            Where the broker listens: name://host:port with commas between. No host: all interfaces. Port 0: any free \
            port.
            """,
            .nonEmptyList),
        ConfigDefinition(
            "advertised.listeners", .list, nil,
            """
            The addresses that clients are told, name://host:port. If not set, each client is told the address that \
            its own connection reached, which works through port mappings that keep the port, and through Services.
            """,
            .nonEmptyList),
        ConfigDefinition(
            "listener.security.protocol.map", .list,
            "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "Which protocol each listener name stands for. Only PLAINTEXT is supported."),
        ConfigDefinition(
            "controller.listener.names", .list, nil,
            "Listeners meant for Kafka's controllers. Martlet has none and does not open them."),
        ConfigDefinition(
            "admin.listeners", .list, nil,
            """
            Where metrics and health are served by HTTP: host:port with commas between, such as 0.0.0.0:9644. No host: \
            all interfaces. Port 0: any free port. Not set: nowhere. Whoever reaches it sees names of topics and groups.
            """,
            .nonEmptyList, kafka: .none),
        ConfigDefinition(
            "num.network.threads", .int, nil,
            "Threads that serve connections. If not set, by the number of processor cores.",
            .between(1, 1024), kafka: "3"),
        ConfigDefinition(
            "num.io.threads", .int, nil,
            "Threads that write to the logs. If not set, by the number of processor cores.",
            .between(1, 1024), kafka: "8"),
        ConfigDefinition(
            "socket.send.buffer.bytes", .int, "-1", "SO_SNDBUF of connections; -1 for the system's choice.",
            .atLeast(-1), kafka: "102400"),
        ConfigDefinition(
            "socket.receive.buffer.bytes", .int, "-1", "SO_RCVBUF of connections; -1 for the system's choice.",
            .atLeast(-1), kafka: "102400"),
    ]

    private static let limits: [ConfigDefinition] = [
        ConfigDefinition(
            "socket.request.max.bytes", .int, "104857600",
            "The largest request; the connection that announces a larger one is closed.", .atLeast(1)),
        ConfigDefinition(
            "max.connections", .int, "2147483647", "The most connections at a time.", .atLeast(0),
            update: .clusterWide),
        ConfigDefinition(
            "max.connections.per.ip", .int, "2147483647", "The most connections from one address at a time.",
            .atLeast(0), update: .clusterWide),
        ConfigDefinition(
            "connections.max.idle.ms", .long, "600000", "Milliseconds after which an idle connection is closed."),
        ConfigDefinition(
            "queued.max.request.bytes", .long, "-1",
            """
            The most bytes of requests being worked on in the whole broker; past it sockets are not read. \
            -1: the broker's own bound.
            """),
        ConfigDefinition(
            "queued.max.requests", .int, "500", "The most requests of one connection being worked on.", .atLeast(1)),
        ConfigDefinition(
            "fetch.max.bytes", .int, "57671680", "The most record bytes of one Fetch answer.", .atLeast(1024)),
        ConfigDefinition(
            "max.incremental.fetch.session.cache.slots", .int, "1000", "The most incremental fetch sessions kept.",
            .atLeast(0)),
    ]

    private static let logs: [ConfigDefinition] = [
        ConfigDefinition(
            "log.dir", .string, "martlet-data", "Where the records are kept; used if log.dirs is not set.",
            .nonEmpty, kafka: "/tmp/kafka-logs"),
        ConfigDefinition(
            "log.dirs", .list, nil, "Where the records are kept, with commas between directories.", .nonEmptyList),
        ConfigDefinition(
            "log.dir.min.free.bytes", .long, "-1",
            """
            With fewer bytes than this free on the file system of the records, Produce is refused with \
            KAFKA_STORAGE_ERROR and no topics or partitions are made; everything else goes on, and Produce by itself \
            when a little more is free. -1: 5 % of the file system, at least 64 MiB and at most 1 GiB, but never more \
            than a quarter of it. 0: only when a write finds no room.
            """,
            .atLeast(-1), kafka: .none, update: .clusterWide),
        ConfigDefinition(
            "num.partitions", .int, "1", "Partitions of a topic made without saying how many.",
            .atLeast(1)),
        ConfigDefinition(
            "default.replication.factor", .int, "1", "Replicas of a topic made without saying how many.",
            .atLeast(1)),
        ConfigDefinition(
            "auto.create.topics.enable", .boolean, "true", "Make a topic when a client first asks for it."),
        ConfigDefinition("delete.topic.enable", .boolean, "true", "Allow topics to be deleted."),
        ConfigDefinition(
            "log.retention.check.interval.ms", .long, "300000",
            "Milliseconds between looks for segments past their retention.", .atLeast(1)),
        ConfigDefinition(
            "log.scrub.bytes.per.second", .long, "8388608",
            """
            The most bytes a second that are read of segments that are no longer written to, in search of records that \
            were damaged on disk. 0 or -1: nothing is read.
            """,
            .atLeast(-1), kafka: .none),
        ConfigDefinition(
            "log.scrub.interval.ms", .long, "604800000",
            """
            Milliseconds in which each segment that is no longer written to is read once in search of damaged records, \
            as far as log.scrub.bytes.per.second allows. 0 or -1: never.
            """,
            .atLeast(-1), kafka: .none),
        ConfigDefinition(
            "log.flush.offset.checkpoint.interval.ms", .int, "60000",
            "Milliseconds between writes of the recovery points.", .atLeast(0)),
        ConfigDefinition(
            "log.flush.start.offset.checkpoint.interval.ms", .int, "60000",
            "Milliseconds between writes of the log start offsets.", .atLeast(0)),
        ConfigDefinition(
            "log.cleaner.enable", .boolean, "true",
            "Whether topics with cleanup.policy=compact are compacted."),
        ConfigDefinition(
            "log.cleaner.backoff.ms", .long, "15000",
            "Milliseconds between looks for logs to compact when there was none.", .atLeast(0), update: .clusterWide),
        ConfigDefinition(
            "log.cleaner.dedupe.buffer.size", .long, "16777216",
            """
            Bytes for the map of keys of the log that is being compacted, 24 for each key; the memory is given back in \
            between. A log with more keys is compacted in several runs. Kafka's 128 MiB is more than this broker uses \
            for everything else.
            """,
            .atLeast(1_048_576), kafka: "134217728", update: .clusterWide),
        ConfigDefinition(
            "log.cleaner.io.max.bytes.per.second", .double, "52428800",
            """
            The most bytes per second that compaction reads and writes together, so that it leaves disk and processor \
            to producers and consumers; of compressed records the inflated bytes count. Kafka sets no limit.
            """,
            kafka: "1.7976931348623157E308", update: .clusterWide),
        ConfigDefinition(
            "producer.id.expiration.ms", .int, "86400000",
            "Milliseconds after which the sequence of a silent producer is forgotten.", .atLeast(1),
            update: .clusterWide),
        ConfigDefinition(
            "producer.id.expiration.check.interval.ms", .int, "600000",
            "Milliseconds between looks for silent producers.", .atLeast(1)),
        ConfigDefinition(
            "transactional.id.expiration.ms", .int, "604800000",
            "Milliseconds after which a silent transactional id is forgotten.", .atLeast(1)),
        ConfigDefinition(
            "transaction.max.timeout.ms", .int, "900000",
            "The longest transaction a producer may ask for, in milliseconds.", .atLeast(1)),
    ]

    private static let transactions: [ConfigDefinition] = [
        ConfigDefinition(
            "transaction.state.log.num.partitions", .int, "50", "Partitions of __transaction_state.", .atLeast(1)),
        ConfigDefinition(
            "transaction.state.log.replication.factor", .short, "1", "Replicas of __transaction_state.",
            .atLeast(1), kafka: "3"),
        ConfigDefinition(
            "transaction.state.log.min.isr", .int, "1", "min.insync.replicas of __transaction_state.", .atLeast(1),
            kafka: "2"),
    ]
}

extension BrokerConfigDefinitions {
    /// One definition for each broker config that is a topic config's default: same type, limits and meaning.
    private static let logDefaults: [ConfigDefinition] = TopicConfigDefinitions.all.flatMap { topic in
        topic.synonyms.enumerated().map { position, synonym in
            let isScaled = synonym.scale != 1
            // Of several synonyms only the weakest has a default of its own, in its own unit.
            let ours = position == topic.synonyms.count - 1 ? Self.scaled(topic.defaultValue, synonym) : nil
            let kafkas = position == topic.synonyms.count - 1 ? Self.scaled(topic.kafkaDefault, synonym) : nil
            return ConfigDefinition(
                synonym.name, isScaled ? .int : topic.type, ours,
                isScaled
                    ? "Default of the topic config \(topic.name), in units of \(synonym.scale) milliseconds."
                    : "Default of the topic config \(topic.name). \(topic.documentation)",
                isScaled ? .none : topic.constraint,
                kafka: kafkas.map { .value($0) } ?? .none,
                update: isScaled ? .readOnly : .clusterWide)
        }
    }

    private static func scaled(_ text: String?, _ synonym: ConfigSynonym) -> String? {
        guard synonym.scale != 1 else { return text }
        return text.flatMap { Int64($0) }.map { String($0 / synonym.scale) }
    }

    /// For a broker config that others can stand in for, its group from itself on, the strongest first, such as
    /// `log.retention.ms`, `log.retention.minutes`, `log.retention.hours`; only itself for any other.
    static func group(of name: String) -> [String] { self.groups[name] ?? [name] }

    private static let groups: [String: [String]] = {
        var groups: [String: [String]] = ["node.id": ["node.id", "broker.id"], "log.dirs": ["log.dirs", "log.dir"]]
        for topic in TopicConfigDefinitions.all {
            let names = topic.synonyms.map(\.name)
            for position in names.indices { groups[names[position]] = Array(names[position...]) }
        }
        return groups
    }()
}
