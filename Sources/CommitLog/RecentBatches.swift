// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where the last batches of the active segment lie, so that consumers near the tail, and the high watermark, are
/// found without a look at the disk. Gapless: from its first batch on it knows them all.
struct RecentBatches: Sendable {
    /// 24 bytes each for every partition that is written to.
    static let countMax = 64

    struct Batch: Sendable {
        var baseOffset: Int64
        var lastOffset: Int64
        var position: Int64
    }

    /// A ring: the oldest is at `start`.
    private var ring: [Batch] = []
    private var start = 0

    mutating func append(_ batch: Batch) {
        if self.ring.count < Self.countMax {
            self.ring.append(batch)
        } else {
            self.ring[self.start] = batch
            self.start = (self.start + 1) % Self.countMax
        }
    }

    mutating func removeAll() {
        self.ring = []
        self.start = 0
    }

    private func batch(_ index: Int) -> Batch { self.ring[(self.start + index) % self.ring.count] }

    /// The first batch that ends at `offset` or later, and where it ends in the file; nil when that batch is older
    /// than what is remembered, or there is none.
    func locate(_ offset: Int64, endPosition: Int64) -> (batch: Batch, end: Int64)? {
        guard !self.ring.isEmpty, self.batch(0).baseOffset <= offset,
            self.batch(self.ring.count - 1).lastOffset >= offset
        else { return nil }
        var low = 0
        var high = self.ring.count - 1
        while low < high {
            let middle = (low + high) / 2
            if self.batch(middle).lastOffset >= offset { high = middle } else { low = middle + 1 }
        }
        let end = low + 1 < self.ring.count ? self.batch(low + 1).position : endPosition
        return (self.batch(low), end)
    }
}
