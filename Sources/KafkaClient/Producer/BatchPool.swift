// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Synchronization

/// What the lanes of a producer share: the memory, the batches that are not done, and whom to tell.
final class BatchPool: Sendable {
    /// The least that a new batch takes, in bytes: one record at a time would be handed out when memory is short.
    static let firstCapacity = 16 * 1024

    /// What a batch takes besides its records.
    static let headerBytes = RecordBatchHeader.byteCount

    let batchBytesMax: Int
    let options: RecordBatchBuilder.Options
    let room: BufferRoom
    let signals: SenderSignals
    /// Milliseconds of the producer's clock.
    let nowMs: @Sendable () -> Int64
    private let lastSerial = Atomic<UInt64>(0)
    private let unfinished = Mutex<[UInt64: ProducerBatch]>([:])

    init(_ configuration: KafkaProducerConfiguration, signals: SenderSignals, nowMs: @escaping @Sendable () -> Int64) {
        self.batchBytesMax = configuration.batchBytesMax
        self.room = BufferRoom(total: configuration.bufferBytesMax)
        self.signals = signals
        self.nowMs = nowMs
        var options = RecordBatchBuilder.Options()
        options.codec = configuration.codec
        options.levels = configuration.levels
        self.options = options
    }

    /// Memory is handed out in powers of two, as buffers take it.
    static func capacity(atLeast bytes: Int) -> Int {
        guard bytes > 1 else { return 1 }
        return 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount)
    }

    /// What a batch takes whose first record has this size.
    func smallestCapacity(for size: Int) -> Int {
        let first = min(Self.firstCapacity, self.batchBytesMax)
        return Self.capacity(atLeast: max(RecordBatchHeader.byteCount + size, first))
    }

    func makeBatch(_ partition: TopicPartition) -> ProducerBatch {
        let serial = self.lastSerial.add(1, ordering: .relaxed).newValue
        let batch = ProducerBatch(partition: partition, serial: serial, createdMs: self.nowMs())
        self.unfinished.withLock { $0[serial] = batch }
        return batch
    }

    /// The batch is done: its memory is free again.
    func forget(_ batch: ProducerBatch, reservedBytes: Int) {
        self.unfinished.withLock { $0[batch.serial] = nil }
        self.room.release(reservedBytes)
    }

    /// A piece of a batch has ended.
    func finish(_ piece: OutgoingBatch, _ outcome: ProducerBatch.Outcome) {
        piece.discard()
        guard piece.owner.finish(piece.records, outcome) else { return }
        self.forget(piece.owner, reservedBytes: piece.reservedBytes)
    }

    /// All batches that are not done, open ones too, in no order. Linear in their number.
    var unfinishedBatches: [ProducerBatch] { self.unfinished.withLock { Array($0.values) } }
}
