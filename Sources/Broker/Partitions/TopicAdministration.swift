// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import KafkaConfig
import KafkaRecords
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import Synchronization

// Changes of topics and configs. All of this blocks on the disk and runs on the admin thread, one change after the
// other: metadata is committed first, then the logs follow, then the topic is served.

extension Broker {
    /// Makes topics and serves them. What could be made is made; one result for each, in their order.
    ///
    /// A topic whose logs could not be made is in the metadata all the same: its logs are made at the next start.
    func createTopics(_ topics: [NewTopic], validateOnly: Bool) -> [Result<TopicImage, MetadataError>] {
        if !validateOnly, !self.space.hasRoom {
            // What is wrong with a topic in itself is said first.
            return self.metadata.createTopics(topics, validateOnly: true).map { result in
                result.flatMap { topic in
                    self.refusalForWantOfRoom("Topic '\(topic.name)'").map { .failure($0) } ?? .success(topic)
                }
            }
        }
        let results = self.metadata.createTopics(topics, validateOnly: validateOnly)
        if validateOnly { return results }
        return results.map { result in
            result.flatMap { topic in
                self.logger.info(
                    "created a topic",
                    metadata: [
                        "topic": "\(topic.name)", "id": "\(topic.id)", "partitions": "\(topic.partitions.count)",
                    ]
                )
                return self.serving(topic)
            }
        }
    }

    /// Makes topics that a client asked for by name, with the broker's defaults.
    ///
    /// - Returns: the errors of those that could not be made.
    func autoCreateTopics(_ names: [String]) -> [String: ErrorCode] {
        let config = self.config
        var names = names
        if let index = names.firstIndex(of: TopicName.consumerOffsets) {
            // It has configs and a number of partitions of its own.
            names.remove(at: index)
            _ = self.openGroups()
        }
        let topics = names.map { name in
            NewTopic(
                name: name,
                placement: .spread(
                    partitions: Int32(clamping: config.numPartitions),
                    replicationFactor: Int16(clamping: config.defaultReplicationFactor)
                )
            )
        }
        var errors: [String: ErrorCode] = [:]
        for (name, result) in zip(names, self.createTopics(topics, validateOnly: false)) {
            if case .failure(let error) = result, error.code != .topicAlreadyExists { errors[name] = error.errorCode }
        }
        return errors
    }

    /// Stops serving topics and deletes them with everything in them.
    func deleteTopics(_ ids: [TopicID]) -> [Result<TopicImage, MetadataError>] {
        let results = self.metadata.deleteTopics(ids)
        for case .success(let topic) in results {
            self.stopServing(topic)
            self.groups.forgetTopics([topic.name])
            self.logger.info("deleted a topic", metadata: ["topic": "\(topic.name)", "id": "\(topic.id)"])
        }
        // That may be what producers wait for.
        if !self.space.hasRoom { self.space.look() }
        return results
    }

    /// Adds partitions to a topic; see `MetadataController.growTopic`.
    func growTopic(
        named name: String,
        to count: Int32,
        assignments: [[NodeID]]?,
        validateOnly: Bool
    ) throws(MetadataError) -> TopicImage {
        if !validateOnly, let refusal = self.refusalForWantOfRoom("Partitions of topic '\(name)'") {
            _ = try self.metadata.growTopic(name, to: count, assignments: assignments, validateOnly: true)
            throw refusal
        }
        let topic = try self.metadata.growTopic(
            name,
            to: count,
            assignments: assignments,
            validateOnly: validateOnly
        )
        if validateOnly { return topic }
        return try self.serving(topic).get()
    }

    /// Replaces a topic's configs by what `change` makes of them; they are in force when this returns.
    @discardableResult
    func alterTopicConfigs(
        _ name: String,
        validateOnly: Bool,
        _ change: (TopicImage) throws -> [String: String]
    ) throws -> TopicImage {
        let topic = try self.metadata.alterTopicConfigs(name, validateOnly: validateOnly, change)
        if !validateOnly { try self.applyConfigs(of: topic) }
        return topic
    }

    /// Replaces a topic's configs by `configs`, which the caller has checked.
    func setTopicConfigs(_ id: TopicID, _ configs: [String: String]) throws {
        guard let name = self.metadata.image.topicName(of: id) else {
            throw MetadataError(.unknownTopicID, "No topic has the id \(id)")
        }
        try self.alterTopicConfigs(name, validateOnly: false) { _ in configs }
    }

    /// Replaces the dynamic configs of one broker, or of all (nil), by what `change` makes of them. Topics follow where
    /// a default of theirs changed.
    func alterBrokerConfigs(
        _ node: NodeID?,
        validateOnly: Bool,
        _ change: (ClusterImage) throws -> [String: String]
    ) throws {
        let image = try self.metadata.alterBrokerConfigs(node, validateOnly: validateOnly) { image in
            let configs = try change(image)
            try self.check(image, with: configs, of: node)
            return configs
        }
        if validateOnly { return }
        let config = try Self.applyDynamicConfigs(of: image, to: self.config)
        self.currentConfig.withLock { $0 = config }
        self.refreshGroupSettings(image.groupConfigs)
        self.space.use(configuredMark: config.logDirMinFreeBytes)
        for topic in image.topics { try self.applyConfigs(of: topic) }
    }

    /// Refuses dynamic configs that would contradict what a topic or a group has set for itself.
    private func check(
        _ image: ClusterImage,
        with configs: [String: String],
        of node: NodeID?
    ) throws(ConfigError) {
        let changed = try self.config.applyingDynamic(
            clusterDefault: node == nil ? configs : image.defaultBrokerConfigs,
            node: node == nil ? image.brokerConfigs[image.nodeID] ?? [:] : configs
        )
        for topic in image.topics { _ = try TopicConfig(overrides: topic.configs, broker: changed) }
        for (group, configs) in image.groupConfigs { try Self.check(configs, of: group, against: changed) }
    }

    /// Replaces the dynamic configs of one broker, or of all (nil), by `configs`, which the caller has checked.
    func setBrokerConfigs(node: NodeID?, _ configs: [String: String]) throws {
        try self.alterBrokerConfigs(node, validateOnly: false) { _ in configs }
    }

    /// The static configs of `config` with the dynamic ones of the metadata over them.
    static func applyDynamicConfigs(
        of image: ClusterImage,
        to config: BrokerConfig
    ) throws(ConfigError) -> BrokerConfig {
        try config.applyingDynamic(
            clusterDefault: image.defaultBrokerConfigs,
            node: image.brokerConfigs[image.nodeID] ?? [:]
        )
    }
}

// MARK: - Serving

extension Broker {
    /// Opens the logs of every topic of the metadata and makes those that are missing. At the start only.
    ///
    /// - Throws: when a log cannot be opened: a broker that would answer "no such records" for a log that is there
    ///   but unreadable does more harm than one that does not start.
    func openTopics() throws {
        try self.logs.removeDeletedDirectories()
        let onDisk = Set(try self.logs.partitions())
        let image = self.metadata.image
        try self.setAsideStrays(onDisk.filter { image.partition($0) == nil })
        for topic in image.topics {
            do {
                try self.serveIfRoom(topic, onDisk: onDisk)
            } catch let error as LogError where error.isFull {
                self.logger.error(
                    "no room for the logs of a topic; it is served when there is",
                    metadata: ["topic": "\(topic.name)", "error": "\(error)"]
                )
            }
        }
    }

    /// Serves a topic, with the help of the reserve if need be.
    private func serveIfRoom(_ topic: TopicImage, onDisk: Set<TopicPartition>) throws {
        var onDisk = onDisk
        while true {
            do {
                return try self.serve(topic, onDisk: onDisk)
            } catch let error as LogError where error.isFull {
                guard self.space.giveReserve() else { throw error }
                // Some of the partitions may have got their directories.
                onDisk.formUnion(try self.logs.partitions())
            }
        }
    }

    /// Serves what could not be served for want of room.
    func serveWhatHadNoRoom() {
        self.admin.submit {
            for topic in self.metadata.image.topics {
                let served = self.topics.topic(named: topic.name)?.partitions.count ?? 0
                if served == topic.partitions.count { continue }
                do {
                    try self.serve(topic, onDisk: Set(try self.logs.partitions()))
                } catch {
                    self.logger.error(
                        "the logs of a topic cannot be made; they are made when the broker starts again",
                        metadata: ["topic": "\(topic.name)", "error": "\(error)"]
                    )
                }
            }
        }
    }

    /// Partitions without a topic are what a crash in the middle of a deletion leaves. They must not stand in the way of
    /// a new topic of that name, nor come back as part of it.
    private func setAsideStrays(_ strays: Set<TopicPartition>) throws {
        if strays.isEmpty { return }
        var generator = SystemRandomNumberGenerator()
        let sorted = strays.sorted()
        let directories = try self.logs.setAsideLogs(sorted, strayID: .random(using: &generator))
        for (stray, directory) in zip(sorted, directories) {
            self.logger.warning(
                "a partition on disk belongs to no topic; it is set aside, delete its directory if it is not needed",
                metadata: ["partition": "\(stray)", "directory": "\(directory)"]
            )
        }
    }

    /// Serves a topic that is new or has new partitions.
    private func serving(_ topic: TopicImage) -> Result<TopicImage, MetadataError> {
        do {
            try self.serve(topic, onDisk: [])
            return .success(topic)
        } catch {
            self.logger.error(
                "the logs of a topic cannot be made; they are made when the broker starts again",
                metadata: ["topic": "\(topic.name)", "error": "\(error)"]
            )
            return .failure(MetadataError(.storage, "Topic '\(topic.name)' has no logs yet", cause: error))
        }
    }

    /// Opens or makes the logs of the partitions that are not served yet, and puts the topic into the table.
    private func serve(_ topic: TopicImage, onDisk: Set<TopicPartition>) throws {
        let config = try TopicConfig(overrides: topic.configs, broker: self.config)
        let logConfig = config.logConfig(producerIDExpirationMs: self.config.producerIDExpirationMs)
        let now = self.clock.wallMilliseconds()
        let present = self.topics.topic(named: topic.name)?.partitions ?? []
        var partitions = present

        let names = (present.count..<topic.partitions.count).map {
            TopicPartition(topic: topic.name, partition: PartitionIndex(Int32($0)))
        }
        let missing = names.filter { !onDisk.contains($0) }
        let made = try self.logs.createLogs(
            missing.map { LogDirectory.NewPartition($0, topicID: topic.id, config: logConfig) },
            now: now
        )
        let madeByName = Dictionary(uniqueKeysWithValues: zip(missing, made))
        let opened = try self.openLogs(
            names.filter { madeByName[$0] == nil }, of: topic, config: logConfig, now: now)
        for name in names {
            guard let log = madeByName[name] ?? opened[name] else {
                preconditionFailure("a log was neither made nor opened")
            }
            // The only replica: everything that survived is committed.
            log.advanceHighWatermark(to: log.endOffset)
            partitions.append(
                Partition(
                    topicPartition: name,
                    topicID: topic.id,
                    log: log,
                    ioThread: self.ioThread(topicID: topic.id, partition: name.partition.rawValue),
                    leaderEpoch: topic.partition(name.partition)?.leaderEpoch ?? 0,
                    durability: config.durability
                )
            )
        }
        self.topics.put(self.served(topic, config, partitions))
    }

    /// Opens logs on the reader threads, as a start after a crash may have much to read.
    private func openLogs(
        _ names: [TopicPartition],
        of topic: TopicImage,
        config: LogConfig,
        now: Int64
    ) throws -> [TopicPartition: PartitionLog] {
        let results = WorkQueue<(TopicPartition, Result<PartitionLog, any Error>)>()
        for name in names {
            let isAccepted = self.readers.submit {
                _ = results.append(
                    (name, Result { try self.openLog(name, of: topic, config: config, now: now) }))
            }
            if !isAccepted { throw BrokerShuttingDown() }
        }
        var logs: [TopicPartition: PartitionLog] = [:]
        var failure: (any Error)?
        for _ in names {
            guard let (name, result) = results.takeFirst() else { break }
            switch result {
            case .success(let log): logs[name] = log
            case .failure(let error): failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return logs
    }

    private func openLog(
        _ name: TopicPartition,
        of topic: TopicImage,
        config: LogConfig,
        now: Int64
    ) throws -> PartitionLog {
        let log = try self.logs.openLog(name, config: config, now: now)
        if let id = self.logs.topicID(of: name), id != topic.id {
            throw ForeignLog(partition: name, expected: topic.id, found: id, directory: self.logs.path)
        }
        return log
    }

    private func served(_ topic: TopicImage, _ config: TopicConfig, _ partitions: [Partition]) -> ServedTopic {
        ServedTopic(
            name: topic.name,
            id: topic.id,
            config: config,
            validator: BatchValidator(config.validatorConfig(maxInflatedBytes: self.config.socketRequestMaxBytes)),
            partitions: partitions,
            metrics: self.topics.topic(id: topic.id)?.metrics ?? self.metrics.makeTopic()
        )
    }

    /// Puts changed configs into force: for the checks at once, for the logs with their next append.
    private func applyConfigs(of topic: TopicImage) throws {
        guard let present = self.topics.topic(named: topic.name) else { return }
        let config = try TopicConfig(overrides: topic.configs, broker: self.config)
        if config == present.config { return }
        let logConfig = config.logConfig(producerIDExpirationMs: self.config.producerIDExpirationMs)
        for partition in present.partitions {
            partition.log.updateConfig(logConfig)
            partition.currentDurability = config.durability
        }
        self.topics.put(self.served(topic, config, present.partitions))
    }

    /// Takes a deleted topic out of service: no request finds it any more, waiting fetches are told, and its logs are
    /// deleted by their own IO threads, after the appends that were queued before.
    private func stopServing(_ topic: TopicImage) {
        guard let served = self.topics.remove(named: topic.name) else { return }
        let names = served.partitions.map(\.topicPartition)
        for partition in served.partitions {
            partition.wakeObservers()
            partition.ioThread.runAndWait { partition.log.abandon() }
        }
        do {
            var generator = SystemRandomNumberGenerator()
            try self.logs.deleteLogs(names, deletionID: .random(using: &generator))
            try self.logs.removeDeletedDirectories()
        } catch {
            self.logger.error(
                "the logs of a deleted topic are still on disk; they are removed when the broker starts again",
                metadata: ["topic": "\(topic.name)", "error": "\(error)"]
            )
        }
    }
}

/// A partition's directory says that it belongs to another topic.
struct ForeignLog: Error, CustomStringConvertible {
    let partition: TopicPartition
    let expected: TopicID
    let found: TopicID
    let directory: String

    var description: String {
        """
        \(self.directory)/\(self.partition) holds the topic with id \(self.found), but the metadata says \
        \(self.expected): the directory belongs to another cluster or a topic of the same name that was deleted; \
        move it away
        """
    }
}
