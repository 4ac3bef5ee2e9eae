// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords
public import KafkaTypes

import KafkaMessages
import KafkaWire
import NIOCore

/// Who must have a batch before it counts as written.
public enum RequiredAcks: Int16, Sendable {
    /// Nobody: there is no answer, and no error either.
    case none = 0
    /// The leader of the partition.
    case leader = 1
    /// All replicas that are in sync.
    case all = -1
}

/// A batch that was written.
public struct ProducedBatch: Sendable {
    /// The offset of its first record; nil with acks=0, and for a duplicate of a batch too old to be found again.
    public var baseOffset: Offset?
    /// When the broker wrote it, in milliseconds since 1970, if the topic uses LogAppendTime.
    public var logAppendTime: Int64?
    /// The first offset that the partition still has; nil when the broker does not say.
    public var logStartOffset: Offset?
}

/// What a broker gave a producer so that its batches are written once even when they are sent twice (KIP-98).
public struct ProducerIdentity: Sendable {
    /// Unique in the cluster.
    public var producerID: ProducerID
    /// Counts the incarnations of the id.
    public var epoch: ProducerEpoch
}

extension KafkaCluster {
    /// Gets a producer id for idempotent writes without transactions.
    public func initProducerID() async throws -> ProducerIdentity {
        var request = InitProducerIdRequest()
        request.transactionalID = nil
        request.transactionTimeoutMs = Int32.max
        let versions: ClosedRange<Int16> = 0...5
        return try await self.retrying {
            let response = try await self.anyConnection().send(request, versions: versions)
            let errorCode = ErrorCode(rawValue: response.errorCode)
            guard errorCode == .none else { throw KafkaClientError(errorCode, subject: "InitProducerId") }
            return ProducerIdentity(
                producerID: ProducerID(response.producerID), epoch: ProducerEpoch(response.producerEpoch))
        }
    }

    /// Writes one batch to a partition.
    ///
    /// Errors that go away, a leader that moved for example, are retried. After `connectionClosed` and `timedOut` only a
    /// batch with a producer id is, since only that is not written twice then. The bytes are sent from where they are.
    public func produce(
        _ batch: RecordBatch, to partition: TopicPartition, acks: RequiredAcks = .all
    ) async throws -> ProducedBatch {
        try await self.retrying {
            let topic = try await self.topic(partition.topic)
            let connection = try await self.leaderConnection(of: partition)
            do {
                return try await self.produceOnce(batch, to: partition, topic: topic, acks: acks, connection)
            } catch let error as KafkaClientError {
                self.forget(topic: partition.topic)
                let mayBeWritten = error.code == .connectionClosed || error.code == .timedOut
                if mayBeWritten, !batch.header.hasProducerID { throw Final(error) }
                throw error
            }
        }
    }

    private func produceOnce(
        _ batch: RecordBatch, to partition: TopicPartition, topic: TopicDescription, acks: RequiredAcks,
        _ connection: KafkaConnection
    ) async throws -> ProducedBatch {
        let part = ProduceExchange.Part(partition: partition, topicID: topic.topicID, batch: batch)
        let exchange = ProduceExchange(parts: [part], acks: acks, timeoutMs: Self.changeTimeoutMs)
        let (request, versions) = (exchange.request, exchange.versions)
        if acks == .none {
            try await connection.sendWithoutAnswer(request, versions: versions, attachments: exchange.attachments)
            return ProducedBatch()
        }
        let response = try await connection.send(request, versions: versions, attachments: exchange.attachments)
        guard let result = exchange.results(response)[0] else {
            throw KafkaClientError(.malformedResponse, "the answer to Produce lacks \(partition)")
        }
        // The broker has the batch already: it was written by an attempt whose answer got lost.
        guard result.errorCode == .none || result.errorCode == .duplicateSequenceNumber else {
            throw KafkaClientError(result.errorCode, subject: "\(partition)", message: result.message)
        }
        return result.written
    }
}
