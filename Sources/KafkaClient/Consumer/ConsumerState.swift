// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Synchronization

/// How far the iterator of records has come in the batch that it has in hand. Written for every record, read by whoever
/// commits.
final class RecordProgress: Sendable {
    /// The offset after the last record that was delivered.
    let delivered = Atomic<Int64>(0)
    /// The offset after the last record that was processed: the one before, since the next was asked for.
    let processed = Atomic<Int64>(0)

    func begin(at offset: Int64) {
        self.delivered.store(offset, ordering: .relaxed)
        self.processed.store(offset, ordering: .relaxed)
    }
}

/// What a consumer delivers, and how far that was processed, without IO.
///
/// Invariants:
/// - One batch is in the receiver's hands at a time. Its records count as processed when the next batch is asked for,
///   in an iteration over records each when the next record is; a receiver that stops asking leaves its last one
///   unprocessed.
/// - Only the newest iterator is served.
/// - After a seek, and after a partition was taken away, the batch in hand changes nothing any more.
struct ConsumerState: Sendable {
    enum Phase: Sendable {
        case idle, running, closing, ended
    }

    /// What an iterator gets.
    enum Ask: Sendable {
        case batch(Fetcher.Delivery)
        case wait
        case end
        case fail(any Error)
    }

    struct Hand: Sendable {
        var delivery: Fetcher.Delivery
        /// Of an iteration over records.
        var progress: RecordProgress?
    }

    var phase = Phase.idle
    /// What ended the consumer.
    var failure: (any Error)?
    var fetcher: Fetcher
    var offsets = OffsetTracker()
    var hand: Hand?
    /// Somebody waits for a batch.
    var isAsking = false
    /// When something was asked for last, or delivered.
    var lastAskMs: Int64
    /// Of the newest iterator.
    private(set) var iteration = 0
    /// Partitions that begin elsewhere than where they should, under these numbers; nil inside for where nothing was.
    var resets: [TopicPartition: (number: Int, from: Offset?)] = [:]
    /// Nil without a group.
    var group: GroupPlace?
    /// Given up and not yet let go of: not read any more, and how far they were processed still counts.
    private(set) var revoking: Set<TopicPartition> = []
    /// How far the receiver had come when it was last looked at.
    private var lastDelivered: Int64 = -1
    var generator = SystemRandomNumberGenerator()

    init(fetcher: Fetcher, nowMs: Int64) {
        self.fetcher = fetcher
        self.lastAskMs = nowMs
    }

    // MARK: Iterators

    /// A new iterator takes over. Returns its number.
    mutating func beginIteration() -> Int {
        self.letGo()
        self.isAsking = false
        self.iteration += 1
        return self.iteration
    }

    /// An iterator is gone; what it had in hand was not processed.
    mutating func endIteration(_ number: Int) {
        guard number == self.iteration else { return }
        self.letGo()
        self.isAsking = false
    }

    /// An iterator has given up waiting. If it is not the newest, another one may be asking.
    mutating func stopAsking(iteration number: Int) {
        if number == self.iteration { self.isAsking = false }
    }

    /// The next batch for an iterator. Everything before it is processed, apart from what an iterator of records has
    /// not delivered: everything from `remaining` on. With `isLast` nothing more is delivered.
    mutating func ask(
        iteration: Int, progress: RecordProgress?, remaining: Int64?, isLast: Bool = false, nowMs: Int64
    ) -> Ask {
        guard iteration == self.iteration else {
            return .fail(
                KafkaClientError(
                    .invalidRequest, "another iterator of the consumer was made: there is one at a time"))
        }
        self.putDown(remaining: remaining)
        self.lastAskMs = nowMs
        self.isAsking = false
        if let failure = self.failure { return .fail(failure) }
        guard !isLast, self.phase == .idle || self.phase == .running else { return .end }
        var skipped: [Fetcher.Skip] = []
        let delivery = self.fetcher.take(skipped: &skipped)
        for skip in skipped {
            self.offsets.processed(
                skip.partition, number: skip.number, upTo: Offset(skip.next), leaderEpoch: skip.epoch)
        }
        guard let delivery else {
            self.isAsking = true
            return .wait
        }
        progress?.begin(at: delivery.start)
        self.hand = Hand(delivery: delivery, progress: progress)
        return .batch(delivery)
    }

    /// The batch in hand may be read on: nobody has sought or paused its partition, or taken it away.
    var isHandDeliverable: Bool {
        guard let delivery = self.hand?.delivery, self.failure == nil, self.phase == .running else { return false }
        return self.fetcher.isDeliverable(delivery.partition, number: delivery.number)
    }

    /// The receiver has asked for more.
    private mutating func putDown(remaining: Int64?) {
        guard let hand = self.hand else { return }
        self.hand = nil
        let delivery = hand.delivery
        let next = remaining ?? delivery.next
        self.offsets.processed(
            delivery.partition, number: delivery.number, upTo: Offset(next),
            leaderEpoch: delivery.leaderEpoch(upTo: next))
        if let remaining { self.fetcher.giveBack(delivery, from: remaining) } else { self.fetcher.finish(delivery) }
    }

    /// The receiver will not ask for more.
    private mutating func letGo() {
        guard let hand = self.hand else { return }
        self.noteProgress()
        self.hand = nil
        if let progress = hand.progress {
            self.fetcher.giveBack(hand.delivery, from: progress.delivered.load(ordering: .acquiring))
        } else {
            self.fetcher.finish(hand.delivery)
        }
    }

    /// Notes how far an iterator of records has come.
    mutating func noteProgress() {
        guard let hand = self.hand, let progress = hand.progress else { return }
        let next = progress.processed.load(ordering: .acquiring)
        self.offsets.processed(
            hand.delivery.partition, number: hand.delivery.number, upTo: Offset(next),
            leaderEpoch: hand.delivery.leaderEpoch(upTo: next))
    }

    /// What was processed and is not committed.
    mutating func uncommitted() -> [TopicPartition: OffsetTracker.Position] {
        self.noteProgress()
        return self.offsets.uncommitted
    }

    // MARK: Positions

    /// Adds a partition, unless it is there.
    mutating func assign(_ partition: TopicPartition, start: ConsumerStart, isAnnounced: Bool = true) {
        guard self.fetcher.partitions[partition] == nil else { return }
        let number = self.fetcher.assign(partition, start: start, isAnnounced: isAnnounced)
        if case .offset(let offset) = start {
            self.offsets.begin(partition, number: number, at: .init(next: offset), isCommitted: false)
        }
    }

    /// Forgets partitions, also how far they were processed.
    mutating func remove(_ partitions: some Sequence<TopicPartition>) {
        self.noteProgress()
        for partition in partitions {
            self.fetcher.remove(partition)
            self.resets[partition] = nil
            self.revoking.remove(partition)
        }
        self.offsets.end(partitions)
    }

    /// Forgets all partitions, and returns them.
    mutating func loseAll() -> [TopicPartition] {
        let lost = Set(self.fetcher.partitions.keys).union(self.revoking)
        self.remove(lost)
        self.group?.dropAll()
        return lost.sorted()
    }

    /// Reads partitions no more, but how far they were processed still counts.
    mutating func stopDelivery(of partitions: some Sequence<TopicPartition>) {
        for partition in partitions where self.fetcher.partitions[partition] != nil {
            self.fetcher.remove(partition)
            self.revoking.insert(partition)
        }
    }

    /// The receiver has a batch of these, and processing it still counts.
    func isInHand(_ partitions: Set<TopicPartition>) -> Bool {
        guard let partition = self.hand?.delivery.partition else { return false }
        return partitions.contains(partition) && self.revoking.contains(partition)
    }

    // MARK: The receiver

    /// The receiver has something in hand, or has not begun, and has not asked for anything for too long.
    mutating func isReceiverLate(nowMs: Int64, afterMs: Int64) -> Bool {
        // An iteration over records asks without coming by here.
        if let delivered = self.hand?.progress?.delivered.load(ordering: .acquiring), delivered != self.lastDelivered {
            self.lastDelivered = delivered
            self.lastAskMs = nowMs
        }
        guard !self.isAsking, self.phase == .running, self.group?.isAway == false else { return false }
        return nowMs - self.lastAskMs > afterMs
    }

    /// Goes on elsewhere. False for a partition that is not assigned.
    mutating func seek(_ partition: TopicPartition, to start: ConsumerStart) -> Bool {
        self.noteProgress()
        guard let number = self.fetcher.seek(partition, to: start) else { return false }
        if case .offset(let offset) = start {
            self.offsets.reset(partition, number: number, to: .init(next: offset))
        } else {
            self.offsets.suspend(partition, number: number)
        }
        return true
    }

    /// A partition does not have the offset it was at: it goes on where the policy says. `from` is nil when there was
    /// none.
    mutating func reset(_ partition: TopicPartition, from: Offset?, to start: ConsumerStart) {
        guard let number = self.fetcher.seek(partition, to: start) else { return }
        self.offsets.suspend(partition, number: number)
        self.resets[partition] = (number, from)
    }

    /// Part of what was read of a partition is not in its log any more: it goes on where the two part, or where the
    /// receiver is, if that is before. Returns where it was and where it is; nil when somebody has sought meanwhile.
    mutating func truncate(
        _ truncation: Fetcher.Truncation, to end: Fetcher.EpochEnd
    ) -> (from: Offset, to: Offset)? {
        let partition = truncation.partition
        guard self.fetcher.isCurrent(partition, number: truncation.check.number),
            let position = self.position(of: partition)
        else { return nil }
        self.noteProgress()
        let start = min(position, Offset(end.offset))
        guard let number = self.fetcher.seek(partition, to: .offset(start), leaderEpoch: end.epoch) else { return nil }
        // What is in the receiver's hands is not processed.
        let processed = min(start, self.offsets.position(of: partition) ?? start)
        self.offsets.reset(partition, number: number, to: .init(next: processed, leaderEpoch: end.epoch))
        return (Offset(truncation.check.offset), start)
    }

    /// Where a partition begins was found. Returns where it was before, if it had to be reset. Does nothing when
    /// somebody has sought meanwhile, or the partition is gone.
    mutating func begin(
        _ partition: TopicPartition, number: Int, at position: OffsetTracker.Position, isCommitted: Bool
    ) -> Offset?? {
        guard
            self.fetcher.found(
                start: position.next.rawValue, leaderEpoch: position.leaderEpoch, of: partition, number: number)
        else { return nil }
        if isCommitted || self.offsets.position(of: partition) == nil {
            self.offsets.begin(partition, number: number, at: position, isCommitted: isCommitted)
        } else {
            self.offsets.reset(partition, number: number, to: position)
        }
        guard let reset = self.resets.removeValue(forKey: partition), reset.number == number else { return nil }
        return .some(reset.from)
    }

    /// The offset that is delivered next; nil while that is not known.
    func position(of partition: TopicPartition) -> Offset? {
        if let hand = self.hand, let progress = hand.progress, hand.delivery.partition == partition,
            self.fetcher.isCurrent(partition, number: hand.delivery.number)
        {
            return Offset(progress.delivered.load(ordering: .acquiring))
        }
        return self.fetcher.position(of: partition).map { Offset($0) }
    }
}
