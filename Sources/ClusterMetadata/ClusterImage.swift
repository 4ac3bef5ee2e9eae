// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Everything that is known about the cluster at one moment: a value, safe to keep and to hand around.
///
/// Invariants: each topic is found under its name and its id; names are valid and do not collide; partitions are
/// numbered from 0 without gaps; every change raises `version` by one.
public struct ClusterImage: Sendable, Hashable {
    /// The most partitions one topic may have.
    public static let partitionsPerTopicMax = 10_000
    /// The most partitions of all topics together.
    public static let partitionsMax = 200_000
    /// The most configs that may be set on one topic, one group or one broker.
    public static let configsMax = 1_000
    /// The most groups that may have configs. All of them are read with the image, though they need not exist.
    public static let configuredGroupsMax = 10_000
    /// The longest id of a group that may have configs, in bytes: groups that people configure have names.
    public static let configuredGroupIDBytesMax = 1_024

    /// The cluster's identity: 22 characters of base64 if it was drawn, any text if an operator chose it.
    public private(set) var clusterID: String
    /// The broker whose image this is.
    public private(set) var nodeID: NodeID
    /// How many changes led here.
    public private(set) var version: Int64
    /// The first producer id that is not handed out.
    public private(set) var nextProducerID: ProducerID
    /// The configs set at run time for all brokers, by name.
    public private(set) var defaultBrokerConfigs: [String: String] = [:]
    /// The configs set at run time for single brokers, by name.
    public private(set) var brokerConfigs: [NodeID: [String: String]] = [:]
    /// The configs set on groups, by group id; such a group need not exist.
    public private(set) var groupConfigs: [String: [String: String]] = [:]
    /// How many partitions all topics have together.
    public private(set) var partitionCount = 0

    private var topicsByName: [String: TopicImage] = [:]
    private var namesByID: [TopicID: String] = [:]
    private var namesByCollisionKey: [String: String] = [:]

    /// An empty cluster.
    public init(clusterID: String, nodeID: NodeID) {
        self.clusterID = clusterID
        self.nodeID = nodeID
        self.version = 1
        self.nextProducerID = 0
    }

    /// An image as a store kept it. Throws as ``applying(_:)`` does if the topics contradict one another.
    public init(
        clusterID: String,
        nodeID: NodeID,
        version: Int64,
        nextProducerID: ProducerID,
        topics: [TopicImage],
        defaultBrokerConfigs: [String: String],
        brokerConfigs: [NodeID: [String: String]],
        groupConfigs: [String: [String: String]] = [:]
    ) throws(MetadataError) {
        self.init(clusterID: clusterID, nodeID: nodeID)
        self.topicsByName.reserveCapacity(topics.count)
        self.namesByID.reserveCapacity(topics.count)
        self.namesByCollisionKey.reserveCapacity(topics.count)
        for topic in topics { try self.create(topic) }
        self.defaultBrokerConfigs = defaultBrokerConfigs
        self.brokerConfigs = brokerConfigs
        self.groupConfigs = groupConfigs
        self.version = version
        self.nextProducerID = nextProducerID
    }

    /// All topics, in no order.
    public var topics: some Collection<TopicImage> { self.topicsByName.values }

    /// How many topics there are.
    public var topicCount: Int { self.topicsByName.count }

    /// The topic of that name.
    public func topic(named name: String) -> TopicImage? { self.topicsByName[name] }

    /// The topic of that id.
    public func topic(id: TopicID) -> TopicImage? { self.namesByID[id].flatMap { self.topicsByName[$0] } }

    /// The name of the topic with that id.
    public func topicName(of id: TopicID) -> String? { self.namesByID[id] }

    /// The partition, nil if topic or partition does not exist.
    public func partition(_ topicPartition: TopicPartition) -> PartitionImage? {
        self.topicsByName[topicPartition.topic]?.partition(topicPartition.partition)
    }

    /// The topic that one of this name would collide with: the same but for `.` and `_`. Not the topic itself.
    public func topicColliding(with name: String) -> String? {
        guard let other = self.namesByCollisionKey[TopicName.collisionKey(name)], other != name else { return nil }
        return other
    }

    /// All names in their order. Cost: sorting them.
    public func sortedTopicNames() -> [String] { self.topicsByName.keys.sorted() }
}

extension ClusterImage {
    /// The image after the changes, in their order. Throws at the first that does not fit what came before it.
    ///
    /// Cost: the number of topics if the image is shared, as it must then be copied; once for all the changes.
    public func applying(_ changes: [MetadataChange]) throws(MetadataError) -> ClusterImage {
        var image = self
        for change in changes { try image.apply(change) }
        return image
    }

    /// Applies one change in place, without a copy. Throws before anything is changed.
    mutating func apply(_ change: MetadataChange) throws(MetadataError) {
        switch change {
        case .initializeCluster:
            throw MetadataError(.identityMismatch, "The cluster \(self.clusterID) exists already")
        case .createTopic(let topic):
            try self.create(topic)
        case .deleteTopic(let id):
            let topic = try self.require(id)
            self.topicsByName[topic.name] = nil
            self.namesByID[id] = nil
            self.namesByCollisionKey[TopicName.collisionKey(topic.name)] = nil
            self.partitionCount -= topic.partitions.count
        case .addPartitions(let id, let partitions):
            let topic = try self.require(id)
            try self.check(partitions, addedTo: topic.name, with: topic.partitions.count)
            self.topicsByName[topic.name]?.partitions += partitions
            self.partitionCount += partitions.count
        case .setTopicConfigs(let id, let configs):
            let topic = try self.require(id)
            try Self.checkCount(of: configs, for: "topic \(topic.name)")
            self.topicsByName[topic.name]?.configs = configs
        case .setBrokerConfigs(nil, let configs):
            try Self.checkCount(of: configs, for: "all brokers")
            self.defaultBrokerConfigs = configs
        case .setBrokerConfigs(let node?, let configs):
            try Self.checkCount(of: configs, for: "broker \(node)")
            self.brokerConfigs[node] = configs.isEmpty ? nil : configs
        case .setGroupConfigs(let group, let configs):
            try self.check(configs, of: group)
            self.groupConfigs[group] = configs.isEmpty ? nil : configs
        case .setPartitionState(let id, let index, let leader, let epoch, let isr):
            try self.setState(id, index, leader: leader, epoch: epoch, isr: isr)
        case .reserveProducerIDs(let next):
            guard next > self.nextProducerID else {
                throw MetadataError(
                    .limitReached, "Producer ids up to \(self.nextProducerID) are handed out, so not up to \(next)")
            }
            self.nextProducerID = next
        }
        self.version += 1
    }

    private func require(_ id: TopicID) throws(MetadataError) -> TopicImage {
        guard let topic = self.topic(id: id) else {
            throw MetadataError(.unknownTopicID, "No topic has the id \(id)")
        }
        return topic
    }

    private mutating func create(_ topic: TopicImage) throws(MetadataError) {
        try TopicName.validate(topic.name)
        guard self.topicsByName[topic.name] == nil else {
            throw MetadataError(.topicAlreadyExists, "Topic '\(topic.name)' already exists")
        }
        if let other = self.topicColliding(with: topic.name) {
            throw MetadataError(
                .invalidTopicName,
                "Topic '\(topic.name)' collides with the existing topic '\(other)': '.' and '_' count as the same")
        }
        guard topic.id != .zero, self.namesByID[topic.id] == nil else {
            throw MetadataError(.topicAlreadyExists, "The id \(topic.id) of topic '\(topic.name)' is taken")
        }
        try Self.checkCount(of: topic.configs, for: "topic \(topic.name)")
        try self.check(topic.partitions, addedTo: topic.name, with: 0)
        self.topicsByName[topic.name] = topic
        self.namesByID[topic.id] = topic.name
        self.namesByCollisionKey[TopicName.collisionKey(topic.name)] = topic.name
        self.partitionCount += topic.partitions.count
    }

    private func check(
        _ partitions: [PartitionImage], addedTo topic: String, with count: Int
    ) throws(MetadataError) {
        guard !partitions.isEmpty else {
            throw MetadataError(.invalidPartitions, "Topic '\(topic)' must get at least one partition")
        }
        guard count + partitions.count <= Self.partitionsPerTopicMax else {
            throw MetadataError(
                .limitReached,
                """
                Topic '\(topic)' would have \(count + partitions.count) partitions; at most \
                \(Self.partitionsPerTopicMax) are allowed
                """)
        }
        guard self.partitionCount + partitions.count <= Self.partitionsMax else {
            throw MetadataError(
                .limitReached,
                """
                The cluster would have \(self.partitionCount + partitions.count) partitions with topic \
                '\(topic)'; at most \(Self.partitionsMax) are allowed
                """)
        }
        for partition in partitions {
            let replicas = Set(partition.replicas)
            guard !replicas.isEmpty, replicas.count == partition.replicas.count, replicas.isSuperset(of: partition.isr)
            else {
                throw MetadataError(
                    .invalidReplicaAssignment,
                    """
                    Topic '\(topic)': the replicas \(partition.replicas) with \(partition.isr) in sync are none, \
                    twice the same, or not those in sync
                    """)
            }
        }
    }

    private mutating func setState(
        _ id: TopicID, _ index: PartitionIndex, leader: NodeID, epoch: LeaderEpoch, isr: [NodeID]
    ) throws(MetadataError) {
        let topic = try self.require(id)
        guard let partition = topic.partition(index) else {
            throw MetadataError(.unknownPartition, "Topic '\(topic.name)' has no partition \(index)")
        }
        let isSameLeader = leader == partition.leader && epoch == partition.leaderEpoch
        guard isSameLeader || epoch > partition.leaderEpoch else {
            throw MetadataError(
                .staleLeaderEpoch,
                "\(topic.name)-\(index) has leader epoch \(partition.leaderEpoch), so \(epoch) comes too late")
        }
        let replicas = Set(partition.replicas)
        guard replicas.isSuperset(of: isr), leader == .none || replicas.contains(leader) else {
            throw MetadataError(
                .invalidReplicaAssignment,
                "\(topic.name)-\(index): leader \(leader) or one of \(isr) in sync is not of \(partition.replicas)")
        }
        self.topicsByName[topic.name]?.partitions[Int(index.rawValue)] = PartitionImage(
            replicas: partition.replicas, leader: leader, leaderEpoch: epoch, isr: isr)
    }

    private func check(_ configs: [String: String], of group: String) throws(MetadataError) {
        // Messages travel in answers: a hostile name must not make them huge.
        guard group.utf8.count <= Self.configuredGroupIDBytesMax else {
            throw MetadataError(
                .limitReached,
                """
                The id of group '\(group.prefix(50))…' has \(group.utf8.count) bytes; groups with configs of their own \
                may have at most \(Self.configuredGroupIDBytesMax)
                """)
        }
        try Self.checkCount(of: configs, for: "group \(group)")
        let isNew = !configs.isEmpty && self.groupConfigs[group] == nil
        guard !isNew || self.groupConfigs.count < Self.configuredGroupsMax else {
            throw MetadataError(
                .limitReached,
                """
                \(self.groupConfigs.count) groups have configs of their own, so group '\(group)' cannot get any: delete \
                those that are no longer needed
                """)
        }
    }

    private static func checkCount(of configs: [String: String], for what: String) throws(MetadataError) {
        guard configs.count <= self.configsMax else {
            throw MetadataError(
                .limitReached, "\(configs.count) configs for \(what); at most \(self.configsMax) are allowed")
        }
    }
}
