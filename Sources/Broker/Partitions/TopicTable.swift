// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaRecords
import KafkaTypes
import KafkaWire
import Synchronization

/// A topic as it is served at this moment: its partitions and the configs in force. Replaced as a whole when either
/// changes, so that a request sees one state of it.
final class ServedTopic: Sendable {
    let name: String
    let id: TopicID
    let config: TopicConfig
    /// Checks produced batches against `config`.
    let validator: BatchValidator
    /// Belongs to the cluster: clients may read it but not write.
    let isInternal: Bool
    /// By index, from 0, without gaps.
    let partitions: [Partition]
    /// What is counted of it. Goes over to what replaces this.
    let metrics: TopicMetrics

    init(
        name: String, id: TopicID, config: TopicConfig, validator: BatchValidator, partitions: [Partition],
        metrics: TopicMetrics
    ) {
        self.metrics = metrics
        self.name = name
        self.id = id
        self.config = config
        self.validator = validator
        self.partitions = partitions
        self.isInternal = TopicName.internalTopics.contains(name)
    }

    /// The partition of that index, or nil.
    func partition(_ index: Int32) -> Partition? {
        self.partitions.indices.contains(Int(index)) ? self.partitions[Int(index)] : nil
    }
}

/// The topics that are being served, by name and by id. Read by every produce and fetch, changed by topic
/// administration only.
final class TopicTable: Sendable {
    private struct State {
        var byName: [String: ServedTopic] = [:]
        var byID: [TopicID: ServedTopic] = [:]
    }

    private let state = Mutex(State())

    func topic(named name: String) -> ServedTopic? {
        self.state.withLock { $0.byName[name] }
    }

    func topic(id: TopicID) -> ServedTopic? {
        self.state.withLock { $0.byID[id] }
    }

    /// All topics, in no order.
    var all: [ServedTopic] {
        self.state.withLock { Array($0.byName.values) }
    }

    /// Adds a topic, or replaces the one of that name.
    func put(_ topic: ServedTopic) {
        self.state.withLock { state in
            if let old = state.byName[topic.name] { state.byID[old.id] = nil }
            state.byName[topic.name] = topic
            state.byID[topic.id] = topic
        }
    }

    /// Stops serving a topic and returns it; nil when there was none.
    func remove(named name: String) -> ServedTopic? {
        self.state.withLock { state in
            guard let topic = state.byName.removeValue(forKey: name) else { return nil }
            state.byID[topic.id] = nil
            return topic
        }
    }

    /// The partition that a request names, or the error that Kafka gives when there is none.
    ///
    /// - Parameter id: used when it is not zero (from the versions on that carry topic ids), `name` otherwise.
    func partition(name: String, id: TopicID, index: Int32) -> Result<(ServedTopic, Partition), LookupError> {
        let topic = id == .zero ? self.topic(named: name) : self.topic(id: id)
        guard let topic else { return .failure(id == .zero ? .unknownTopic : .unknownTopicID) }
        guard let partition = topic.partition(index) else { return .failure(.unknownPartition(topic: topic)) }
        return .success((topic, partition))
    }

    /// Why there is no partition to serve a request from.
    enum LookupError: Error {
        case unknownTopic
        case unknownTopicID
        case unknownPartition(topic: ServedTopic)

        var errorCode: ErrorCode {
            switch self {
            case .unknownTopic, .unknownPartition: .unknownTopicOrPartition
            case .unknownTopicID: .unknownTopicID
            }
        }

        /// What an operator should read, where the answer has room for a message.
        func message(name: String, id: TopicID, index: Int32) -> String {
            switch self {
            case .unknownTopic: "topic '\(name)' does not exist"
            case .unknownTopicID: "no topic has the id \(id); it may have been deleted"
            case .unknownPartition(let topic):
                "topic '\(topic.name)' has \(topic.partitions.count) partitions, there is no partition \(index)"
            }
        }
    }
}
