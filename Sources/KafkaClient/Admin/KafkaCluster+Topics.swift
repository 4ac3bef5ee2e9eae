// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

/// A topic to be made.
public struct NewTopic: Sendable {
    /// 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`.
    public var name: String
    /// Nil for the broker's `num.partitions`; the broker needs to be 2.4 or newer then.
    public var partitionCount: Int32?
    /// Nil for the broker's `default.replication.factor`; the broker needs to be 2.4 or newer then.
    public var replicationFactor: Int16?
    /// Configs that differ from the broker's, by name.
    public var configs: [String: String] = [:]

    /// A topic with what the broker has as defaults, unless said otherwise.
    public init(_ name: String, partitionCount: Int32? = nil, replicationFactor: Int16? = nil) {
        self.name = name
        self.partitionCount = partitionCount
        self.replicationFactor = replicationFactor
    }
}

/// A topic that was made.
public struct CreatedTopic: Sendable {
    /// Nil from brokers before 2.8.
    public var topicID: TopicID?
    /// Nil from brokers before 2.4.
    public var partitionCount: Int32?
    /// Nil from brokers before 2.4.
    public var replicationFactor: Int16?
}

/// What an operation came to for one of the things it was asked for.
public struct ItemResult<Value: Sendable>: Sendable {
    /// The topic or resource.
    public var name: String
    /// The outcome for it alone: others may have fared differently.
    public var result: Result<Value, KafkaClientError>
}

extension KafkaCluster {
    /// How long the brokers may take for a change to be known everywhere, in milliseconds.
    static let changeTimeoutMs: Int32 = 15_000

    /// Names the cluster and its brokers.
    ///
    /// One request to any broker: Metadata 4, Kafka 0.11, and not DescribeCluster, which brokers before 2.8 do not have;
    /// the answer is the same.
    public func describeCluster() async throws -> ClusterDescription {
        try await self.retrying { ClusterDescription(try await self.refreshMetadata(topics: [])) }
    }

    /// All topics, ascending by name.
    ///
    /// One request to any broker: Metadata 4, Kafka 0.11. The answer has all partitions of all topics.
    public func listTopics(includesInternal: Bool = false) async throws -> [TopicDescription] {
        try await self.retrying { try await self.refreshMetadata(topics: nil) }.topics
            .map(TopicDescription.init)
            .filter { includesInternal || !$0.isInternal }
            .sorted { $0.name < $1.name }
    }

    /// These topics as they are now, in the order of the names; one that does not exist has an `errorCode`.
    ///
    /// One request to any broker: Metadata 4, Kafka 0.11.
    public func describeTopics(_ names: [String]) async throws -> [TopicDescription] {
        guard !names.isEmpty else { return [] }
        let response = try await self.retrying { try await self.refreshMetadata(topics: names) }
        let topics = Dictionary(response.topics.map { ($0.name ?? "", TopicDescription($0)) }) { first, _ in first }
        return names.map { name in
            topics[name]
                ?? TopicDescription(
                    name: name, topicID: nil, isInternal: false, errorCode: .unknownTopicOrPartition, partitions: [])
        }
    }

    /// Makes topics; each succeeds or fails on its own, for example with `topicAlreadyExists`. With `validatesOnly`
    /// nothing is made.
    ///
    /// One request to the controller: CreateTopics 0; with the broker's defaults 4, Kafka 2.4 (KIP-464). Throws
    /// `timedOut` or `connectionClosed` when the answer did not come: it may have been carried out.
    public func createTopics(
        _ topics: [NewTopic], validatesOnly: Bool = false
    ) async throws -> [ItemResult<CreatedTopic>] {
        var request = CreateTopicsRequest()
        request.timeoutMs = Self.changeTimeoutMs
        request.validateOnly = validatesOnly
        request.topics = topics.map { topic in
            var creatable = CreateTopicsRequest.CreatableTopic()
            creatable.name = topic.name
            creatable.numPartitions = topic.partitionCount ?? -1
            creatable.replicationFactor = topic.replicationFactor ?? -1
            creatable.configs = topic.configs.sorted { $0.key < $1.key }.map { name, value in
                var config = CreateTopicsRequest.CreatableTopicConfig()
                config.name = name
                config.value = value
                return config
            }
            return creatable
        }
        // -1 for "as the broker likes" came with version 4 (KIP-464).
        let usesDefaults = topics.contains { $0.partitionCount == nil || $0.replicationFactor == nil }
        return try await self.atController(request, versions: (usesDefaults ? 4 : 0)...Int16.max) { response in
            response.topics.map { topic in
                let created = CreatedTopic(
                    topicID: topic.topicID == .zero ? nil : topic.topicID,
                    partitionCount: topic.numPartitions < 0 ? nil : topic.numPartitions,
                    replicationFactor: topic.replicationFactor < 0 ? nil : topic.replicationFactor)
                return ItemOutcome(topic.name, created, topic.errorCode, topic.errorMessage)
            }
        }
    }

    /// Deletes topics and all their records; each succeeds or fails on its own.
    ///
    /// One request to the controller: DeleteTopics 1, Kafka 0.11. Throws `timedOut` or `connectionClosed` when the answer
    /// did not come: it may have been carried out.
    public func deleteTopics(_ names: [String]) async throws -> [ItemResult<Void>] {
        var request = DeleteTopicsRequest()
        request.timeoutMs = Self.changeTimeoutMs
        // Versions 1 to 5 have names, later ones entries with a name or an id.
        let version = try await self.retrying {
            try await self.controllerConnection().version(of: DeleteTopicsRequest.self)
        }
        if version >= 6 {
            request.topics = names.map { name in
                var topic = DeleteTopicsRequest.DeleteTopicState()
                topic.name = name
                return topic
            }
        } else {
            request.topicNames = names
        }
        let results = try await self.atController(request, versions: version...version) { response in
            response.responses.map { ItemOutcome($0.name ?? "", (), $0.errorCode, $0.errorMessage) }
        }
        for name in names { self.forget(topic: name) }
        return results
    }

    /// Raises the number of partitions of a topic to `count`; Kafka has no way to lower it. Throws what went wrong, for
    /// example `invalidPartitions` when the topic has as many already.
    ///
    /// One request to the controller: CreatePartitions 0, Kafka 1.0.
    public func createPartitions(topic: String, count: Int32) async throws {
        for result in try await self.createPartitions([topic: count]) { try result.result.get() }
    }

    /// Raises the numbers of partitions of topics to these counts; Kafka has no way to lower them. Each succeeds or fails
    /// on its own. With `validatesOnly` nothing is made.
    ///
    /// One request to the controller: CreatePartitions 0, Kafka 1.0.
    public func createPartitions(
        _ counts: [String: Int32], validatesOnly: Bool = false
    ) async throws -> [ItemResult<Void>] {
        var request = CreatePartitionsRequest()
        request.timeoutMs = Self.changeTimeoutMs
        request.validateOnly = validatesOnly
        request.topics = counts.sorted { $0.key < $1.key }.map { topic, count in
            var entry = CreatePartitionsRequest.CreatePartitionsTopic()
            entry.name = topic
            entry.count = count
            entry.assignments = nil
            return entry
        }
        let results = try await self.atController(request) { response in
            response.results.map { ItemOutcome($0.name, (), $0.errorCode, $0.errorMessage) }
        }
        for topic in counts.keys { self.forget(topic: topic) }
        return results
    }

    /// One item of an answer, as it stands there.
    struct ItemOutcome<Value: Sendable> {
        var name: String
        var value: Value
        var errorCode: ErrorCode
        var message: String?

        init(_ name: String, _ value: Value, _ errorCode: Int16, _ message: String?) {
            self.name = name
            self.value = value
            self.errorCode = ErrorCode(rawValue: errorCode)
            self.message = message
        }
    }

    /// Sends a change to the controller and takes the items of its answer apart.
    func atController<Request: KafkaRequest, Value: Sendable>(
        _ request: Request, versions: ClosedRange<Int16>? = nil,
        _ outcomes: (Request.Response) -> [ItemOutcome<Value>]
    ) async throws -> [ItemResult<Value>] {
        let response = try await self.changeAtController(request, versions: versions) { response in
            outcomes(response).map(\.errorCode.rawValue)
        }
        return outcomes(response).map { item in
            ItemResult(
                name: item.name,
                result: Self.outcome(
                    item.value, item.errorCode.rawValue, subject: item.name, message: item.message))
        }
    }
}
