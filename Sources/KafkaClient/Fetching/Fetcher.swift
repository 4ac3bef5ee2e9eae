// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// What a consumer fetches, from whom, and what of it is delivered next, without IO.
///
///     assigned ──leader found──▶ led ──start found──▶ checked ──▶ fetched ──▶ buffered ──take()──▶ delivered
///        ▲                        ▲                                  │
///        └────── leader gone ─────└── seek, out of range, truncated ─┘
///
/// A driver asks ``step(for:)`` for every broker in ``brokers`` what to send, and reports the answer or the failure; it
/// asks ``lookups(nowMs:)`` what has to be found out; it takes batches out by ``take()`` and says by ``finish(_:)``
/// when one is done with.
///
/// Invariants:
/// - One Fetch is under way per broker at a time. It asks for all partitions of that broker that can be fetched, those
///   first that got something the longest time ago.
/// - The bytes that are buffered, in hand or asked for are at most `bytesMax` together, apart from the first batch of
///   an answer, which brokers send whatever its size. An answer counts until all that it brought is done with, since
///   its memory is one piece. So a consumer that stalls stops fetching.
/// - While a partition has `partitionBytesMax` buffered, nothing is fetched from its broker: a Fetch without it could
///   wait for the others while this one runs dry.
/// - What was fetched from an offset is buffered only if that is still the offset to fetch from, and nobody has sought
///   meanwhile: after a seek nothing from before it comes out.
/// - Batches of a partition come out in the order of their offsets, without gaps and without repetition.
struct Fetcher: Sendable {
    struct Limits: Sendable {
        /// Over all brokers, in bytes.
        var bytesMax: Int
        /// Of one answer, in bytes.
        var answerBytesMax: Int
        /// Of one partition in one answer, in bytes.
        var partitionBytesMax: Int
    }

    /// A batch on its way to the receiver.
    struct Delivery: Sendable {
        var partition: TopicPartition
        /// Of the assignment or the seek that it belongs to.
        var number: Int
        var batch: RecordBatch
        var start: Int64
        var next: Int64
        var highWatermark: Int64
        /// With read-committed: where what may be read ends.
        var lastStableOffset: Int64?
        /// The epoch of the leader that wrote the last record before `next`; `none` when not known.
        var epoch = LeaderEpoch.none
        /// The same of the record before `start`.
        fileprivate(set) var epochBefore = LeaderEpoch.none
        /// Who leads the partition, as far as that is known when the batch is taken.
        var leader: BrokerAddress?
        /// The answer whose memory is free when this is done with.
        fileprivate(set) var charge: Int?
    }

    /// A position that moves without anything to deliver.
    struct Skip: Sendable {
        var partition: TopicPartition
        var number: Int
        var next: Int64
        var epoch: LeaderEpoch
    }

    struct Charge: Sendable {
        var bytes: Int
        var chunks: Int
    }

    let limits: Limits
    let retry: RetryPolicy
    var partitions: [TopicPartition: FetchedPartitionState] = [:]
    /// The partitions of each broker, those first that have waited the longest.
    var order: [BrokerAddress: [TopicPartition]] = [:]
    /// What is asked for and not answered yet, in bytes.
    var asked: [BrokerAddress: Int] = [:]
    private var charges: [Int: Charge] = [:]
    private var chargedBytes = 0
    /// The partitions with something to deliver, each once, in the order in which they are served.
    private var ready = CircularBuffer<TopicPartition>()
    private var lastNumber = 0
    var lastPlan = 0
    var lastLookup = 0
    /// There may be room for a broker that had to wait. Whoever reads it sets it back.
    var hasRoom = false
    /// There may be something to look up. Whoever reads it sets it back.
    var hasLookups = false

    init(limits: Limits, retry: RetryPolicy) {
        self.limits = limits
        self.retry = retry
    }

    // MARK: The assignment

    /// Adds a partition, which must not be there. Returns the number of the assignment.
    ///
    /// - Parameter isAnnounced: false puts off everything until ``announced(_:)``.
    @discardableResult
    mutating func assign(_ partition: TopicPartition, start: ConsumerStart, isAnnounced: Bool = true) -> Int {
        precondition(self.partitions[partition] == nil, "\(partition) is assigned already")
        self.lastNumber += 1
        self.partitions[partition] = FetchedPartitionState(number: self.lastNumber, start: start)
        self.partitions[partition]?.isAnnounced = isAnnounced
        self.hasLookups = true
        return self.lastNumber
    }

    /// These may be read, if they are still there.
    mutating func announced(_ partitions: some Sequence<TopicPartition>) {
        for partition in partitions { self.partitions[partition]?.isAnnounced = true }
        self.hasLookups = true
    }

    /// Forgets a partition and what is buffered of it.
    mutating func remove(_ partition: TopicPartition) {
        self.dropBuffer(of: partition)
        self.detach(partition)
        self.partitions[partition] = nil
    }

    /// Goes on elsewhere. Returns the new number; nil for a partition that is not assigned. The leader epoch is that of
    /// the record before an offset, where it is known.
    mutating func seek(
        _ partition: TopicPartition, to start: ConsumerStart, leaderEpoch: LeaderEpoch = .none
    ) -> Int? {
        guard self.partitions[partition] != nil else { return nil }
        self.dropBuffer(of: partition)
        self.lastNumber += 1
        self.partitions[partition]?.restart(number: self.lastNumber, at: start, leaderEpoch: leaderEpoch)
        self.hasLookups = true
        self.hasRoom = true
        return self.lastNumber
    }

    /// Delivers nothing of a partition until it is resumed. What is buffered is fetched again then, so that it does not
    /// take up room meanwhile.
    mutating func pause(_ partition: TopicPartition) {
        guard let state = self.partitions[partition], !state.isPaused else { return }
        self.dropBuffer(of: partition)
        self.partitions[partition]?.isPaused = true
    }

    mutating func resume(_ partition: TopicPartition) {
        self.partitions[partition]?.isPaused = false
        self.hasRoom = true
    }

    var paused: Set<TopicPartition> { Set(self.partitions.filter(\.value.isPaused).keys) }

    func isCurrent(_ partition: TopicPartition, number: Int) -> Bool {
        self.partitions[partition]?.number == number
    }

    /// A batch with this number may be delivered now.
    func isDeliverable(_ partition: TopicPartition, number: Int) -> Bool {
        guard let state = self.partitions[partition] else { return false }
        return state.number == number && !state.isPaused
    }

    /// The offset that is delivered next, after everything that was taken; nil while that is not known.
    func position(of partition: TopicPartition) -> Int64? {
        guard let state = self.partitions[partition], state.start == nil else { return nil }
        return state.consumed
    }

    /// The end of the partition as the last answer told it; nil before the first.
    func highWatermark(of partition: TopicPartition) -> Int64? { self.partitions[partition]?.highWatermark }

    /// Where what may be read of the partition ends, as the last answer told it; nil before the first.
    func readableEnd(of partition: TopicPartition) -> Int64? {
        self.partitions[partition].flatMap { $0.lastStableOffset ?? $0.highWatermark }
    }

    // MARK: Delivery

    /// The next batch, if there is one. `skipped` gets the positions that moved without a batch before it.
    mutating func take(skipped: inout [Skip]) -> Delivery? {
        while let partition = self.ready.first {
            guard let index = self.partitions.index(forKey: partition),
                let (item, isLast, epochBefore) = self.partitions.values[index].takeItem()
            else {
                // It was taken away, or its buffer was dropped.
                self.ready.removeFirst()
                self.partitions[partition]?.isReady = false
                continue
            }
            let state = self.partitions[index].value
            let taken = item.batch?.header.sizeInBytes ?? 0
            if state.bufferedBytes < self.limits.partitionBytesMax,
                state.bufferedBytes + taken >= self.limits.partitionBytesMax
            {
                self.hasRoom = true
            }
            let charge = isLast ? state.lastCharge : nil
            if isLast {
                // The next answer of this partition waits for its turn.
                self.ready.removeFirst()
                if state.chunks.isEmpty {
                    self.partitions.values[index].isReady = false
                } else {
                    self.ready.append(partition)
                }
            }
            guard let batch = item.batch else {
                skipped.append(
                    Skip(partition: partition, number: state.number, next: item.next, epoch: item.epoch))
                self.release(charge)
                continue
            }
            return Delivery(
                partition: partition, number: state.number, batch: batch, start: item.start, next: item.next,
                highWatermark: state.highWatermark ?? item.next, lastStableOffset: state.lastStableOffset,
                epoch: item.epoch, epochBefore: epochBefore, leader: state.leader?.address, charge: charge)
        }
        return nil
    }

    /// The receiver has let go of a batch.
    mutating func finish(_ delivery: Delivery) { self.release(delivery.charge) }

    /// The receiver has not had all of a batch: what is left of it from `start` on comes out next. Of a batch whose
    /// last record it has had nothing is left, even when the position after it lies further.
    mutating func giveBack(_ delivery: Delivery, from start: Int64) {
        guard let state = self.partitions[delivery.partition], state.number == delivery.number, state.start == nil,
            start <= delivery.batch.header.lastOffset
        else {
            self.release(delivery.charge)
            return
        }
        let epoch =
            start > delivery.start ? LeaderEpoch(delivery.batch.header.partitionLeaderEpoch) : delivery.epochBefore
        if state.isPaused {
            self.release(delivery.charge)
            self.partitions[delivery.partition]?.rewind(to: start, leaderEpoch: epoch)
            return
        }
        let item = FetchedBatches.Item(
            batch: delivery.batch, start: start, next: delivery.next, epoch: delivery.epoch)
        self.partitions[delivery.partition]?.giveBack(item, charge: delivery.charge, leaderEpoch: epoch)
        self.markReady(delivery.partition, isFirst: true)
    }

    /// What is buffered, in hand or asked for, in bytes.
    var bytesInUse: Int { self.chargedBytes + self.asked.values.reduce(0, +) }

    // MARK: The buffer

    mutating func buffer(_ batches: FetchedBatches, of partition: TopicPartition, charge: Int) {
        let wasEmpty = self.charges[charge] == nil
        if wasEmpty { self.charges[charge] = Charge(bytes: 0, chunks: 0) }
        self.charges[charge]?.bytes += batches.byteCount
        self.charges[charge]?.chunks += 1
        self.chargedBytes += batches.byteCount
        self.partitions[partition]?.buffer(batches, charge: charge)
        self.markReady(partition, isFirst: false)
    }

    private mutating func markReady(_ partition: TopicPartition, isFirst: Bool) {
        guard let state = self.partitions[partition] else { return }
        if !state.isReady {
            self.partitions[partition]?.isReady = true
            if isFirst { self.ready.prepend(partition) } else { self.ready.append(partition) }
        } else if isFirst, self.ready.first != partition {
            self.ready.removeAll { $0 == partition }
            self.ready.prepend(partition)
        }
    }

    mutating func dropBuffer(of partition: TopicPartition) {
        guard let charges = self.partitions[partition]?.dropChunks() else { return }
        for charge in charges { self.release(charge) }
    }

    private mutating func release(_ number: Int?) {
        guard let number, let charge = self.charges[number] else { return }
        self.hasRoom = true
        guard charge.chunks == 1 else {
            self.charges[number]?.chunks -= 1
            return
        }
        self.charges[number] = nil
        self.chargedBytes -= charge.bytes
    }
}

extension Fetcher.Delivery {
    /// The epoch of the leader that wrote what lies before an offset of this batch.
    func leaderEpoch(upTo offset: Int64) -> LeaderEpoch { self.batch.leaderEpoch(upTo: offset, behind: self.epoch) }

    /// How many offsets that may be read lie behind this batch. What a broker calls the end may be any number.
    var lag: Int64 {
        let end = self.lastStableOffset ?? self.highWatermark
        return end > self.next ? end &- self.next : 0
    }
}

extension RecordBatch {
    /// The epoch of the leader that wrote what lies before an offset, which is in this batch or behind it. `later` is
    /// that of what lies between its last record and the next batch that is handed out, which a later leader may have
    /// written.
    func leaderEpoch(upTo offset: Int64, behind later: LeaderEpoch) -> LeaderEpoch {
        offset > self.header.nextOffset ? later : LeaderEpoch(self.header.partitionLeaderEpoch)
    }
}
