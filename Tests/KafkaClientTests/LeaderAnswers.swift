// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

/// Answers of scripted leaders, with a part for each partition that was asked for.
extension ListOffsetsRequest {
    func answer(_ offset: (ListOffsetsPartition) -> Int64) -> ListOffsetsResponse {
        var response = ListOffsetsResponse()
        response.topics = self.topics.map { asked in
            var topic = ListOffsetsResponse.ListOffsetsTopicResponse()
            topic.name = asked.name
            topic.partitions = asked.partitions.map { asked in
                var partition = ListOffsetsResponse.ListOffsetsPartitionResponse()
                partition.partitionIndex = asked.partitionIndex
                partition.offset = offset(asked)
                return partition
            }
            return topic
        }
        return response
    }
}

extension FetchRequest {
    /// Parts have no records and no error, unless `fill` gives them some. With `asksForPause` the client is asked to wait a
    /// little when no part has records: a scripted leader does not.
    func answer(
        asksForPause: Bool = false, _ fill: (FetchPartition, inout FetchResponse.PartitionData) throws -> Void
    ) rethrows -> FetchResponse {
        var response = FetchResponse()
        response.responses = try self.topics.map { asked in
            var topic = FetchResponse.FetchableTopicResponse()
            (topic.topic, topic.topicID) = (asked.topic, asked.topicID)
            topic.partitions = try asked.partitions.map { asked in
                var partition = FetchResponse.PartitionData()
                partition.partitionIndex = asked.partition
                partition.logStartOffset = 0
                partition.records = .empty
                try fill(asked, &partition)
                return partition
            }
            return topic
        }
        let isEmpty = response.responses.allSatisfy { $0.partitions.allSatisfy { $0.records?.byteCount == 0 } }
        if asksForPause, isEmpty { response.throttleTimeMs = 1 }
        return response
    }
}
