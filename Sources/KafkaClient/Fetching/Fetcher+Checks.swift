// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Truncated logs (KIP-320). A leader may not have all that the one before had. So before a partition is fetched from a
/// leader of another epoch than that of the record before the position, the leader is asked where the records of that
/// epoch end in its log: a position behind that was read from records which are gone.
///
/// Fetches carry the leader epoch, so that no leader answers one that it was not asked about.
extension Fetcher {
    /// A position, and the leader that may not have what lies before it.
    struct Check: Sendable, Equatable {
        var number: Int
        var offset: Int64
        /// Of the record before the offset.
        var epoch: LeaderEpoch
        /// Of the leader that is asked.
        var leaderEpoch: LeaderEpoch
    }

    /// Where a leader's records of an epoch end: it has those of this epoch, the last that is not newer than the one
    /// asked for, up to this offset.
    struct EpochEnd: Sendable, Equatable {
        var epoch: LeaderEpoch
        var offset: Int64
    }

    /// What lies before a position is not in the log any more.
    struct Truncation: Sendable, Equatable {
        var partition: TopicPartition
        var check: Check
        /// Where the log and what was read part; nil when the leader knows nothing of that epoch.
        var end: EpochEnd?
    }

    /// Takes in what a leader has answered to a check; `end` is nil when it knows nothing of that epoch. Answers for a
    /// position that has moved since count for nothing.
    ///
    /// What is buffered is dropped when it is not in the log: the position before it is checked then.
    mutating func checked(_ partition: TopicPartition, _ check: Check, end: EpochEnd?) -> Truncation? {
        guard let state = self.partitions[partition], state.check == check else { return nil }
        if let end, end.offset >= check.offset {
            self.pass(partition, check)
            return nil
        }
        guard state.chunks.isEmpty else {
            self.dropBuffer(of: partition)
            self.hasRoom = true
            return nil
        }
        return Truncation(partition: partition, check: check, end: end)
    }

    /// The leader cannot be asked: the partition is fetched without.
    mutating func pass(_ partition: TopicPartition, _ check: Check) {
        guard self.partitions[partition]?.check == check else { return }
        self.partitions[partition]?.passed(check)
        self.hasRoom = true
    }
}
