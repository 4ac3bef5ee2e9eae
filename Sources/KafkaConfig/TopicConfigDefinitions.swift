// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Kafka 4's topic configs, by name.
public enum TopicConfigDefinitions {
    /// All of them in the order of their names, those for tests among them.
    public static let all: [ConfigDefinition] = (cleaning + records + storage + replication).sorted {
        $0.name < $1.name
    }

    private static let byName: [String: ConfigDefinition] =
        Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The definition of a topic config, or nil if there is none of that name.
    public static func definition(_ name: String) -> ConfigDefinition? { byName[name] }

    /// The definition of a topic config. Throws `unknownName`, with the nearest name there is.
    public static func require(_ name: String) throws(ConfigError) -> ConfigDefinition {
        if let definition = byName[name] { return definition }
        let hint = NameSuggestion.nearest(to: name, in: all.lazy.map(\.name)).map { "; did you mean \($0)?" } ?? ""
        let shown = name.prefix(ConfigError.valueCharactersMax)
        throw ConfigError(.unknownName, name: name, message: "Unknown topic config name: \(shown)\(hint)")
    }

    private static let longMax = String(Int64.max)
    private static let msPerMinute: Int64 = 60_000
    private static let msPerHour: Int64 = 3_600_000

    private static let cleaning: [ConfigDefinition] = [
        ConfigDefinition(
            "cleanup.policy", .list, "delete",
            """
            What becomes of old records: delete drops whole segments past the retention limits, compact keeps the \
            last record of each key; both may be set. An empty list keeps everything.
            """,
            .listOf(["compact", "delete"]), from: [.init("log.cleanup.policy")]),
        ConfigDefinition(
            "delete.retention.ms", .long, "86400000",
            "Milliseconds for which compaction keeps the tombstone of a deleted key, so that readers can see it.",
            .atLeast(0), from: [.init("log.cleaner.delete.retention.ms")]),
        ConfigDefinition(
            "max.compaction.lag.ms", .long, longMax,
            "Milliseconds after which a record may no longer wait for compaction.",
            .atLeast(1), from: [.init("log.cleaner.max.compaction.lag.ms")]),
        ConfigDefinition(
            "min.compaction.lag.ms", .long, "0",
            "Milliseconds for which a record is safe from compaction.",
            .atLeast(0), from: [.init("log.cleaner.min.compaction.lag.ms")]),
        ConfigDefinition(
            "min.cleanable.dirty.ratio", .double, "0.5",
            "The part of a log, from 0 to 1, that must be uncompacted before it is compacted again.",
            .ratio, from: [.init("log.cleaner.min.cleanable.ratio")]),
        ConfigDefinition(
            "retention.bytes", .long, "-1",
            "Bytes that each partition keeps before its oldest segments are deleted; -1 for no limit.",
            from: [.init("log.retention.bytes")]),
        ConfigDefinition(
            "retention.ms", .long, "604800000",
            """
            Milliseconds for which records are kept at least, counted from the later of the record's time and the \
            time it was appended; -1 for ever.
            """,
            .atLeast(-1),
            from: [
                .init("log.retention.ms"), .init("log.retention.minutes", scale: msPerMinute),
                .init("log.retention.hours", scale: msPerHour),
            ]),
    ]

    private static let records: [ConfigDefinition] = [
        ConfigDefinition(
            "compression.type", .string, "producer",
            "The codec that batches are stored with; producer keeps them as they were sent.",
            .oneOf(["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), from: [.init("compression.type")]),
        ConfigDefinition(
            "compression.gzip.level", .int, "-1", "The effort of gzip when the broker compresses.",
            .betweenOrDefault(1, 9), from: [.init("compression.gzip.level")]),
        ConfigDefinition(
            "compression.lz4.level", .int, "9", "The effort of lz4 when the broker compresses.",
            .between(1, 17), from: [.init("compression.lz4.level")]),
        ConfigDefinition(
            "compression.zstd.level", .int, "3", "The effort of zstd when the broker compresses.",
            .between(-131_072, 22), from: [.init("compression.zstd.level")]),
        ConfigDefinition(
            "max.message.bytes", .int, "1048588",
            "The largest batch that is accepted, in bytes as stored: after compression, its header counted.",
            .atLeast(0), from: [.init("message.max.bytes")]),
        ConfigDefinition(
            "message.timestamp.type", .string, "CreateTime",
            "Whose clock a record's time is: the producer's (CreateTime) or the broker's (LogAppendTime).",
            .oneOf(["CreateTime", "LogAppendTime"]), from: [.init("log.message.timestamp.type")]),
        ConfigDefinition(
            "message.timestamp.before.max.ms", .long, longMax,
            "Milliseconds that a record's time may lie before the broker's; with CreateTime only.",
            .atLeast(0), from: [.init("log.message.timestamp.before.max.ms")]),
        ConfigDefinition(
            "message.timestamp.after.max.ms", .long, "3600000",
            "Milliseconds that a record's time may lie after the broker's; with CreateTime only.",
            .atLeast(0), from: [.init("log.message.timestamp.after.max.ms")]),
    ]

    private static let storage: [ConfigDefinition] = [
        ConfigDefinition(
            "flush.messages", .long, "1",
            """
            1, the default: an acks=all answer is sent when its records are on stable storage, many batches \
            sharing one sync. Any larger number relaxes that: answers are sent when the records are with the \
            operating system, and a sync follows after at most so many records. Kafka's default never syncs.
            """,
            .atLeast(1), kafka: .value(longMax), from: [.init("log.flush.interval.messages")]),
        ConfigDefinition(
            "flush.ms", .long, longMax,
            "With flush.messages above 1: milliseconds after which records are brought to stable storage.",
            .atLeast(0), from: [.init("log.flush.interval.ms"), .init("log.flush.scheduler.interval.ms")]),
        ConfigDefinition(
            "segment.bytes", .int, "1073741824", "Bytes after which a new segment file is begun.",
            .atLeast(1_048_576), from: [.init("log.segment.bytes")]),
        ConfigDefinition(
            "internal.segment.bytes", .int, nil, "Overrides segment.bytes without its lower limit; for tests.",
            .atLeast(1), isInternal: true),
        ConfigDefinition(
            "segment.ms", .long, "604800000", "Milliseconds after which a new segment file is begun.",
            .atLeast(1), from: [.init("log.roll.ms"), .init("log.roll.hours", scale: msPerHour)]),
        ConfigDefinition(
            "segment.jitter.ms", .long, "0",
            """
            Up to so many milliseconds, chosen at random, are taken off segment.ms, so that segments do not all roll \
            at once.
            """,
            .atLeast(0), from: [.init("log.roll.jitter.ms"), .init("log.roll.jitter.hours", scale: msPerHour)]),
        ConfigDefinition(
            "segment.index.bytes", .int, "10485760", "The largest size of an offset or time index, in bytes.",
            .atLeast(4), from: [.init("log.index.size.max.bytes")]),
        ConfigDefinition(
            "index.interval.bytes", .int, "4096", "About so many bytes of records lie between two index entries.",
            .atLeast(0), from: [.init("log.index.interval.bytes")]),
        ConfigDefinition(
            "file.delete.delay.ms", .long, "60000", "Milliseconds between taking a file out of use and deleting it.",
            .atLeast(0), from: [.init("log.segment.delete.delay.ms")]),
        ConfigDefinition(
            "preallocate", .boolean, "false", "Reserve the disk space of a segment when it is begun.",
            from: [.init("log.preallocate")]),
    ]

    private static let noTieredStorage = "tiered storage is not supported"

    private static let replication: [ConfigDefinition] = [
        ConfigDefinition(
            "min.insync.replicas", .int, "1",
            "How many replicas must have a batch before an acks=all answer is sent.",
            .atLeast(1), from: [.init("min.insync.replicas")]),
        ConfigDefinition(
            "unclean.leader.election.enable", .boolean, "false",
            "Allow a replica that lags behind to lead when no other is left, which loses records.",
            from: [.init("unclean.leader.election.enable")]),
        ConfigDefinition(
            "leader.replication.throttled.replicas", .list, "",
            "partition:broker pairs whose leaders are throttled; kept, without effect so far."),
        ConfigDefinition(
            "follower.replication.throttled.replicas", .list, "",
            "partition:broker pairs whose followers are throttled; kept, without effect so far."),
        ConfigDefinition(
            "remote.storage.enable", .boolean, "false", "Tiered storage. Not supported: false is the only value.",
            .only("false", because: noTieredStorage)),
        ConfigDefinition(
            "remote.log.copy.disable", .boolean, "false", "Tiered storage. Not supported: false is the only value.",
            .only("false", because: noTieredStorage)),
        ConfigDefinition(
            "remote.log.delete.on.disable", .boolean, "false",
            "Tiered storage. Not supported: false is the only value.",
            .only("false", because: noTieredStorage)),
        ConfigDefinition(
            "local.retention.bytes", .long, "-2", "Tiered storage: -2 means as retention.bytes. Without effect.",
            .atLeast(-2), from: [.init("log.local.retention.bytes")]),
        ConfigDefinition(
            "local.retention.ms", .long, "-2", "Tiered storage: -2 means as retention.ms. Without effect.",
            .atLeast(-2), from: [.init("log.local.retention.ms")]),
    ]
}
