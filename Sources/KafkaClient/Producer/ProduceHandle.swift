// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What `KafkaProducer/enqueue(_:)` returns: a record that waits in its batch, or is on its way.
///
/// A reference to the batch and a number in it: keeping one keeps its batch, without the bytes once they have been
/// acknowledged. It may be dropped: the record is sent all the same, and nobody learns how it ended.
public struct ProduceHandle: Sendable {
    let batch: ProducerBatch
    /// The position among the records of the batch.
    let index: Int32
    /// The producer's, in milliseconds since 1970.
    let timestamp: Int64

    /// Where the record was written. Waits until it has been acknowledged or has failed; may be asked for repeatedly.
    ///
    /// Throws `KafkaClientError`: `timedOut` when `deliveryTimeout` passed, `brokerError` for a refusal, `closed` when
    /// the producer ended first. An error with `KafkaClientError/mayBeWritten` leaves open whether the record is in the
    /// log, once. Throws `CancellationError` when the task is cancelled; the record goes its way then.
    public nonisolated(nonsending) var metadata: RecordMetadata {
        get async throws {
            if let result = self.batch.result(of: self.index, timestamp: self.timestamp) { return try result.get() }
            let waiter = Waiter<Void>()
            self.batch.whenDone(waiter)
            try await waiter.value()
            guard let result = self.batch.result(of: self.index, timestamp: self.timestamp) else {
                preconditionFailure("a batch wakes those who wait for it when it is done")
            }
            return try result.get()
        }
    }
}

extension ProduceHandle {
    /// Both records travel in the same batch, and are acknowledged at the same moment.
    public func sharesBatch(with other: ProduceHandle) -> Bool { self.batch === other.batch }

    /// Calls `body` with how the record ended, as ``metadata`` tells it: once, at the moment that the producer learns of
    /// it, at once if that was before. It runs on the thread that sends, so it must be short and must not block. For who
    /// needs the moment, and has no task to spare for each batch.
    public func whenDone(_ body: @escaping @Sendable (Result<RecordMetadata, KafkaClientError>) -> Void) {
        let (batch, index, timestamp) = (self.batch, self.index, self.timestamp)
        batch.whenDone {
            guard let result = batch.result(of: index, timestamp: timestamp) else {
                preconditionFailure("a batch tells those who watch it when it is done")
            }
            body(result)
        }
    }
}
