// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire

/// DescribeProducers (key 61): the idempotent producers that a partition remembers (KIP-664).
///
/// Served: 0. There are no transactions yet, so no producer has one open. A partition that the request has more than
/// once is INVALID_REQUEST: lists can be long, and one of them says it all.
struct DescribeProducersHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: DescribeProducersRequest) -> Answer<DescribeProducersResponse> {
        // A log's list waits for whoever writes to the log, the disk included: nothing for the threads that read.
        let answered = self.broker.admin.run(on: self.context.eventLoop) {
            let now = self.broker.clock.wallMilliseconds()
            let repeated = RepeatedItems(
                request.topics.lazy.flatMap { topic in
                    topic.partitionIndexes.lazy.map {
                        TopicPartition(topic: topic.name, partition: PartitionIndex($0))
                    }
                }
            )
            var response = DescribeProducersResponse()
            response.topics = request.topics.map { topic in
                var answer = DescribeProducersResponse.TopicResponse()
                answer.name = topic.name
                answer.partitions = topic.partitionIndexes.map { index in
                    let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(index))
                    if repeated.contains(partition) {
                        return Self.failure(
                            index, RequestRefusal(.invalidRequest, "The request has \(partition) more than once"))
                    }
                    return self.describe(index, of: topic.name, now: now)
                }
                return answer
            }
            return response
        }
        return .later(answered)
    }

    private func describe(_ index: Int32, of topic: String, now: Int64) -> DescribeProducersResponse.PartitionResponse {
        var answer = DescribeProducersResponse.PartitionResponse()
        answer.partitionIndex = index
        switch self.broker.topics.partition(name: topic, id: .zero, index: index) {
        case .failure(let error):
            return Self.failure(index, RequestRefusal(error, topic: topic, partition: index))
        case .success((_, let partition)):
            answer.activeProducers = partition.log.activeProducers(now: now).map { producer in
                var state = DescribeProducersResponse.ProducerState()
                state.producerID = producer.producerID
                state.producerEpoch = Int32(producer.producerEpoch)
                state.lastSequence = producer.lastSequence
                state.lastTimestamp = producer.lastTimestamp
                state.coordinatorEpoch = producer.coordinatorEpoch
                state.currentTxnStartOffset = producer.currentTransactionStartOffset
                return state
            }
        }
        return answer
    }

    private static func failure(
        _ index: Int32,
        _ refusal: RequestRefusal
    ) -> DescribeProducersResponse.PartitionResponse {
        var answer = DescribeProducersResponse.PartitionResponse()
        answer.partitionIndex = index
        answer.errorCode = refusal.errorCode.rawValue
        answer.errorMessage = refusal.message
        return answer
    }
}
