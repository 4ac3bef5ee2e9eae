// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import GroupCoordinator
import KafkaRecords
import KafkaTypes
import Logging
import NIOCore
import Synchronization

/// All groups: the shards of `__consumer_offsets`, and which of them a group belongs to.
final class GroupCoordinatorService: Sendable {
    let logger: Logger
    /// How group records are compressed.
    let codec: CompressionCodec
    let clock: BrokerClock
    let metrics: BrokerMetrics
    private let metadata: MetadataController
    /// What groups go by; changes with the configs of the broker and of groups.
    private let settings: Mutex<GroupSettings>
    /// Reads logs into shards.
    private let loader = WorkerPool(name: "martlet-groups", threadCount: 1)
    /// By partition; empty while there is no `__consumer_offsets`.
    private let hosts = Mutex<[GroupShardHost]>([])
    private let timers = Mutex<(any EventLoop)?>(nil)

    init(
        metadata: MetadataController,
        clock: BrokerClock,
        codec: CompressionCodec,
        settings: GroupSettings,
        metrics: BrokerMetrics,
        logger: Logger
    ) {
        self.metrics = metrics
        self.metadata = metadata
        self.clock = clock
        self.codec = codec
        self.logger = logger
        self.settings = Mutex(settings)
    }

    /// What commands may look at, as of now.
    func environment() -> GroupEnvironment {
        GroupEnvironment(
            now: GroupTime(
                monotonicMs: self.clock.monotonicNanoseconds() / 1_000_000, wallMs: self.clock.wallMilliseconds()),
            topics: ImageTopics(image: self.metadata.image),
            settings: self.settings.withLock { $0 }
        )
    }

    /// Puts changed configs into force, from the next command on.
    func use(_ settings: GroupSettings) { self.settings.withLock { $0 = settings } }

    /// Where time-outs are waited for; nil until there is such a loop.
    var timerLoop: (any EventLoop)? { self.timers.withLock { $0 } }

    /// All shards, by partition.
    var all: [GroupShardHost] { self.hosts.withLock { $0 } }

    /// There is a place for groups.
    var isOpen: Bool { self.hosts.withLock { !$0.isEmpty } }

    /// The shard that a group belongs to; nil while there is no `__consumer_offsets`.
    func host(of group: String) -> GroupShardHost? {
        self.hosts.withLock { hosts in
            hosts.isEmpty ? nil : hosts[Self.partition(of: group, count: hosts.count)]
        }
    }

    /// The partition of `__consumer_offsets` that keeps a group: Java's hash of the name without its sign, as in Kafka, so
    /// that tools find it where they look for it.
    static func partition(of group: String, count: Int) -> Int {
        let hash = group.utf16.reduce(Int32(0)) { $0 &* 31 &+ Int32($1) }
        return Int(hash & .max) % count
    }

    // MARK: Beginning and ending

    /// Serves the groups of the partitions of `__consumer_offsets`, each as soon as it has been read.
    func open(_ topic: ServedTopic) {
        let opened = self.hosts.withLock { hosts -> [GroupShardHost] in
            if !hosts.isEmpty { return [] }
            hosts = topic.partitions.map { GroupShardHost(partition: $0, service: self) }
            return hosts
        }
        for host in opened {
            let log = host.partition.log
            if log.logStartOffset == log.endOffset { host.begin(with: GroupShard()) } else { self.reload(host) }
        }
    }

    /// Has a shard's log read, on the loader thread.
    func reload(_ host: GroupShardHost) {
        let log = host.partition.log
        let loader = GroupShardLoader(log: log, logger: self.logger)
        self.loader.submit { [logger] in
            do {
                host.begin(with: try loader.load())
            } catch {
                logger.error(
                    "groups cannot be loaded; it is tried again when one of them is asked for",
                    metadata: ["partition": "\(host.partition.topicPartition)", "error": "\(error)"]
                )
                host.loadingFailed()
            }
        }
    }

    /// From now on time-outs are noticed, on that loop.
    func startTimers(on eventLoop: any EventLoop) {
        self.timers.withLock { $0 = eventLoop }
        for host in self.all { host.setTimer() }
    }

    /// Offsets of topics that were deleted are of no use to a topic of the same name.
    func forgetTopics(_ names: [String]) {
        for host in self.all { host.run { $0.forgetTopics(names, $1) } }
    }

    /// How soon retention goes on with a shard that has more to do than is done at a time.
    private static let expiryPause = TimeAmount.milliseconds(100)

    /// Has offsets deleted that are past their retention at that wall-clock time, a step at a time.
    func expireOffsets(nowMs: Int64) {
        for host in self.all { self.expireOffsets(of: host, nowMs: nowMs) }
    }

    private func expireOffsets(of host: GroupShardHost, nowMs: Int64) {
        var hasMore = false
        host.run { shard, environment in
            var environment = environment
            environment.now.wallMs = nowMs
            let effects = shard.expireOffsets(environment)
            hasMore = shard.isExpiringOffsets
            return effects
        }
        guard hasMore, let eventLoop = self.timerLoop else { return }
        self.clock.schedule(in: Self.expiryPause, on: eventLoop) { self.expireOffsets(of: host, nowMs: nowMs) }
    }

    /// Ends everything; what was not durable is not answered. Blocks until nothing is being loaded.
    func close() {
        self.timers.withLock { $0 = nil }
        for host in self.all { host.close() }
        self.loader.close()
    }
}
