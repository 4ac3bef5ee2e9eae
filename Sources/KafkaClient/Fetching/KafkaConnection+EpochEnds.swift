// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

extension KafkaConnection {
    /// Asks this broker, which leads all of these partitions, where records of leader epochs end in its log; nil for
    /// epochs of which it knows nothing. Nil for all of it when the broker is too old to be asked: OffsetForLeaderEpoch
    /// 2, Kafka 2.1 (KIP-320).
    func epochEnds(
        _ checks: [TopicPartition: Fetcher.Check]
    ) async throws -> PartitionResults<Fetcher.EpochEnd?>? {
        guard let served = self.versions[.offsetForLeaderEpoch], served.upperBound >= 2 else { return nil }
        let partitions = checks.keys.sorted()
        var request = OffsetForLeaderEpochRequest()
        request.replicaID = -1
        request.topics = partitions.groupedByTopic { name, partitions in
            var topic = OffsetForLeaderEpochRequest.OffsetForLeaderTopic()
            topic.topic = name
            topic.partitions = partitions.compactMap { partition in
                guard let check = checks[partition] else { return nil }
                var entry = OffsetForLeaderEpochRequest.OffsetForLeaderPartition()
                entry.partition = partition.partition.rawValue
                entry.currentLeaderEpoch = check.leaderEpoch.rawValue
                entry.leaderEpoch = check.epoch.rawValue
                return entry
            }
            return topic
        }
        let response = try await self.send(request, versions: 2...Int16.max)
        var results = PartitionResults<Fetcher.EpochEnd?>(missing: partitions, api: "OffsetForLeaderEpoch")
        for topic in response.topics {
            for entry in topic.partitions {
                let partition = TopicPartition(topic: topic.topic, partition: PartitionIndex(entry.partition))
                let errorCode = ErrorCode(rawValue: entry.errorCode)
                let isKnown = entry.leaderEpoch >= 0 && entry.endOffset >= 0
                let end = Fetcher.EpochEnd(epoch: LeaderEpoch(entry.leaderEpoch), offset: entry.endOffset)
                results[partition] =
                    errorCode == .none
                    ? .success(isKnown ? end : nil) : .failure(KafkaClientError(errorCode, subject: "\(partition)"))
            }
        }
        return results
    }
}
