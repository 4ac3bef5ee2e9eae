// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Synchronization

/// The records of a consumer one by one, those of one partition in the order of their offsets. Convenient; whoever
/// needs millions a second takes ``ConsumedBatches``.
///
/// There is one iterator at a time, as with ``ConsumedBatches``, and it ends in the same way. An iterator that is given
/// up in the middle of a batch leaves the rest to the next one.
public struct ConsumedRecords: AsyncSequence, Sendable {
    /// One record.
    public typealias Element = ConsumedRecord
    /// What ended the consumer, or `CancellationError` when the task that waits is cancelled.
    public typealias Failure = any Error

    let consumer: KafkaConsumer

    /// Goes on after what was delivered last.
    public func makeAsyncIterator() -> Iterator { Iterator(iteration: Iteration(self.consumer)) }

    /// Gives one record after the other. Asking for the next says that the one before was processed.
    public struct Iterator: AsyncIteratorProtocol {
        private let iteration: Iteration
        private let progress = RecordProgress()
        private let decompressor = Decompressor()
        /// Of the batch in hand, as the next lines; nil when there is none.
        private var records: RecordIterator?
        private var partition = TopicPartition(topic: "", partition: 0)
        private var start: Int64 = 0
        private var leaderEpoch = LeaderEpoch.none
        private var number = 0
        /// The offset after the last record that was delivered.
        private var delivered: Int64 = 0
        /// What the consumer's count of interruptions was when the batch was known to be deliverable.
        private var interruptions = 0

        init(iteration: Iteration) { self.iteration = iteration }

        /// The next record, as soon as there is one; nil after the end.
        public mutating func next() async throws -> ConsumedRecord? {
            try await self.next(isolation: nil)
        }

        /// The next record, as soon as there is one; nil after the end. Does not leave the actor when the record is
        /// there.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(any Error) -> ConsumedRecord? {
            while true {
                if let record = try self.nextInBatch() { return record }
                // What is left of a batch that was interrupted goes back.
                let remaining = self.records == nil ? nil : self.delivered
                self.records = nil
                let interruptions = self.iteration.consumer.interruptions.load(ordering: .acquiring)
                let delivery = try await self.iteration.next(
                    isolation: actor, progress: self.progress, remaining: remaining)
                guard let delivery else { return nil }
                self.interruptions = interruptions
                try self.begin(delivery)
            }
        }

        private mutating func begin(_ delivery: Fetcher.Delivery) throws {
            self.delivered = delivery.start
            self.start = delivery.start
            self.partition = delivery.partition
            self.leaderEpoch = LeaderEpoch(delivery.batch.header.partitionLeaderEpoch)
            self.number = delivery.number
            do throws(RecordError) {
                self.records = try delivery.batch.records(using: self.decompressor)
            } catch {
                throw self.damaged(error)
            }
        }

        /// The next record of the batch; nil when there is none, or the batch has to be put down: it is still there
        /// then.
        private mutating func nextInBatch() throws -> ConsumedRecord? {
            guard self.records != nil else { return nil }
            let consumer = self.iteration.consumer
            self.progress.processed.store(self.delivered, ordering: .releasing)
            if Iteration.isShuttingDown { return nil }
            let interruptions = consumer.interruptions.load(ordering: .acquiring)
            if interruptions != self.interruptions {
                guard consumer.withState(\.isHandDeliverable) else { return nil }
                self.interruptions = interruptions
            }
            do throws(RecordError) {
                while let record = try self.records?.next() {
                    guard record.offset >= self.start else { continue }
                    self.delivered = record.offset + 1
                    self.progress.delivered.store(self.delivered, ordering: .releasing)
                    return ConsumedRecord(
                        partition: self.partition, record: record, leaderEpoch: self.leaderEpoch, number: self.number)
                }
            } catch {
                throw self.damaged(error)
            }
            self.records = nil
            return nil
        }

        /// A batch that cannot be read ends the consumer: reading on would lose records silently.
        private func damaged(_ error: RecordError) -> KafkaClientError {
            let error = KafkaClientError(
                .malformedResponse,
                "\(self.partition): the records from offset \(self.delivered) on cannot be read: \(error)", cause: error
            )
            self.iteration.consumer.fail(error)
            return error
        }
    }
}
