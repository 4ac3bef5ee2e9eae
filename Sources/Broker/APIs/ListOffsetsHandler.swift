// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

/// ListOffsets (key 2): the offset that belongs to a timestamp, or to one of some special ones.
///
/// Served: 1-11. From version 2 on a consumer may ask for committed records only, from 4 on leader epochs are checked
/// and told (KIP-320).
///
/// | Timestamp | From version | Asks for                                | Answer                                      |
/// | --------- | ------------ | --------------------------------------- | ------------------------------------------- |
/// | 0 and up  | 1            | the first record that is not older      | its offset and timestamp, -1 without one    |
/// | -1        | 1            | the end of what a consumer may read     | high watermark, or last stable offset       |
/// | -2        | 1            | the first record                        | log start offset                            |
/// | -3        | 7            | the record with the largest timestamp   | its offset and timestamp, -1 without one    |
/// | -4        | 8            | the first record on the broker's disk   | log start offset: there is no other storage |
/// | -5        | 9            | the last record in tiered storage       | -1: there is none                           |
/// | -6        | 11           | the first record not yet tiered         | -1: there is none                           |
///
/// - No answer lies at or past what a consumer may read.
/// - A special timestamp that the version does not have is UNSUPPORTED_VERSION.
struct ListOffsetsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: ListOffsetsRequest) -> Answer<ListOffsetsResponse> {
        let lookup = OffsetLookup(
            topics: self.broker.topics,
            version: self.context.apiVersion,
            isReadCommitted: request.isolationLevel == 1,
            logger: self.broker.logger
        )
        let readsDisk = request.topics.contains { topic in
            topic.partitions.contains { OffsetLookup.readsDisk($0.timestamp) }
        }
        if !readsDisk { return .now(Self.response(to: request, lookup)) }
        return .later(self.broker.readers.run(on: self.context.eventLoop) { Self.response(to: request, lookup) })
    }

    private static func response(to request: ListOffsetsRequest, _ lookup: OffsetLookup) -> ListOffsetsResponse {
        let repeated = RepeatedItems(
            request.topics.lazy.flatMap { topic in
                topic.partitions.lazy.map { partition in
                    TopicPartition(topic: topic.name, partition: PartitionIndex(partition.partitionIndex))
                }
            }
        )
        var response = ListOffsetsResponse()
        response.topics = request.topics.map { topic in
            var answer = ListOffsetsResponse.ListOffsetsTopicResponse()
            answer.name = topic.name
            answer.partitions = topic.partitions.map { partition in
                let key = TopicPartition(topic: topic.name, partition: PartitionIndex(partition.partitionIndex))
                if repeated.contains(key) {
                    return OffsetLookup.answer(partition.partitionIndex, error: .invalidRequest)
                }
                var found = lookup.find(partition, of: topic.name)
                if !lookup.tellsLeaderEpochs { found.leaderEpoch = LeaderEpoch.none.rawValue }
                return found
            }
            return answer
        }
        return response
    }
}

/// Looks up the offsets of one request. With timestamps of records it reads indexes and batches.
private struct OffsetLookup: Sendable {
    typealias Asked = ListOffsetsRequest.ListOffsetsPartition
    typealias Answer = ListOffsetsResponse.ListOffsetsPartitionResponse

    /// Timestamps that are none.
    enum Special: Int64 {
        case latest = -1
        case earliest = -2
        case maxTimestamp = -3
        case earliestLocal = -4
        case latestTiered = -5
        case earliestPendingUpload = -6

        /// The first version of the request that has it.
        var firstVersion: Int16 {
            switch self {
            case .latest, .earliest: 1
            case .maxTimestamp: 7
            case .earliestLocal: 8
            case .latestTiered: 9
            case .earliestPendingUpload: 11
            }
        }
    }

    let topics: TopicTable
    let version: Int16
    let isReadCommitted: Bool
    let logger: Logger

    /// Older answers have no room for leader epochs.
    var tellsLeaderEpochs: Bool { self.version >= 4 }

    /// Whether the answer to a timestamp lies in the log's files.
    static func readsDisk(_ timestamp: Int64) -> Bool {
        timestamp >= 0 || timestamp == Special.maxTimestamp.rawValue
    }

    func find(_ asked: Asked, of topic: String) -> Answer {
        let index = asked.partitionIndex
        let partition: Partition
        switch self.topics.partition(name: topic, id: .zero, index: index) {
        case .failure(let error): return Self.answer(index, error: error.errorCode)
        case .success((_, let found)): partition = found
        }
        if let error = partition.check(currentLeaderEpoch: asked.currentLeaderEpoch) {
            return Self.answer(index, error: error)
        }
        do throws(LogError) {
            if asked.timestamp >= 0 {
                return self.answer(index, try partition.log.offsetForTimestamp(asked.timestamp), in: partition.log)
            }
            guard let special = Special(rawValue: asked.timestamp), special.firstVersion <= self.version else {
                return Self.answer(index, error: .unsupportedVersion)
            }
            return try self.find(special, in: partition)
        } catch {
            self.logger.error(
                "cannot look up an offset in a partition's log",
                metadata: ["partition": "\(partition.topicPartition)", "error": "\(error)"]
            )
            return Self.answer(index, error: error.errorCode)
        }
    }

    private func find(_ special: Special, in partition: Partition) throws(LogError) -> Answer {
        let index = partition.topicPartition.partition.rawValue
        var answer = Answer()
        answer.partitionIndex = index
        switch special {
        case .latest:
            answer.offset = self.readableEnd(of: partition.log)
            answer.leaderEpoch = partition.leaderEpoch.rawValue
        case .earliest, .earliestLocal:
            answer.offset = partition.log.logStartOffset
            answer.leaderEpoch = partition.leaderEpochOfNextRead(at: answer.offset)
        case .maxTimestamp:
            return self.answer(index, try partition.log.maxTimestampOffset(), in: partition.log)
        case .latestTiered, .earliestPendingUpload:
            break
        }
        return answer
    }

    /// Where a consumer of this kind stops reading.
    private func readableEnd(of log: PartitionLog) -> Int64 {
        self.isReadCommitted ? log.lastStableOffset : log.highWatermark
    }

    private func answer(_ index: Int32, _ found: TimestampedOffset?, in log: PartitionLog) -> Answer {
        var answer = Answer()
        answer.partitionIndex = index
        guard let found, found.offset < self.readableEnd(of: log) else { return answer }
        answer.offset = found.offset
        answer.timestamp = found.timestamp
        answer.leaderEpoch = found.leaderEpoch
        return answer
    }

    static func answer(_ index: Int32, error: ErrorCode) -> Answer {
        var answer = Answer()
        answer.partitionIndex = index
        answer.errorCode = error.rawValue
        return answer
    }
}

extension Partition {
    /// The epoch of the record at an offset; where no record was written yet, the one that the next gets. -1 when it is
    /// not known.
    func leaderEpochOfNextRead(at offset: Int64) -> Int32 {
        if offset == self.log.endOffset { return self.leaderEpoch.rawValue }
        return self.log.leaderEpochCache.epoch(of: offset) ?? LeaderEpoch.none.rawValue
    }
}
