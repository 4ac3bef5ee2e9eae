// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore

/// One partition of a ``Fetcher``: where it is, who has it, and what of it is buffered.
///
/// Invariant while `start` is nil: `consumed` ≤ `fetchOffset`, and the chunks hold exactly what lies between them, in
/// order, apart from what is in the receiver's hands.
struct FetchedPartitionState: Sendable {
    /// What one answer brought.
    struct Chunk: Sendable {
        var items: CircularBuffer<FetchedBatches.Item>
        /// The answer, as its memory is counted; nil when that is counted elsewhere.
        var charge: Int?
    }

    struct Leader: Hashable, Sendable {
        var address: BrokerAddress
        var epoch: LeaderEpoch
    }

    /// Of the assignment, or the last seek.
    private(set) var number: Int
    /// Where to begin, as long as that is not an offset yet.
    private(set) var start: ConsumerStart?
    /// The offset that is fetched next.
    private(set) var fetchOffset: Int64 = 0
    /// The epoch of the leader that wrote the record before `fetchOffset`; `none` when not known.
    private var fetchEpoch = LeaderEpoch.none
    /// The offset that is delivered next.
    private(set) var consumed: Int64 = 0
    /// The epoch of the leader that wrote the record before `consumed`; `none` when not known.
    private var consumedEpoch = LeaderEpoch.none
    /// The leader of this epoch has what lies before `fetchOffset`: it was asked.
    private var checkedEpoch: LeaderEpoch?
    private(set) var chunks = CircularBuffer<Chunk>()
    private(set) var bufferedBytes = 0
    /// Of the chunk that was taken from last, if that was its last item.
    private(set) var lastCharge: Int?
    var highWatermark: Int64?
    /// With read-committed: where what may be read ends.
    var lastStableOffset: Int64?
    var isPaused = false
    /// Whoever is to know of the assignment does: before, nothing is found out about the partition, and so nothing read.
    var isAnnounced = true
    /// It stands in the queue of partitions to be served.
    var isReady = false
    /// Nothing is fetched before what is buffered was taken: the last answer said that there is nothing after it.
    var isHeld = false

    var topicID: TopicID?
    var leader: Leader?
    /// Nothing is looked up earlier.
    var nextLookupMs: Int64 = 0
    /// The question that this partition is part of.
    var lookup: Int?
    /// Attempts that failed since the last answer.
    var failures = 0

    init(number: Int, start: ConsumerStart) {
        self.number = number
        self.restart(number: number, at: start)
    }

    /// The chunks are gone already.
    mutating func restart(number: Int, at start: ConsumerStart, leaderEpoch: LeaderEpoch = .none) {
        self.number = number
        self.isHeld = false
        self.nextLookupMs = 0
        self.lookup = nil
        if case .offset(let offset) = start {
            self.begin(at: offset.rawValue, leaderEpoch: leaderEpoch)
        } else {
            self.start = start
        }
    }

    mutating func begin(at offset: Int64, leaderEpoch: LeaderEpoch) {
        self.start = nil
        self.rewind(to: max(offset, 0), leaderEpoch: leaderEpoch)
        self.checkedEpoch = nil
    }

    /// It cannot be fetched before something was looked up.
    var lacksSomething: Bool { self.leader == nil || self.start != nil || self.check != nil }

    /// It can be asked for.
    var isFetchable: Bool { self.start == nil && !self.isPaused && !self.isHeld && self.check == nil }

    /// What the leader has to be asked before it is fetched from; nil for nothing: it wrote the record before the
    /// position itself, was asked already, or epochs are not known.
    var check: Fetcher.Check? {
        guard self.start == nil, let leader, leader.epoch.rawValue >= 0, self.fetchEpoch.rawValue >= 0,
            leader.epoch != self.fetchEpoch, leader.epoch != self.checkedEpoch
        else { return nil }
        return Fetcher.Check(
            number: self.number, offset: self.fetchOffset, epoch: self.fetchEpoch, leaderEpoch: leader.epoch)
    }

    /// The leader of this epoch has what lies before the position, or cannot say.
    mutating func passed(_ check: Fetcher.Check) { self.checkedEpoch = check.leaderEpoch }

    mutating func buffer(_ batches: FetchedBatches, charge: Int) {
        self.chunks.append(Chunk(items: CircularBuffer(batches.items), charge: charge))
        self.bufferedBytes += batches.byteCount
        self.fetchOffset = batches.next
        self.fetchEpoch = batches.items.last?.epoch ?? self.fetchEpoch
    }

    /// The next item, whether it is the last of its chunk, and the leader epoch of the record before it.
    mutating func takeItem() -> (item: FetchedBatches.Item, isLast: Bool, epochBefore: LeaderEpoch)? {
        guard !self.chunks.isEmpty else { return nil }
        // In place: a copy of the chunk would copy its items, too.
        let taken = self.chunks.modify(self.chunks.startIndex) { chunk in
            chunk.items.popFirst().map { (item: $0, isLast: chunk.items.isEmpty) }
        }
        guard let (item, isLast) = taken else { return nil }
        self.bufferedBytes -= item.batch?.header.sizeInBytes ?? 0
        self.consumed = item.next
        let epochBefore = self.consumedEpoch
        self.consumedEpoch = item.epoch
        if isLast {
            self.lastCharge = self.chunks.removeFirst().charge
            if self.chunks.isEmpty {
                self.isHeld = false
                self.bufferedBytes = 0
            }
        }
        return (item, isLast, epochBefore)
    }

    mutating func giveBack(_ item: FetchedBatches.Item, charge: Int?, leaderEpoch: LeaderEpoch) {
        self.chunks.prepend(Chunk(items: [item], charge: charge))
        self.bufferedBytes += item.batch?.header.sizeInBytes ?? 0
        self.consumed = item.start
        self.consumedEpoch = leaderEpoch
    }

    /// What was buffered is to be fetched again. Returns the answers that it came in.
    mutating func dropChunks() -> [Int] {
        let charges = self.chunks.compactMap(\.charge)
        self.chunks.removeAll(keepingCapacity: false)
        self.bufferedBytes = 0
        self.isHeld = false
        self.fetchOffset = self.consumed
        self.fetchEpoch = self.consumedEpoch
        return charges
    }

    /// What was taken and not delivered is to be fetched again; nothing is buffered.
    mutating func rewind(to offset: Int64, leaderEpoch: LeaderEpoch) {
        self.consumed = offset
        self.consumedEpoch = leaderEpoch
        self.fetchOffset = offset
        self.fetchEpoch = leaderEpoch
    }
}
