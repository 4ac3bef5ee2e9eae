// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire

/// DeleteTopics (key 20): deletes topics with all their records, each by itself.
///
/// Served: 1-6. Up to version 5 topics go by name, from 6 on by name or by id (KIP-516); from 5 on the answer has
/// messages. With `delete.topic.enable=false` nothing is deleted: TOPIC_DELETION_DISABLED, which version 1 and 2 do not
/// have and get as INVALID_REQUEST.
///
/// The topics are gone when the answer leaves; the time-out of the request is not needed.
struct DeleteTopicsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    /// How a request names one topic.
    private struct Reference: Sendable {
        var name: String?
        var id: TopicID
    }

    func answer(_ request: DeleteTopicsRequest) -> Answer<DeleteTopicsResponse> {
        let references: [Reference] =
            if self.context.apiVersion >= 6 {
                request.topics.map { Reference(name: $0.name, id: $0.topicID) }
            } else {
                request.topicNames.map { Reference(name: $0, id: .zero) }
            }
        if !self.broker.config.deleteTopicEnable {
            let refusal = RequestRefusal(
                self.context.apiVersion < 3 ? .invalidRequest : .topicDeletionDisabled,
                "Topics cannot be deleted: the broker has delete.topic.enable=false"
            )
            var response = DeleteTopicsResponse()
            response.responses = references.map { .init(name: $0.name, id: $0.id, refusal) }
            return .now(response)
        }
        return .later(self.broker.admin.run(on: self.context.eventLoop) { self.delete(references) })
    }

    /// Runs on the admin thread.
    private func delete(_ references: [Reference]) -> DeleteTopicsResponse {
        let image = self.broker.metadata.image
        let found = references.map { Self.find($0, image) }
        // A topic may be named once by its name and once by its id.
        let repeated = RepeatedItems(found.lazy.compactMap { try? $0.get().id })
        var response = DeleteTopicsResponse()
        var accepted: [(answer: Int, id: TopicID)] = []
        for (reference, result) in zip(references, found) {
            switch result {
            case .success(let topic) where repeated.contains(topic.id):
                let refusal = RequestRefusal(
                    .invalidRequest, "The request has topic '\(topic.name)' with the id \(topic.id) more than once")
                response.responses.append(.init(name: reference.name, id: reference.id, refusal))
            case .success(let topic):
                accepted.append((response.responses.count, topic.id))
                response.responses.append(.init(name: topic.name, id: topic.id, nil))
            case .failure(let refusal):
                response.responses.append(.init(name: reference.name, id: reference.id, refusal))
            }
        }
        let results = self.broker.deleteTopics(accepted.map(\.id))
        for (item, result) in zip(accepted, results) {
            if case .failure(let error) = result { response.responses[item.answer].refuse(RequestRefusal(error)) }
        }
        return response
    }

    private static func find(_ reference: Reference, _ image: ClusterImage) -> Result<TopicImage, RequestRefusal> {
        switch (reference.name, reference.id) {
        case (.some, let id) where id != .zero:
            return .failure(RequestRefusal(.invalidRequest, "Name the topic or give its id, not both"))
        case (let name?, _):
            if let topic = image.topic(named: name) { return Self.checked(topic) }
            return .failure(RequestRefusal(.unknownTopicOrPartition, "Topic '\(name)' does not exist"))
        case (nil, .zero):
            return .failure(RequestRefusal(.invalidRequest, "Name the topic or give its id"))
        case (nil, let id):
            if let topic = image.topic(id: id) { return Self.checked(topic) }
            return .failure(RequestRefusal(.unknownTopicID, "No topic has the id \(id)"))
        }
    }

    /// What the cluster keeps for itself is not deleted: all groups would be lost with it.
    private static func checked(_ topic: TopicImage) -> Result<TopicImage, RequestRefusal> {
        if !topic.isInternal { return .success(topic) }
        return .failure(
            RequestRefusal(.invalidRequest, "Topic '\(topic.name)' belongs to the cluster and cannot be deleted"))
    }
}

extension DeleteTopicsResponse.DeletableTopicResult {
    fileprivate init(name: String?, id: TopicID, _ refusal: RequestRefusal?) {
        self.init()
        self.name = name
        self.topicID = id
        if let refusal { self.refuse(refusal) }
    }

    fileprivate mutating func refuse(_ refusal: RequestRefusal) {
        self.errorCode = refusal.errorCode.rawValue
        self.errorMessage = refusal.message
    }
}
