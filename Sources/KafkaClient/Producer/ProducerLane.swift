// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Synchronization

/// One partition as those see it who put records into it: a batch that is open, and those that are full.
///
/// Records of one task come out in the order in which they went in. The sender takes the batches.
final class ProducerLane: Sendable {
    /// What became of a record that was put in.
    enum Placement {
        /// With `isNews` the sender has to be told of this lane.
        case placed(ProduceHandle, isNews: Bool)
        /// The partitioner gets another chance: the batch at hand is full, and the record may go anywhere.
        case full
        /// There is no memory for it; so many bytes are needed.
        case needsRoom(Int)
        /// The producer has ended.
        case closed
    }

    struct State {
        var open: OpenBatch?
        var full: [OutgoingBatch] = []
        var isClosed = false
        /// What the last batch took: the next one will be alike.
        var usualCapacity = 0
        /// The sender was told and has not come yet.
        var isAnnounced = false
    }

    struct OpenBatch {
        var batch: ProducerBatch
        var builder: RecordBatchBuilder
        /// The memory that was taken for it.
        var capacity: Int
    }

    let partition: TopicPartition
    /// Its number in the sender.
    let slot: Int
    let pool: BatchPool
    private let state = Mutex(State())

    init(partition: TopicPartition, slot: Int, pool: BatchPool) {
        self.partition = partition
        self.slot = slot
        self.pool = pool
    }

    // MARK: Putting records in

    /// Puts a record in.
    ///
    /// - Parameters:
    ///   - size: what `RecordBatchBuilder.sizeUpperBound` says of the record.
    ///   - credit: bytes that were taken of the memory for it already; what is not needed is given back.
    ///   - isAnywhere: another partition would do as well as this one.
    func append(
        _ record: ProducerRecord, size: Int, timestamp: Int64, credit: Int = 0, isAnywhere: Bool
    ) throws(KafkaClientError) -> Placement {
        var credit = credit
        defer { self.pool.room.release(credit) }
        return try self.state.withLock { (state) throws(KafkaClientError) in
            guard !state.isClosed else { return .closed }
            var isNews = false
            if state.open != nil, !self.makeRoom(for: size, in: &state) {
                self.seal(&state)
                isNews = true
                if isAnywhere {
                    self.announce(&state)
                    return .full
                }
            }
            if state.open == nil {
                guard let capacity = self.capacity(for: size, credit: &credit, state) else {
                    if isNews { self.announce(&state) }
                    return .needsRoom(self.pool.smallestCapacity(for: size))
                }
                state.open = OpenBatch(
                    batch: self.pool.makeBatch(self.partition),
                    builder: RecordBatchBuilder(self.pool.options, capacity: capacity), capacity: capacity)
                isNews = true
            }
            return try self.place(record, timestamp: timestamp, in: &state, isNews: isNews)
        }
    }

    private func place(
        _ record: ProducerRecord, timestamp: Int64, in state: inout State, isNews: Bool
    ) throws(KafkaClientError) -> Placement {
        guard let batch = state.open?.batch, let index = state.open?.builder.recordCount else { return .closed }
        do throws(RecordError) {
            try state.open?.builder.append(
                key: record.key, value: record.value, headers: record.headers, timestamp: timestamp)
        } catch {
            if index == 0 { self.seal(&state) }
            throw KafkaClientError(
                .invalidRequest, "\(self.partition): the record cannot be put into a batch: \(error)", cause: error)
        }
        let handle = ProduceHandle(batch: batch, index: index, timestamp: timestamp)
        guard isNews, !state.isAnnounced else { return .placed(handle, isNews: false) }
        state.isAnnounced = true
        return .placed(handle, isNews: true)
    }

    /// The open batch takes `size` more bytes; false when it has to be sealed.
    private func makeRoom(for size: Int, in state: inout State) -> Bool {
        guard let open = state.open else { return false }
        let needed = open.builder.uncompressedSize + size
        if needed <= open.capacity { return needed <= self.pool.batchBytesMax }
        guard needed <= self.pool.batchBytesMax else { return false }
        let capacity = BatchPool.capacity(atLeast: needed)
        guard self.pool.room.reserve(capacity - open.capacity) else { return false }
        state.open?.capacity = capacity
        state.open?.builder.reserveCapacity(capacity)
        return true
    }

    /// The capacity of a new batch, taken from the credit or of the memory; nil when there is none.
    private func capacity(for size: Int, credit: inout Int, _ state: State) -> Int? {
        let smallest = self.pool.smallestCapacity(for: size)
        if credit >= smallest {
            defer { credit = 0 }
            return credit
        }
        let usual = max(state.usualCapacity, smallest)
        if self.pool.room.reserve(usual) { return usual }
        return usual > smallest && self.pool.room.reserve(smallest) ? smallest : nil
    }

    private func seal(_ state: inout State) {
        guard let open = state.open.take() else { return }
        state.usualCapacity = self.pool.smallestCapacity(for: open.builder.uncompressedSize)
        guard !open.builder.isEmpty else {
            open.batch.seal(recordCount: 0)
            self.pool.forget(open.batch, reservedBytes: open.capacity)
            return
        }
        open.batch.seal(recordCount: open.builder.recordCount)
        state.full.append(OutgoingBatch(open.builder, owner: open.batch, reservedBytes: open.capacity))
    }

    private func announce(_ state: inout State) {
        guard !state.isAnnounced else { return }
        state.isAnnounced = true
        self.pool.signals.post(.lane(self))
    }

    // MARK: Taking batches out

    /// What the sender finds.
    struct Harvest {
        var batches: [OutgoingBatch] = []
        /// When the first record was put into the batch that is still open; nil when there is none.
        var openSinceMs: Int64?
    }

    /// The full batches, and with `includingOpen` the open one.
    func harvest(includingOpen: Bool) -> Harvest {
        self.state.withLock { state in
            state.isAnnounced = false
            if includingOpen { self.seal(&state) }
            defer { state.full.removeAll(keepingCapacity: true) }
            return Harvest(batches: state.full, openSinceMs: state.open?.batch.createdMs)
        }
    }

    /// No more records are taken.
    func close() { self.state.withLock { $0.isClosed = true } }
}
