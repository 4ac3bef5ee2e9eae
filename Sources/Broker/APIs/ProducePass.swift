// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaConfig
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// One produce request on its way through the checks: what may be appended, and the answers of what may not.
struct ProducePass: Sendable {
    struct Accepted: Sendable {
        let partition: Partition
        let batch: PreparedBatch
        let metrics: TopicMetrics
        /// Where its answer belongs.
        let topicIndex: Int
        let partitionIndex: Int
    }

    private var answers: [ProduceResponse.TopicProduceResponse] = []
    private(set) var accepted: [Accepted] = []

    /// Finds the partition of every batch and checks the batch against its topic's configs.
    ///
    /// The request itself is not kept: what is accepted holds on to the frame's bytes, what is refused need not.
    init(
        _ request: ProduceRequest,
        version: Int16,
        topics: TopicTable,
        space: DiskSpaceWatch,
        compression: CompressionContexts,
        now: Int64
    ) {
        let check = BatchCheck(
            topics: topics,
            noRoom: space.hasRoom ? nil : space.explanation,
            waitsForDisk: request.acks == -1,
            isZstdAllowed: version >= 7,
            compression: compression,
            now: now
        )
        let refusal = Self.refusal(of: request)
        for (topicIndex, topicData) in request.topicData.enumerated() {
            var answer = ProduceResponse.TopicProduceResponse()
            answer.name = topicData.name
            answer.topicID = topicData.topicID
            for (partitionIndex, data) in topicData.partitionData.enumerated() {
                var partitionAnswer = ProduceResponse.PartitionProduceResponse()
                partitionAnswer.index = data.index
                partitionAnswer.baseOffset = -1
                do throws(Refusal) {
                    if let refusal { throw refusal }
                    let (topic, partition, batch) = try check.prepare(data, of: topicData)
                    self.accepted.append(
                        Accepted(
                            partition: partition,
                            batch: batch,
                            metrics: topic.metrics,
                            topicIndex: topicIndex,
                            partitionIndex: partitionIndex
                        )
                    )
                } catch {
                    error.fill(&partitionAnswer)
                }
                answer.partitionResponses.append(partitionAnswer)
            }
            self.answers.append(answer)
        }
    }

    /// Bytes that are going to be written.
    var acceptedBytes: Int64 { self.accepted.reduce(0) { $0 + Int64($1.batch.header.sizeInBytes) } }

    /// What is wrong with the request as a whole.
    private static func refusal(of request: ProduceRequest) -> Refusal? {
        guard [-1, 0, 1].contains(request.acks) else {
            return Refusal(.invalidRequiredAcks, "acks must be -1 (all), 0 or 1; got \(request.acks)")
        }
        if let id = request.transactionalID {
            return Refusal(.invalidRequest, "transactions are not supported yet (transactional id '\(id)')")
        }
        return nil
    }

    /// Counts what was written, by topic.
    func count(_ results: [AppendTracker.Outcome], shard: Int) {
        for (item, result) in zip(self.accepted, results) {
            guard case .success(let appended) = result, !appended.isDuplicate else { continue }
            let header = item.batch.header
            item.metrics.produced(records: Int(header.recordCount), bytes: header.sizeInBytes, shard: shard)
        }
    }

    /// The answer, once the appends have come to their results.
    func response(_ results: [AppendTracker.Outcome]) -> ProduceResponse {
        var response = ProduceResponse()
        response.responses = self.answers
        for (item, result) in zip(self.accepted, results) {
            var answer = response.responses[item.topicIndex].partitionResponses[item.partitionIndex]
            switch result {
            case .success(let appended):
                answer.baseOffset = appended.baseOffset
                answer.logAppendTimeMs = appended.logAppendTime
                answer.logStartOffset = appended.logStartOffset
            case .failure(let error):
                Refusal(error, partition: item.partition.topicPartition).fill(&answer)
            }
            response.responses[item.topicIndex].partitionResponses[item.partitionIndex] = answer
        }
        return response
    }
}

/// Checks the batches of one request.
private struct BatchCheck {
    let topics: TopicTable
    /// Why there is no room for records, if there is none.
    let noRoom: String?
    let waitsForDisk: Bool
    let isZstdAllowed: Bool
    let compression: CompressionContexts
    let now: Int64

    /// The partition that a batch is for, and the batch ready to be appended.
    func prepare(
        _ data: ProduceRequest.PartitionProduceData,
        of topicData: ProduceRequest.TopicProduceData
    ) throws(Refusal) -> (ServedTopic, Partition, PreparedBatch) {
        let found = self.topics.partition(name: topicData.name, id: topicData.topicID, index: data.index)
        switch found {
        case .failure(let error):
            let message = error.message(name: topicData.name, id: topicData.topicID, index: data.index)
            throw Refusal(error.errorCode, message)
        case .success((let topic, let partition)):
            if topic.isInternal {
                throw Refusal(
                    .invalidTopicException, "topic '\(topic.name)' belongs to the cluster; only it writes there")
            }
            let wanted = topic.config.minInsyncReplicas
            if self.waitsForDisk, wanted > 1 {
                throw Refusal(.notEnoughReplicas, "topic '\(topic.name)' has min.insync.replicas=\(wanted), there is 1")
            }
            if let noRoom {
                // Producers take it for something that passes, wait and come again.
                throw Refusal(.kafkaStorageError, "\(partition.topicPartition) takes no records: \(noRoom)")
            }
            return (topic, partition, try self.prepare(data.records?.buffer, for: partition, of: topic))
        }
    }

    private func prepare(
        _ bytes: ByteBuffer?,
        for partition: Partition,
        of topic: ServedTopic
    ) throws(Refusal) -> PreparedBatch {
        guard let bytes, bytes.readableBytes > 0 else {
            throw Refusal(.invalidRecord, "\(partition.topicPartition): the request holds no batch")
        }
        let batch: PreparedBatch
        do throws(BatchRejection) {
            batch = try topic.validator.prepare(
                bytes,
                now: self.now,
                isZstdAllowed: self.isZstdAllowed,
                contexts: self.compression
            )
        } catch {
            throw Refusal(error, partition: partition.topicPartition)
        }
        if batch.header.isTransactional {
            throw Refusal(.invalidRecord, "\(partition.topicPartition): transactions are not supported yet")
        }
        return batch
    }
}

/// Why a batch is not appended, in the protocol's terms.
private struct Refusal: Error {
    let errorCode: ErrorCode
    let message: String
    var records: [(index: Int32, message: String)] = []

    init(_ errorCode: ErrorCode, _ message: String) {
        self.errorCode = errorCode
        self.message = message
    }

    init(_ rejection: BatchRejection, partition: TopicPartition) {
        self.init(rejection.errorCode, "\(partition): \(rejection.message)")
        self.records = rejection.recordProblems.map { ($0.index, $0.message) }
    }

    init(_ error: AppendError, partition: TopicPartition) {
        self.init(error.errorCode, "\(partition): \(error)")
    }

    func fill(_ answer: inout ProduceResponse.PartitionProduceResponse) {
        answer.errorCode = self.errorCode.rawValue
        answer.errorMessage = self.message
        answer.recordErrors = self.records.map { record in
            var error = ProduceResponse.BatchIndexAndErrorMessage()
            error.batchIndex = record.index
            error.batchIndexErrorMessage = record.message
            return error
        }
    }
}
