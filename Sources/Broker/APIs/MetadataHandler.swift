// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// Metadata (key 3): the brokers, and the partitions of some or all topics with their leaders.
///
/// Served: 0-13. Version 0 asks for all topics with an empty list, later ones with null; from 4 on the client may
/// forbid that missing topics are made, from 10 on topics may be named by id (KIP-516).
///
/// - The broker's address is the one that this connection reached, unless `advertised.listeners` says otherwise.
/// - With `auto.create.topics.enable` a missing topic is made at once and is in the answer; Kafka makes it later and
///   lets the client ask again.
struct MetadataHandler: APIHandler {
    /// Topics that one request may have made: so many names in one request are a mistake or an attack.
    static let autoCreatedTopicsMax = 100

    /// librdkafka writes the null that asks for all topics with the four bytes it had reserved for a count, although
    /// one byte is the whole of it from version 9 on (librdkafka issue 5049). Kafka does not look at what is left over.
    static let trailingBytesMax = 3

    let broker: Broker
    let context: RequestContext

    func answer(_ request: MetadataRequest) -> Answer<MetadataResponse> {
        let request = Self.withoutRepeats(request)
        let image = self.broker.metadata.image
        let missing = self.topicsToCreate(request, image)
        if missing.isEmpty { return .now(self.response(to: request, image)) }

        let created = self.broker.admin.run(on: self.context.eventLoop) { self.broker.autoCreateTopics(missing) }
        return .later(created.map { self.response(to: request, self.broker.metadata.image, creationErrors: $0) })
    }

    private static func withoutRepeats(_ request: MetadataRequest) -> MetadataRequest {
        var request = request
        request.topics = request.topics.map(Self.withoutRepeats)
        return request
    }

    /// Each topic once, as in Kafka: a topic of many partitions named a million times would have an answer that no
    /// memory holds.
    private static func withoutRepeats(
        _ topics: [MetadataRequest.MetadataRequestTopic]
    ) -> [MetadataRequest.MetadataRequestTopic] {
        struct Name: Hashable {
            let name: String?
            let id: TopicID
        }
        var seen: Set<Name> = []
        return topics.filter { seen.insert(Name(name: $0.topicID == .zero ? $0.name : nil, id: $0.topicID)).inserted }
    }

    /// The topics of the request that do not exist and may be made.
    private func topicsToCreate(_ request: MetadataRequest, _ image: ClusterImage) -> [String] {
        guard request.allowAutoTopicCreation || self.context.apiVersion < 4,
            let topics = request.topics, self.broker.config.autoCreateTopicsEnable
        else { return [] }
        let missing = topics.compactMap(\.name).filter { name in
            image.topic(named: name) == nil && (try? TopicName.validate(name)) != nil
        }
        return Array(missing.prefix(Self.autoCreatedTopicsMax))
    }

    private func response(
        to request: MetadataRequest,
        _ image: ClusterImage,
        creationErrors: [String: ErrorCode] = [:]
    ) -> MetadataResponse {
        var response = MetadataResponse()
        var node = MetadataResponse.MetadataResponseBroker()
        node.nodeID = image.nodeID.rawValue
        node.host = self.context.connection.advertisedEndpoint.host
        node.port = self.context.connection.advertisedEndpoint.port
        response.brokers = [node]
        response.clusterID = image.clusterID
        response.controllerID = image.nodeID.rawValue
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = AuthorizedOperations.cluster
        }
        let wantsOperations = request.includeTopicAuthorizedOperations
        guard let wanted = request.topics, !(wanted.isEmpty && self.context.apiVersion == 0) else {
            response.topics = image.topics.map { self.describe($0, wantsOperations: wantsOperations) }
            return response
        }
        response.topics = wanted.map { topic in
            if let found = Self.find(topic, image) { return self.describe(found, wantsOperations: wantsOperations) }
            return self.missing(topic, creationErrors)
        }
        return response
    }

    private static func find(_ topic: MetadataRequest.MetadataRequestTopic, _ image: ClusterImage) -> TopicImage? {
        topic.topicID == .zero ? topic.name.flatMap(image.topic(named:)) : image.topic(id: topic.topicID)
    }

    /// What is said of a topic that is not there.
    private func missing(
        _ topic: MetadataRequest.MetadataRequestTopic,
        _ creationErrors: [String: ErrorCode]
    ) -> MetadataResponse.MetadataResponseTopic {
        var answer = MetadataResponse.MetadataResponseTopic()
        // Null is only possible from version 12 on.
        answer.name = topic.name ?? (self.context.apiVersion >= 12 ? nil : "")
        answer.topicID = topic.topicID
        let error: ErrorCode
        if topic.topicID != .zero {
            error = .unknownTopicID
        } else if let name = topic.name, (try? TopicName.validate(name)) == nil {
            error = .invalidTopicException
        } else {
            error = topic.name.flatMap { creationErrors[$0] } ?? .unknownTopicOrPartition
        }
        answer.errorCode = error.rawValue
        return answer
    }

    private func describe(_ topic: TopicImage, wantsOperations: Bool) -> MetadataResponse.MetadataResponseTopic {
        var answer = MetadataResponse.MetadataResponseTopic()
        answer.name = topic.name
        answer.topicID = topic.id
        answer.isInternal = topic.isInternal
        if wantsOperations { answer.topicAuthorizedOperations = AuthorizedOperations.topic }
        answer.partitions = topic.partitions.enumerated().map { index, partition in
            var described = MetadataResponse.MetadataResponsePartition()
            described.partitionIndex = Int32(index)
            described.leaderID = partition.leader.rawValue
            described.leaderEpoch = partition.leaderEpoch.rawValue
            described.replicaNodes = partition.replicas.map(\.rawValue)
            described.isrNodes = partition.isr.map(\.rawValue)
            if partition.leader == .none { described.errorCode = ErrorCode.leaderNotAvailable.rawValue }
            return described
        }
        return answer
    }
}
