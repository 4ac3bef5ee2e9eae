// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Synchronization

/// The records that were put into one batch of a partition, as those see them who wait for them: how it ended.
///
/// The bytes are with its `OutgoingBatch`, or with several when it had to be split. It is done when all of them are.
final class ProducerBatch: Sendable {
    /// How a piece of the batch ended.
    enum Outcome: Sendable {
        /// The offset of the first record of the piece, nil when nobody knows; and the broker's time, if that counts.
        case written(baseOffset: Int64?, logAppendTime: Int64?)
        case failed(KafkaClientError)
    }

    private struct Piece {
        var first: Int32
        var outcome: Outcome
    }

    private struct State {
        /// In the order in which they ended.
        var pieces: [Piece] = []
        var doneCount: Int32 = 0
        /// Known when the batch is sealed.
        var recordCount: Int32?
        var waiters: [Waiter<Void>] = []
        var observers: [@Sendable () -> Void] = []
        var isDone: Bool { self.recordCount == self.doneCount }
    }

    let partition: TopicPartition
    /// Counts the batches of a producer, for finding those that are not done.
    let serial: UInt64
    /// When the first record was put in, in milliseconds of the producer's clock.
    let createdMs: Int64
    private let state = Mutex(State())

    init(partition: TopicPartition, serial: UInt64, createdMs: Int64) {
        self.partition = partition
        self.serial = serial
        self.createdMs = createdMs
    }

    /// No more records come.
    func seal(recordCount: Int32) { self.state.withLock { $0.recordCount = recordCount } }

    /// A piece has ended. True when that was the last one.
    func finish(_ records: Range<Int32>, _ outcome: Outcome) -> Bool {
        typealias Ending = (isDone: Bool, waiters: [Waiter<Void>], observers: [@Sendable () -> Void])
        let (isDone, waiters, observers) = self.state.withLock { state -> Ending in
            state.pieces.append(Piece(first: records.lowerBound, outcome: outcome))
            state.doneCount += Int32(records.count)
            guard state.isDone else { return (false, [], []) }
            defer { (state.waiters, state.observers) = ([], []) }
            return (true, state.waiters, state.observers)
        }
        for observer in observers { observer() }
        for waiter in waiters { waiter.settle(.success(())) }
        return isDone
    }

    /// Settles the waiter when the batch is done, at once if it is.
    func whenDone(_ waiter: Waiter<Void>) {
        let isDone = self.state.withLock { state in
            if !state.isDone { state.waiters.append(waiter) }
            return state.isDone
        }
        if isDone { waiter.settle(.success(())) }
    }

    /// Calls `body` when the batch is done: at once if it is, otherwise where its end becomes known.
    func whenDone(_ body: @escaping @Sendable () -> Void) {
        let isDone = self.state.withLock { state in
            if !state.isDone { state.observers.append(body) }
            return state.isDone
        }
        if isDone { body() }
    }

    /// How the record at `index` ended; nil while the batch is not done.
    func result(of index: Int32, timestamp: Int64) -> Result<RecordMetadata, KafkaClientError>? {
        let piece = self.state.withLock { state -> Piece? in
            guard state.isDone else { return nil }
            return state.pieces.filter { $0.first <= index }.max { $0.first < $1.first }
        }
        guard let piece else { return nil }
        switch piece.outcome {
        case .failed(let error):
            return .failure(error)
        case .written(let baseOffset, let logAppendTime):
            return .success(
                RecordMetadata(
                    partition: self.partition, offset: baseOffset.map { Offset($0 &+ Int64(index - piece.first)) },
                    timestamp: logAppendTime ?? timestamp))
        }
    }
}
