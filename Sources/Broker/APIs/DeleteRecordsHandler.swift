// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging
import NIOCore

/// DeleteRecords (key 21): deletes the oldest records of partitions, up to an offset.
///
/// Served: 0-2, which differ in their encoding.
///
/// - Offset -1 is the high watermark: everything a consumer can see. Past it, or below -1: OFFSET_OUT_OF_RANGE. At or
///   before the first record nothing is deleted, and that is no error.
/// - The answer has the log start offset of the partition. It survives a crash from then on; the space is freed by the
///   next round of retention, which on a full disk comes within seconds.
/// - A topic that is only compacted keeps its records: POLICY_VIOLATION, as in Kafka.
struct DeleteRecordsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    private typealias Deleted = DeleteRecordsResponse.DeleteRecordsPartitionResult

    /// The offset that means the high watermark.
    private static let highWatermark: Int64 = -1
    /// The low watermark of an answer that has none.
    private static let noLowWatermark: Int64 = -1

    func answer(_ request: DeleteRecordsRequest) -> Answer<DeleteRecordsResponse> {
        let eventLoop = self.context.eventLoop
        let deletions = request.topics.map { topic in
            EventLoopFuture.whenAllSucceed(topic.partitions.map { self.delete($0, of: topic.name) }, on: eventLoop)
        }
        let names = request.topics.map(\.name)
        let answered = EventLoopFuture.whenAllSucceed(deletions, on: eventLoop).flatMap { deleted in
            self.broker.admin.run(on: eventLoop) { self.response(names, self.afterCheckpoint(deleted)) }
        }
        return .later(answered)
    }

    private func delete(
        _ asked: DeleteRecordsRequest.DeleteRecordsPartition,
        of topicName: String
    ) -> EventLoopFuture<Deleted> {
        let index = asked.partitionIndex
        let partition: Partition
        switch self.broker.topics.partition(name: topicName, id: .zero, index: index) {
        case .failure(let error):
            return self.context.eventLoop.makeSucceededFuture(Self.failure(index, error.errorCode))
        case .success((let topic, let found)):
            if TopicName.internalTopics.contains(topic.name) {
                return self.context.eventLoop.makeSucceededFuture(Self.failure(index, .invalidTopicException))
            }
            if !topic.config.cleanupPolicy.contains(.delete) {
                return self.context.eventLoop.makeSucceededFuture(Self.failure(index, .policyViolation))
            }
            partition = found
        }
        let offset = asked.offset
        return partition.ioThread.run(on: self.context.eventLoop) {
            do throws(LogError) {
                let end = offset == Self.highWatermark ? partition.log.highWatermark : offset
                var deleted = Deleted()
                deleted.partitionIndex = index
                deleted.lowWatermark = try partition.log.deleteRecords(before: end)
                return deleted
            } catch {
                return Self.failure(index, error.errorCode)
            }
        }
    }

    /// Writes the new log start offsets down before anybody is told of them. Runs on the admin thread.
    private func afterCheckpoint(_ deleted: [[Deleted]]) -> [[Deleted]] {
        guard deleted.contains(where: { $0.contains { $0.errorCode == 0 } }) else { return deleted }
        do throws(LogError) {
            try self.broker.space.withReserve { () throws(LogError) in
                try self.broker.logs.checkpointLogStartOffsets()
            }
            return deleted
        } catch {
            self.broker.logger.error(
                "cannot write the log start offsets down: deleted records may come back after a crash",
                metadata: ["error": "\(error)"]
            )
            return deleted.map { $0.map { $0.errorCode == 0 ? Self.failure($0.partitionIndex, error.errorCode) : $0 } }
        }
    }

    private func response(_ topics: [String], _ deleted: [[Deleted]]) -> DeleteRecordsResponse {
        var response = DeleteRecordsResponse()
        response.topics = zip(topics, deleted).map { name, partitions in
            var answer = DeleteRecordsResponse.DeleteRecordsTopicResult()
            answer.name = name
            answer.partitions = partitions
            return answer
        }
        return response
    }

    private static func failure(_ index: Int32, _ errorCode: ErrorCode) -> Deleted {
        var deleted = Deleted()
        deleted.partitionIndex = index
        deleted.lowWatermark = Self.noLowWatermark
        deleted.errorCode = errorCode.rawValue
        return deleted
    }
}
