// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes
import Synchronization

/// One partition as the broker serves it: its log, the thread that writes it, and the fetches that wait for it.
///
/// The log has a single writer, the partition's IO thread; everything here may be called from any thread.
final class Partition: Sendable {
    let topicPartition: TopicPartition
    let topicID: TopicID
    let log: PartitionLog
    /// The one thread that appends to the log, flushes, rolls and deletes.
    let ioThread: IOThread
    private let epoch: Atomic<Int32>
    private let durability: Mutex<Durability>
    private let waiters = Mutex<[ObjectIdentifier: any HighWatermarkObserver]>([:])

    init(
        topicPartition: TopicPartition,
        topicID: TopicID,
        log: PartitionLog,
        ioThread: IOThread,
        leaderEpoch: LeaderEpoch,
        durability: Durability
    ) {
        self.topicPartition = topicPartition
        self.topicID = topicID
        self.log = log
        self.ioThread = ioThread
        self.epoch = Atomic(leaderEpoch.rawValue)
        self.durability = Mutex(durability)
    }

    /// Grows when the partition gets another leader; batches are stamped with it.
    var leaderEpoch: LeaderEpoch {
        get { LeaderEpoch(self.epoch.load(ordering: .relaxed)) }
        set { self.epoch.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// What an acks=all answer of this partition promises. Follows the topic's `flush.*` configs while running.
    var currentDurability: Durability {
        get { self.durability.withLock { $0 } }
        set { self.durability.withLock { $0 = newValue } }
    }

    /// Registers a waiting fetch. It may be told of high watermarks that moved before it registered, so it looks once
    /// more after registering.
    func addObserver(_ observer: any HighWatermarkObserver) {
        self.waiters.withLock { $0[ObjectIdentifier(observer)] = observer }
    }

    /// A fetch waits for records of this partition.
    var hasObservers: Bool { self.waiters.withLock { !$0.isEmpty } }

    func removeObserver(_ observer: any HighWatermarkObserver) {
        self.waiters.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(observer)) }
    }

    /// Makes everything up to `offset` visible to consumers, and wakes those that wait.
    ///
    /// Two threads may do so at once when a topic's durability changes; a waiting fetch is then woken once too often.
    func advanceHighWatermark(to offset: Int64) {
        let before = self.log.highWatermark
        self.log.advanceHighWatermark(to: offset)
        if self.log.highWatermark > before { self.wakeObservers() }
    }

    /// Tells the waiting fetches to look again: new records, or the partition is going away.
    func wakeObservers() {
        let waiting = self.waiters.withLock { Array($0.values) }
        for observer in waiting { observer.partitionChanged() }
    }
}

/// A fetch that waits until there is enough to read. Called on IO threads; must not block.
protocol HighWatermarkObserver: AnyObject, Sendable {
    func partitionChanged()
}

/// When an appended record counts as durable, and so what acks=all means.
enum Durability: Sendable, Equatable {
    /// Acknowledged with acks=all, and visible to consumers, only when on stable storage. The default.
    case everyCommit
    /// The topic set `flush.messages` or `flush.ms`: acknowledged and visible when handed to the operating system; on
    /// stable storage after so many records or milliseconds. A power cut can take back what lies between.
    case relaxed(messages: Int64?, milliseconds: Int64?)
}
