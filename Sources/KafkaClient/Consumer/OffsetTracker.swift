// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// How far a consumer has come in each partition that it reads, and how much of that is committed.
///
/// Invariants:
/// - What was processed counts for the assignment, or seek, whose number it bears: what a receiver finishes after a
///   partition was sought, or lost and given back, changes nothing.
/// - Within one number the position only grows.
struct OffsetTracker: Sendable {
    /// A place in a partition.
    struct Position: Hashable, Sendable {
        /// Everything before it is done.
        var next: Offset
        /// The epoch of the leader that wrote the last record that is done; `none` when not known.
        var leaderEpoch = LeaderEpoch.none
    }

    private struct Progress {
        var number: Int
        var position: Position
        var committed: Offset?
    }

    private var partitions: [TopicPartition: Progress] = [:]

    /// The partitions that are read.
    var reading: [TopicPartition] { self.partitions.keys.sorted() }

    /// Begins with a partition. An offset that is not committed will be: a group that begins at the end of a partition
    /// must not skip what is written while it is away.
    mutating func begin(_ partition: TopicPartition, number: Int = 0, at position: Position, isCommitted: Bool) {
        let committed = isCommitted ? position.next : nil
        self.partitions[partition] = Progress(number: number, position: position, committed: committed)
    }

    /// Everything before `next` is done. Says nothing about a partition that is not read any more.
    mutating func processed(
        _ partition: TopicPartition, number: Int = 0, upTo next: Offset, leaderEpoch: LeaderEpoch
    ) {
        guard let progress = self.partitions[partition], progress.number == number, next > progress.position.next
        else { return }
        self.partitions[partition]?.position = Position(next: next, leaderEpoch: leaderEpoch)
    }

    /// Moves to another place of a partition, ahead or back.
    mutating func reset(_ partition: TopicPartition, number: Int = 0, to position: Position) {
        guard let progress = self.partitions[partition] else {
            self.begin(partition, number: number, at: position, isCommitted: false)
            return
        }
        self.partitions[partition] = Progress(number: number, position: position, committed: progress.committed)
    }

    /// Another place is being looked for: until it is found, the partition stays where it is.
    mutating func suspend(_ partition: TopicPartition, number: Int) { self.partitions[partition]?.number = number }

    /// The first offset of a partition that is not done.
    func position(of partition: TopicPartition) -> Offset? { self.partitions[partition]?.position.next }

    /// What is done and not committed.
    var uncommitted: [TopicPartition: Position] {
        self.partitions.filter { $0.value.committed != $0.value.position.next }.mapValues(\.position)
    }

    /// These were committed. More may have been done since.
    mutating func committed(_ partition: TopicPartition, _ position: Position) {
        self.partitions[partition]?.committed = position.next
    }

    /// Reads these no more.
    mutating func end(_ partitions: some Sequence<TopicPartition>) {
        for partition in partitions { self.partitions[partition] = nil }
    }
}
