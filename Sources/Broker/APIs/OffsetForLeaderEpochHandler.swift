// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire

/// OffsetForLeaderEpoch (key 23): where the records of a leader epoch end, by which a consumer or a follower finds out
/// that it has records that the leader does not have (KIP-320).
///
/// Served: 2-4, which differ in their encoding. The answer to an epoch is the largest epoch not above it that wrote
/// something, and the offset at which that one ended; -1 for both when the epoch is newer than the leader's, or nothing
/// is known that old.
struct OffsetForLeaderEpochHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: OffsetForLeaderEpochRequest) -> Answer<OffsetForLeaderEpochResponse> {
        var response = OffsetForLeaderEpochResponse()
        response.topics = request.topics.map { topic in
            var answer = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult()
            answer.topic = topic.topic
            answer.partitions = topic.partitions.map { self.find($0, of: topic.topic) }
            return answer
        }
        return .now(response)
    }

    private func find(
        _ asked: OffsetForLeaderEpochRequest.OffsetForLeaderPartition,
        of topic: String
    ) -> OffsetForLeaderEpochResponse.EpochEndOffset {
        var answer = OffsetForLeaderEpochResponse.EpochEndOffset()
        answer.partition = asked.partition
        switch self.broker.topics.partition(name: topic, id: .zero, index: asked.partition) {
        case .failure(let error): answer.errorCode = error.errorCode.rawValue
        case .success((_, let partition)):
            if let error = partition.check(currentLeaderEpoch: asked.currentLeaderEpoch) {
                answer.errorCode = error.rawValue
            } else if let end = partition.endOffset(forLeaderEpoch: asked.leaderEpoch) {
                answer.leaderEpoch = end.epoch
                answer.endOffset = end.endOffset
            }
        }
        return answer
    }
}
