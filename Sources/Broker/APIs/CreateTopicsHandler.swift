// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire

/// CreateTopics (key 19): makes topics, each by itself, so that one refused does not keep the others.
///
/// Served: 2-7. From version 5 on the answer has the number of partitions, the replication factor and the configs in
/// force (KIP-525), from 7 on the topic's id (KIP-516).
///
/// - -1 partitions and -1 replicas mean the broker's `num.partitions` and `default.replication.factor` (KIP-464).
/// - Topics are served when the answer leaves; the time-out of the request is not needed.
/// - A topic that is only validated has no id: the answer's is zero.
/// - One request makes at most 10,000 partitions, as in Kafka; what comes after gets POLICY_VIOLATION.
struct CreateTopicsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    /// Partitions of all topics of one request.
    static let partitionsPerRequestMax = 10_000

    /// The value of a field that leaves the choice to the broker.
    private static let brokerDefault = -1

    func answer(_ request: CreateTopicsRequest) -> Answer<CreateTopicsResponse> {
        .later(self.broker.admin.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    /// Runs on the admin thread.
    private func response(to request: CreateTopicsRequest) -> CreateTopicsResponse {
        let config = self.broker.config
        let repeated = RepeatedItems(request.topics.lazy.map(\.name))
        var answers: [CreateTopicsResponse.CreatableTopicResult] = []
        var accepted: [(answer: Int, topic: NewTopic)] = []
        var refusedRepeats: Set<String> = []
        var partitionCount = 0
        for topic in request.topics {
            // All of a name that comes more than once get one answer together.
            if repeated.contains(topic.name), !refusedRepeats.insert(topic.name).inserted { continue }
            var answer = CreateTopicsResponse.CreatableTopicResult()
            answer.name = topic.name
            answer.errorMessage = nil
            do throws(RequestRefusal) {
                if repeated.contains(topic.name) {
                    throw RequestRefusal(.invalidRequest, "The request has topic '\(topic.name)' more than once")
                }
                let newTopic = try Self.newTopic(topic, config)
                partitionCount += newTopic.placement.partitionCount
                if partitionCount > Self.partitionsPerRequestMax {
                    throw RequestRefusal(
                        .policyViolation,
                        "One request makes at most \(Self.partitionsPerRequestMax) partitions: use several requests"
                    )
                }
                accepted.append((answers.count, newTopic))
            } catch {
                answer.refuse(error)
            }
            answers.append(answer)
        }
        let results = self.broker.createTopics(accepted.map(\.topic), validateOnly: request.validateOnly)
        for (item, result) in zip(accepted, results) {
            switch result {
            case .success(let topic):
                answers[item.answer].describe(topic, config, isCreated: !request.validateOnly)
            case .failure(let error):
                answers[item.answer].refuse(RequestRefusal(error))
            }
        }
        var response = CreateTopicsResponse()
        response.topics = answers
        return response
    }

    private static func newTopic(
        _ topic: CreateTopicsRequest.CreatableTopic,
        _ config: BrokerConfig
    ) throws(RequestRefusal) -> NewTopic {
        // First of all: a message about its partitions helps nobody whose topic cannot have that name.
        do { try TopicName.validate(topic.name) } catch { throw RequestRefusal(error) }
        let placement = try self.placement(topic, config)
        let alterations = topic.configs.map { ConfigAlteration($0.name, .set, $0.value) }
        do throws(ConfigError) {
            let configs = try config.altering(topicOverrides: [:], alterations)
            return NewTopic(name: topic.name, placement: placement, configs: configs)
        } catch {
            throw RequestRefusal(error)
        }
    }

    private static func placement(
        _ topic: CreateTopicsRequest.CreatableTopic,
        _ config: BrokerConfig
    ) throws(RequestRefusal) -> ReplicaPlacement {
        let count = Int(topic.numPartitions)
        let factor = Int(topic.replicationFactor)
        if !topic.assignments.isEmpty {
            guard count == self.brokerDefault, factor == self.brokerDefault else {
                throw RequestRefusal(
                    .invalidRequest,
                    """
                    Topic '\(topic.name)' has its replicas assigned by hand: the number of partitions and the \
                    replication factor must then be -1
                    """
                )
            }
            return .manual(try self.assignments(topic))
        }
        guard count == self.brokerDefault || count > 0 else {
            throw RequestRefusal(
                .invalidPartitions,
                "Topic '\(topic.name)': \(count) partitions; ask for at least 1, or for -1, the broker's default"
            )
        }
        guard factor == self.brokerDefault || factor > 0 else {
            throw RequestRefusal(
                .invalidReplicationFactor,
                "Topic '\(topic.name)': \(factor) replicas; ask for at least 1, or for -1, the broker's default"
            )
        }
        let wantedCount = count == self.brokerDefault ? config.numPartitions : count
        let wantedFactor = factor == self.brokerDefault ? config.defaultReplicationFactor : factor
        return .spread(
            partitions: Int32(clamping: wantedCount),
            replicationFactor: Int16(clamping: wantedFactor)
        )
    }

    /// The brokers of each partition; the request may have the partitions in any order, but all from 0 on.
    private static func assignments(
        _ topic: CreateTopicsRequest.CreatableTopic
    ) throws(RequestRefusal) -> [[NodeID]] {
        var brokers: [Int32: [NodeID]] = [:]
        for assignment in topic.assignments {
            let previous = brokers.updateValue(
                assignment.brokerIDs.map { NodeID($0) }, forKey: assignment.partitionIndex)
            if previous != nil {
                throw RequestRefusal(
                    .invalidReplicaAssignment,
                    "Topic '\(topic.name)': partition \(assignment.partitionIndex) is assigned more than once"
                )
            }
        }
        return try (0..<Int32(clamping: topic.assignments.count)).map { (index) throws(RequestRefusal) in
            guard let replicas = brokers[index] else {
                throw RequestRefusal(
                    .invalidReplicaAssignment,
                    """
                    Topic '\(topic.name)': partition \(index) is not assigned; the assigned partitions must be \
                    numbered from 0 without gaps
                    """
                )
            }
            return replicas
        }
    }
}

extension ReplicaPlacement {
    fileprivate var partitionCount: Int {
        switch self {
        case .spread(let count, _): Int(count)
        case .manual(let assignments): assignments.count
        }
    }
}

extension CreateTopicsResponse.CreatableTopicResult {
    fileprivate mutating func refuse(_ refusal: RequestRefusal) {
        self.errorCode = refusal.errorCode.rawValue
        self.errorMessage = refusal.message
    }

    /// - Parameter isCreated: false for a topic that was only validated.
    fileprivate mutating func describe(_ topic: TopicImage, _ config: BrokerConfig, isCreated: Bool) {
        if isCreated { self.topicID = topic.id }
        self.numPartitions = Int32(clamping: topic.partitions.count)
        self.replicationFactor = Int16(clamping: topic.partitions.first?.replicas.count ?? 0)
        self.configs = config.topicEntries(overrides: topic.configs).map { entry in
            var config = CreateTopicsResponse.CreatableTopicConfigs()
            config.name = entry.name
            config.value = entry.value
            config.readOnly = entry.isReadOnly
            config.configSource = entry.source.rawValue
            config.isSensitive = entry.isSensitive
            return config
        }
    }
}
