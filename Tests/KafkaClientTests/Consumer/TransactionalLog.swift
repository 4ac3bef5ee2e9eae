// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization

@testable import KafkaClient

/// The leader of the partition `orders-0`, whose log has transactions, and the coordinator of the group `g`. What it
/// serves to whom is Kafka's rule: up to the last stable offset and with a list of what was aborted to those who read
/// committed, everything to the others.
final class TransactionalLog: Sendable {
    static let orders = TopicPartition(topic: "orders", partition: 0)

    private struct Batch: Sendable {
        var first: Int64
        var end: Int64
        var bytes: ByteBuffer
    }

    private struct State: Sendable {
        var batches: [Batch] = []
        /// Producers with an open transaction, and where it began.
        var open: [Int64: Int64] = [:]
        /// Where an aborted transaction began, and where its marker is.
        var aborted: [(producerID: Int64, first: Int64, marker: Int64)] = []
        var committed: [Int64] = []

        var end: Int64 { self.batches.last?.end ?? 0 }
        var lastStableOffset: Int64 { self.open.values.min() ?? self.end }
    }

    /// How many batches an answer has at most.
    private let batchesPerAnswer: Int
    private let state = Mutex(State())

    init(batchesPerAnswer: Int) { self.batchesPerAnswer = batchesPerAnswer }

    /// Runs `body` with a consumer of this log.
    static func run(
        _ log: TransactionalLog, _ isolation: ReadIsolation, from start: ConsumerStart = .earliest,
        _ body: @escaping @Sendable (KafkaConsumer) async throws -> Void
    ) async throws {
        var configuration = KafkaConsumerConfiguration(subscription: .assignment([Self.orders: start], groupID: "g"))
        configuration.isolation = isolation
        configuration.autoCommitInterval = .seconds(3600)
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], coordinators: ["g": 0],
            handler: { _, request in .answer(try log.answer(request)) }
        ) { [configuration] _, cluster in
            try await KafkaConsumer.withConsumer(sharing: cluster, configuration: configuration, body)
        }
    }

    // MARK: What is written

    /// Writes a batch of records with these values; without a producer outside of any transaction.
    func write(_ values: String..., by producerID: Int64? = nil) throws {
        try self.state.withLock { state in
            var options = RecordBatchBuilder.Options()
            options.baseOffset = state.end
            if let producerID {
                options.producerID = producerID
                options.producerEpoch = 0
                options.isTransactional = true
                state.open[producerID] = state.open[producerID] ?? state.end
            }
            var builder = RecordBatchBuilder(options)
            for value in values { try builder.append(key: nil, value: ByteBuffer(string: value), timestamp: 0) }
            let batch = try builder.finish()
            state.batches.append(Batch(first: state.end, end: batch.header.nextOffset, bytes: batch.bytes))
        }
    }

    /// Ends the transaction of a producer with a marker.
    func end(_ producerID: Int64, _ outcome: EndTransactionMarker.Outcome) throws {
        try self.state.withLock { state in
            let offset = state.end
            let marker = try EndTransactionMarker(outcome: outcome, coordinatorEpoch: 0)
                .batch(producerID: producerID, producerEpoch: 0, timestamp: 0, baseOffset: offset)
            state.batches.append(Batch(first: offset, end: offset + 1, bytes: marker.bytes))
            let first = state.open.removeValue(forKey: producerID)
            if outcome == .abort, let first { state.aborted.append((producerID, first, offset)) }
        }
    }

    // MARK: What is served

    var end: Int64 { self.state.withLock(\.end) }
    var lastStableOffset: Int64 { self.state.withLock(\.lastStableOffset) }
    /// The offsets that were committed, in their order.
    var committed: [Int64] { self.state.withLock(\.committed) }

    private func answer(_ request: ScriptedBroker.Request) throws -> any KafkaMessage {
        let (body, version) = (request.body, request.version)
        switch request.api {
        case .listOffsets: return self.list(try ListOffsetsRequest.decode(body, version: version))
        case .offsetCommit: return self.commit(try OffsetCommitRequest.decode(body, version: version))
        default: return self.fetch(try FetchRequest.decode(body, version: version))
        }
    }

    private func fetch(_ request: FetchRequest) -> FetchResponse {
        let state = self.state.withLock(\.self)
        let isReadCommitted = request.isolationLevel == ReadIsolation.readCommitted.rawValue
        let limit = isReadCommitted ? state.lastStableOffset : state.end
        return request.answer(asksForPause: true) { asked, partition in
            let offset = asked.fetchOffset
            let batches = state.batches.filter { $0.end > offset && $0.first < limit }.prefix(self.batchesPerAnswer)
            partition.highWatermark = state.end
            partition.lastStableOffset = state.lastStableOffset
            partition.abortedTransactions = nil
            if isReadCommitted {
                let upTo = batches.last?.end ?? offset
                partition.abortedTransactions = state.aborted
                    .filter { $0.marker >= offset && $0.first < upTo }
                    .map { aborted in
                        var entry = FetchResponse.AbortedTransaction()
                        (entry.producerID, entry.firstOffset) = (aborted.producerID, aborted.first)
                        return entry
                    }
            }
            var records = ByteBuffer()
            for batch in batches { records.writeImmutableBuffer(batch.bytes) }
            partition.records = .buffer(records)
        }
    }

    private func list(_ request: ListOffsetsRequest) -> ListOffsetsResponse {
        let isReadCommitted = request.isolationLevel == ReadIsolation.readCommitted.rawValue
        let end = self.state.withLock { isReadCommitted ? $0.lastStableOffset : $0.end }
        return request.answer { $0.timestamp == OffsetSpecification.earliest.wireTimestamp ? 0 : end }
    }

    private func commit(_ request: OffsetCommitRequest) -> OffsetCommitResponse {
        var response = OffsetCommitResponse()
        response.topics = request.topics.map { asked in
            var topic = OffsetCommitResponse.OffsetCommitResponseTopic()
            topic.name = asked.name
            topic.partitions = asked.partitions.map { asked in
                self.state.withLock { $0.committed.append(asked.committedOffset) }
                return OffsetCommitResponse.OffsetCommitResponsePartition()
            }
            return topic
        }
        return response
    }
}
