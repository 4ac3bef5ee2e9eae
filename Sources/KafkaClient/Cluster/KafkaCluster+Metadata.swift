// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging
import Synchronization

extension KafkaCluster {
    /// Asks the cluster about topics, all of them for nil, and remembers the answer. Those of `ids` are asked for by
    /// their identity (KIP-516). Each call is a request of its own; ``currentTopics(_:createsTopics:)`` shares them.
    func refreshMetadata(
        topics names: [String]?, ids: [TopicID] = [], createsTopics: Bool = false
    ) async throws -> MetadataResponse {
        var request = MetadataRequest()
        request.allowAutoTopicCreation = createsTopics
        if let names {
            request.topics = names.map { name in
                var topic = MetadataRequest.MetadataRequestTopic()
                topic.name = name
                return topic
            }
            request.topics? += ids.map { id in
                var topic = MetadataRequest.MetadataRequestTopic()
                topic.name = nil
                topic.topicID = id
                return topic
            }
        } else {
            request.topics = nil
        }
        // Before version 4 a question could create the topic; Kafka has served 4 since 0.11. Ids came with 12.
        let versions: ClosedRange<Int16> = (ids.isEmpty ? 4 : 12)...Int16.max
        var response = try await self.anyConnection().send(request, versions: versions)
        if ErrorCode(rawValue: response.errorCode) == .rebootstrapRequired {
            // KIP-1102: this broker does not belong to the cluster any more, and so nothing it said counts.
            self.logger.notice("the cluster is looked up anew", metadata: [KafkaLogKey.reason: "REBOOTSTRAP_REQUIRED"])
            await self.forgetCluster()
            response = try await self.anyConnection().send(request, versions: versions)
        }
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else { throw KafkaClientError(errorCode, subject: "Metadata") }
        let version = self.state.withLock { state in
            state.metadata.update(response, now: self.uptime())
            return state.metadata.version
        }
        self.metadataNews.announce(version)
        return response
    }

    private func forgetCluster() async {
        self.state.withLock { state in
            state.metadata.forgetCluster()
            state.coordinators = CoordinatorCache()
        }
        await self.pool.closeAll()
    }

    // MARK: Questions that tasks share

    /// What the cluster says about these topics now, by name and with an error code where there is one; topics that
    /// others asked for may be among them. Tasks that ask at the same time share a request.
    func currentTopics(
        _ names: Set<String>, createsTopics: Bool = false
    ) async throws -> [String: TopicDescription] {
        let refresher = createsTopics ? self.creatingRefresher : self.refresher
        let (topics, isFresh) = try await refresher.topics(names) {
            try await self.requestTopics($0, createsTopics: createsTopics)
        }
        // A topic that was made just now may be missing in an answer to an older question.
        if isFresh || names.allSatisfy({ topics[$0]?.errorCode == ErrorCode.none }) { return topics }
        return try await refresher.topics(names) {
            try await self.requestTopics($0, createsTopics: createsTopics)
        }.topics
    }

    /// One request, whose answer is taken apart once for all who share it.
    private func requestTopics(_ names: Set<String>, createsTopics: Bool) async throws -> [String: TopicDescription] {
        let response = try await self.refreshMetadata(topics: names.sorted(), createsTopics: createsTopics)
        return Dictionary(response.topics.map { ($0.name ?? "", TopicDescription($0)) }) { first, _ in first }
    }

    /// The cached description of a topic, fetched when there is none, or when it is older than
    /// ``KafkaClusterConfiguration/metadataAgeMax`` and the cluster answers.
    ///
    /// Throws `brokerError`, for example with `unknownTopicOrPartition`, after the configured retries where the topic
    /// is about to exist.
    public func topic(_ name: String, createsTopic: Bool = false) async throws -> TopicDescription {
        let metadata = self.metadata
        if let known = metadata.topic(name), let age = metadata.age(ofTopic: name, now: self.uptime()) {
            guard age >= self.configuration.metadataAgeMax else { return known }
            do {
                if let topic = try await self.currentTopics([name])[name], topic.errorCode == .none { return topic }
            } catch let error as KafkaClientError {
                self.logger.debug(
                    "old metadata goes on", metadata: [KafkaLogKey.topic: "\(name)", KafkaLogKey.reason: "\(error)"])
                return known
            }
        }
        return try await self.retrying {
            guard let topic = try await self.currentTopics([name], createsTopics: createsTopic)[name] else {
                throw KafkaClientError(.malformedResponse, "the answer to Metadata lacks the topic \(name)")
            }
            if topic.errorCode == .unknownTopicOrPartition, !createsTopic {
                // It will not come into being by waiting.
                var error = KafkaClientError(topic.errorCode, subject: name)
                error.message = "the topic \(name) does not exist"
                throw Final(error)
            }
            guard topic.errorCode == .none else { throw KafkaClientError(topic.errorCode, subject: name) }
            return topic
        }
    }

    // MARK: What is known

    /// All that is known now, which stays as it is while the cluster goes on. Cheap: nothing is copied.
    var metadata: MetadataCache { self.state.withLock(\.metadata) }

    /// Waits for an answer to any question about metadata that comes after that with this ``MetadataCache/version``.
    /// Whoever waits has to know that somebody asks: this does not.
    func metadata(after version: Int) async throws -> MetadataCache {
        try await self.metadataNews.wait(after: version)
        return self.metadata
    }

    /// The cached leader of a partition and where to reach it; nil when it has to be asked for.
    func cachedLeader(of partition: TopicPartition) -> (node: NodeID, address: BrokerAddress)? {
        self.state.withLock { $0.metadata.leader(of: partition) }
    }

    /// A broker said that it does not lead this topic: the next question goes to the cluster.
    func forget(topic: String) { self.state.withLock { $0.metadata.contradict(topic: topic) } }
}
