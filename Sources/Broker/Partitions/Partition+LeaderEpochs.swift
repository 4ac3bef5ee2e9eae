// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes

extension Partition {
    /// Where an epoch ended, nil when that is not known. The leader's own epoch ends at the end of the log, also when
    /// it has not written anything yet; so do those before it that have written nothing after the last that has.
    func endOffset(forLeaderEpoch epoch: Int32) -> (epoch: Int32, endOffset: Int64)? {
        if epoch == self.leaderEpoch.rawValue { return (epoch, self.log.endOffset) }
        let latest = self.log.leaderEpochCache.latestEpoch
        if epoch >= 0, epoch < self.leaderEpoch.rawValue, epoch > latest ?? -1 {
            return (latest ?? epoch, self.log.endOffset)
        }
        return self.log.endOffset(forEpoch: epoch)
    }
}
