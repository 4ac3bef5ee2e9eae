// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Which leader wrote which offsets of a partition (KIP-101): the epochs in ascending order, each with the first
/// offset written under it. Both numbers grow strictly from entry to entry.
///
/// On disk it is the file `leader-epoch-checkpoint`. A value type without IO.
public struct LeaderEpochCache: Sendable, Hashable {
    /// An epoch and where it began.
    public struct Entry: Sendable, Hashable {
        /// The leader epoch, not negative.
        public var epoch: Int32
        /// The first offset written under it.
        public var startOffset: Int64

        /// An entry.
        public init(epoch: Int32, startOffset: Int64) {
            self.epoch = epoch
            self.startOffset = startOffset
        }
    }

    static let fileName = "leader-epoch-checkpoint"

    /// All entries, ascending in both numbers.
    public private(set) var entries: [Entry] = []

    /// Knows of no epoch.
    public init() {}

    /// The epoch of the last batch, or nil before the first.
    public var latestEpoch: Int32? { self.entries.last?.epoch }

    /// Notes that a batch of this epoch begins at this offset. Returns whether that was news; an older epoch than the
    /// latest is none.
    mutating func assign(epoch: Int32, startOffset: Int64) -> Bool {
        guard epoch >= 0, epoch > (self.latestEpoch ?? -1) else { return false }
        // Epochs that began at or after this offset wrote nothing that is still there.
        while let last = self.entries.last, last.startOffset >= startOffset { self.entries.removeLast() }
        self.entries.append(Entry(epoch: epoch, startOffset: startOffset))
        return true
    }

    /// Forgets what was written at `endOffset` and later. Returns whether anything changed.
    mutating func truncateFromEnd(_ endOffset: Int64) -> Bool {
        let count = self.entries.count
        while let last = self.entries.last, last.startOffset >= endOffset { self.entries.removeLast() }
        return self.entries.count != count
    }

    /// Forgets what was written before `startOffset`: the epoch that was current there begins there from now on.
    /// Returns whether anything changed.
    mutating func truncateFromStart(_ startOffset: Int64) -> Bool {
        guard let last = self.entries.lastIndex(where: { $0.startOffset <= startOffset }) else { return false }
        guard last > 0 || self.entries[last].startOffset < startOffset else { return false }
        self.entries.removeFirst(last)
        self.entries[0].startOffset = startOffset
        return true
    }

    /// The epoch under which an offset was written, or nil when that is not known.
    public func epoch(of offset: Int64) -> Int32? {
        self.entries.last { $0.startOffset <= offset }?.epoch
    }

    /// Answers OffsetForLeaderEpoch: the largest epoch not above the one asked for, and the offset at which it ended.
    ///
    /// Nil when the epoch is newer than the latest, or nothing is known. For an epoch before the first, the epoch
    /// itself and the first known offset. `logEndOffset` is where the latest epoch ends so far.
    public func endOffset(forEpoch epoch: Int32, logEndOffset: Int64) -> (epoch: Int32, endOffset: Int64)? {
        guard epoch >= 0, let latest = self.latestEpoch, epoch <= latest else { return nil }
        if epoch == latest { return (epoch, logEndOffset) }
        guard let higher = self.entries.firstIndex(where: { $0.epoch > epoch }) else { return nil }
        let floor = higher > 0 ? self.entries[higher - 1].epoch : epoch
        return (floor, self.entries[higher].startOffset)
    }

    // MARK: - The file

    static func parse(_ text: String, path: String) throws(LogError) -> LeaderEpochCache {
        var cache = LeaderEpochCache()
        for line in try CheckpointText.lines(of: text, path: path) {
            let numbers = try CheckpointText.integers(in: line, count: 2, path: path)
            guard let epoch = Int32(exactly: numbers[0]), epoch > (cache.latestEpoch ?? -1), numbers[1] >= 0,
                numbers[1] > (cache.entries.last?.startOffset ?? -1)
            else { throw .malformed(path: path, reason: "\"\(line)\" does not follow the entry before") }
            cache.entries.append(Entry(epoch: epoch, startOffset: numbers[1]))
        }
        return cache
    }

    var text: String { CheckpointText.text(self.entries.map { "\($0.epoch) \($0.startOffset)" }) }
}
