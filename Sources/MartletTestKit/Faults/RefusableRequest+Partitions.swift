// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

// Requests that the leaders of partitions answer.

extension ProduceRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<ProduceResponse> {
        var refused = ProduceResponse()
        for index in self.topicData.indices {
            let topic = self.topicData[index]
            var answer = ProduceResponse.TopicProduceResponse()
            (answer.name, answer.topicID) = (topic.name, topic.topicID)
            answer.partitionResponses = self.topicData[index].partitionData.extract { partition in
                let target = refusals.partition(topic.name, topic.topicID, partition.index)
                guard let error = refusals.error(.leader(target)) else { return nil }
                var answer = ProduceResponse.PartitionProduceResponse()
                (answer.index, answer.errorCode, answer.baseOffset) = (partition.index, error.rawValue, -1)
                return answer
            }
            if !answer.partitionResponses.isEmpty { refused.responses.append(answer) }
        }
        if refused.responses.isEmpty { return .nothing }
        self.topicData.removeAll { $0.partitionData.isEmpty }
        return self.topicData.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: ProduceResponse, into answer: inout ProduceResponse) {
        answer.responses.merge(
            refused.responses, by: { TopicKey(name: $0.name, id: $0.topicID) }, \.partitionResponses)
    }
}

extension FetchRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<FetchResponse> {
        var refused = FetchResponse()
        if refusals.breaksSessions, self.sessionID != 0 {
            // Whoever ends a session may; whoever goes on with one begins anew.
            if self.sessionEpoch == Self.finalEpoch { return .nothing }
            refused.errorCode = ErrorCode.fetchSessionIDNotFound.rawValue
            return .all(refused)
        }
        self.sessionEpoch = Self.finalEpoch
        for index in self.topics.indices {
            let topic = self.topics[index]
            var answer = FetchResponse.FetchableTopicResponse()
            (answer.topic, answer.topicID) = (topic.topic, topic.topicID)
            answer.partitions = self.topics[index].partitions.extract { partition in
                let target = refusals.partition(topic.topic, topic.topicID, partition.partition)
                guard let error = refusals.error(.leader(target)) else { return nil }
                var answer = FetchResponse.PartitionData()
                (answer.partitionIndex, answer.errorCode) = (partition.partition, error.rawValue)
                (answer.highWatermark, answer.abortedTransactions, answer.records) = (-1, nil, .empty)
                return answer
            }
            if !answer.partitions.isEmpty { refused.responses.append(answer) }
        }
        self.topics.removeAll { $0.partitions.isEmpty }
        // Who is refused wants to know at once.
        if !refused.responses.isEmpty { self.hurry() }
        return self.topics.isEmpty ? .all(refused) : .part(refused)
    }

    /// Of a fetch without session.
    private static let finalEpoch: Int32 = -1

    static func merge(_ refused: FetchResponse, into answer: inout FetchResponse) {
        answer.responses.merge(
            refused.responses, by: { TopicKey(name: $0.topic, id: $0.topicID) }, \.partitions)
    }

    func waitsFor(_ refusals: Refusals) -> [RefusalTarget] {
        self.topics.flatMap { topic in
            topic.partitions.map { .leader(refusals.partition(topic.topic, topic.topicID, $0.partition)) }
        }
    }

    mutating func hurry() { self.maxWaitMs = 0 }
}

extension ListOffsetsRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<ListOffsetsResponse> {
        var refused = ListOffsetsResponse()
        for index in self.topics.indices {
            let topic = self.topics[index]
            var answer = ListOffsetsResponse.ListOffsetsTopicResponse()
            answer.name = topic.name
            answer.partitions = self.topics[index].partitions.extract { partition in
                let target = refusals.partition(topic.name, .zero, partition.partitionIndex)
                guard let error = refusals.error(.leader(target)) else { return nil }
                var answer = ListOffsetsResponse.ListOffsetsPartitionResponse()
                (answer.partitionIndex, answer.errorCode) = (partition.partitionIndex, error.rawValue)
                return answer
            }
            if !answer.partitions.isEmpty { refused.topics.append(answer) }
        }
        if refused.topics.isEmpty { return .nothing }
        self.topics.removeAll { $0.partitions.isEmpty }
        return self.topics.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: ListOffsetsResponse, into answer: inout ListOffsetsResponse) {
        answer.topics.merge(refused.topics, by: { $0.name }, \.partitions)
    }
}

extension OffsetForLeaderEpochRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<OffsetForLeaderEpochResponse> {
        var refused = OffsetForLeaderEpochResponse()
        for index in self.topics.indices {
            let topic = self.topics[index]
            var answer = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult()
            answer.topic = topic.topic
            answer.partitions = self.topics[index].partitions.extract { partition in
                let target = refusals.partition(topic.topic, .zero, partition.partition)
                guard let error = refusals.error(.leader(target)) else { return nil }
                var answer = OffsetForLeaderEpochResponse.EpochEndOffset()
                (answer.partition, answer.errorCode) = (partition.partition, error.rawValue)
                return answer
            }
            if !answer.partitions.isEmpty { refused.topics.append(answer) }
        }
        if refused.topics.isEmpty { return .nothing }
        self.topics.removeAll { $0.partitions.isEmpty }
        return self.topics.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: OffsetForLeaderEpochResponse, into answer: inout OffsetForLeaderEpochResponse) {
        answer.topics.merge(refused.topics, by: { $0.topic }, \.partitions)
    }
}

extension DeleteRecordsRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<DeleteRecordsResponse> {
        var refused = DeleteRecordsResponse()
        for index in self.topics.indices {
            let topic = self.topics[index]
            var answer = DeleteRecordsResponse.DeleteRecordsTopicResult()
            answer.name = topic.name
            answer.partitions = self.topics[index].partitions.extract { partition in
                let target = refusals.partition(topic.name, .zero, partition.partitionIndex)
                guard let error = refusals.error(.leader(target)) else { return nil }
                var answer = DeleteRecordsResponse.DeleteRecordsPartitionResult()
                (answer.partitionIndex, answer.errorCode) = (partition.partitionIndex, error.rawValue)
                answer.lowWatermark = -1
                return answer
            }
            if !answer.partitions.isEmpty { refused.topics.append(answer) }
        }
        if refused.topics.isEmpty { return .nothing }
        self.topics.removeAll { $0.partitions.isEmpty }
        return self.topics.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: DeleteRecordsResponse, into answer: inout DeleteRecordsResponse) {
        answer.topics.merge(refused.topics, by: { $0.name }, \.partitions)
    }
}
