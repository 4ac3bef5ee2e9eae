// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Learns from the headers of batches, in their order, which leader wrote from where on.
///
/// The checksum of a batch does not cover its leader epoch. Epochs never go down, so a single batch that says a higher
/// one than those after it is outvoted: believed, it would keep the real leader from appending.
struct EpochHistory: Sendable, Hashable {
    private(set) var cache = LeaderEpochCache()
    /// How many batches in a row have said the latest epoch.
    private var latestCount = 0

    mutating func see(_ header: RecordBatchHeader) {
        let epoch = header.partitionLeaderEpoch
        guard epoch >= 0 else { return }
        var startOffset = header.baseOffset
        if let latest = self.cache.entries.last, epoch < latest.epoch {
            // More than one batch says otherwise: then it is this one that is wrong.
            guard self.latestCount == 1, self.cache.truncateFromEnd(latest.startOffset) else { return }
            if self.cache.entries.isEmpty { startOffset = latest.startOffset }
            self.latestCount = 2
        }
        if self.cache.assign(epoch: epoch, startOffset: startOffset) {
            self.latestCount = 1
        } else if epoch == self.cache.latestEpoch {
            self.latestCount += 1
        }
    }
}
