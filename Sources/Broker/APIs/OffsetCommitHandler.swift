// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// OffsetCommit (key 8): keeps how far a group has read.
///
/// Served: 2-10. Up to version 4 a request may say how long to keep the offsets, from 6 on it carries leader epochs
/// (KIP-320), from 7 on members may be static (KIP-345), from 9 on it is for consumer groups too (KIP-848), from 10 on
/// topics go by id.
///
/// Answered when the offsets are on stable storage.
struct OffsetCommitHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: OffsetCommitRequest) -> Answer<OffsetCommitResponse> {
        self.broker.ask(
            request.groupID,
            self.context,
            unwrap: { if case .commit(let response) = $0 { response } else { nil } },
            refuse: { Self.refusing(request, $0) }
        ) { $0.commitOffsets(request, $1, $2) }
    }

    /// The protocol has room for errors of partitions only.
    private static func refusing(_ request: OffsetCommitRequest, _ errorCode: ErrorCode) -> OffsetCommitResponse {
        var response = OffsetCommitResponse()
        response.topics = request.topics.map { topic in
            var answer = OffsetCommitResponse.OffsetCommitResponseTopic()
            answer.name = topic.name
            answer.topicID = topic.topicID
            answer.partitions = topic.partitions.map { partition in
                var answer = OffsetCommitResponse.OffsetCommitResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                answer.errorCode = errorCode.rawValue
                return answer
            }
            return answer
        }
        return response
    }
}
