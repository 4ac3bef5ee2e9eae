// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

// Requests that any node answers.

extension InitProducerIdRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<InitProducerIdResponse> {
        guard let error = refusals.error(.request) else { return .nothing }
        var refused = InitProducerIdResponse()
        (refused.errorCode, refused.producerEpoch) = (error.rawValue, -1)
        return .all(refused)
    }
}

extension FindCoordinatorRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<FindCoordinatorResponse> {
        var refused = FindCoordinatorResponse()
        if self.coordinatorKeys.isEmpty {
            // Before version 4 there is one key.
            guard let error = refusals.error(.key(self.key)) else { return .nothing }
            (refused.errorCode, refused.errorMessage, refused.nodeID, refused.port) = (error.rawValue, nil, -1, -1)
            return .all(refused)
        }
        refused.coordinators = self.coordinatorKeys.extract { key in
            guard let error = refusals.error(.key(key)) else { return nil }
            var answer = FindCoordinatorResponse.Coordinator()
            (answer.key, answer.errorCode, answer.errorMessage) = (key, error.rawValue, nil)
            (answer.nodeID, answer.port) = (-1, -1)
            return answer
        }
        if refused.coordinators.isEmpty { return .nothing }
        return self.coordinatorKeys.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: FindCoordinatorResponse, into answer: inout FindCoordinatorResponse) {
        answer.coordinators += refused.coordinators
    }
}

extension CreateTopicsRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<CreateTopicsResponse> {
        guard let error = refusals.error(.request) else { return .nothing }
        var refused = CreateTopicsResponse()
        refused.topics = self.topics.map { topic in
            var answer = CreateTopicsResponse.CreatableTopicResult()
            (answer.name, answer.errorCode, answer.errorMessage) = (topic.name, error.rawValue, nil)
            return answer
        }
        return .all(refused)
    }
}

extension DeleteTopicsRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<DeleteTopicsResponse> {
        guard let error = refusals.error(.request) else { return .nothing }
        var refused = DeleteTopicsResponse()
        // Before version 6 topics have names only.
        let named = self.topicNames.map { name in
            var state = DeleteTopicState()
            state.name = name
            return state
        }
        refused.responses = (self.topics + named).map { topic in
            var answer = DeleteTopicsResponse.DeletableTopicResult()
            (answer.name, answer.topicID, answer.errorCode) = (topic.name, topic.topicID, error.rawValue)
            return answer
        }
        return .all(refused)
    }
}

/// Has the broker answer, and replaces what it says of the topics.
extension MetadataRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<MetadataResponse> {
        guard let error = refusals.error(.request) else { return .nothing }
        var refused = MetadataResponse()
        refused.errorCode = error.rawValue
        return .part(refused)
    }

    static func merge(_ refused: MetadataResponse, into answer: inout MetadataResponse) {
        for index in answer.topics.indices {
            answer.topics[index].errorCode = refused.errorCode
            answer.topics[index].partitions = []
        }
    }
}
