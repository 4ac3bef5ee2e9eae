// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes
import KafkaWire
import Logging

/// Looks up what a fetch asks for.
///
/// Most fetches are for records written a moment ago, so it first looks at what is in memory, which an event loop may do.
/// Where that is not enough, a reader thread waits for the disk.
struct FetchReader: Sendable {
    /// Bytes up to which records are copied into the answer. A slice of its own costs more system calls; measured at
    /// 16 KiB both ways cost the same, and above that the slice costs less.
    static let copyLimit = 8 * 1024

    let topics: TopicTable
    let logger: Logger

    /// The limits of one fetch.
    struct Limits: Sendable {
        /// Bytes of records at the most in the whole answer; the first batch is sent even when it is larger.
        var maxBytes: Int
        /// Fewer bytes than these are worth waiting for.
        var minBytes: Int
    }

    struct Result: Sendable {
        var partitions: [FetchedPartition] = []
        var byteCount = 0
        /// True when waiting cannot help: an error or a divergence has to be told.
        var isUrgent = false
    }

    /// Reads every target in order until the limit of the answer is reached. Waits for the disk: reader threads only.
    func read(_ targets: [FetchTarget], limits: Limits) -> Result {
        // Nothing is left for later when it may wait.
        self.read(targets, limits: limits, cachedOnly: false) ?? Result()
    }

    /// The same from memory alone; nil when that does not do.
    func readCached(_ targets: [FetchTarget], limits: Limits) -> Result? {
        self.read(targets, limits: limits, cachedOnly: true)
    }

    private func read(_ targets: [FetchTarget], limits: Limits, cachedOnly: Bool) -> Result? {
        var result = Result()
        result.partitions.reserveCapacity(targets.count)
        for target in targets {
            let fetched = self.read(
                target,
                budget: limits.maxBytes - result.byteCount,
                isFirst: result.byteCount == 0,
                cachedOnly: cachedOnly
            )
            guard let fetched else { return nil }
            result.byteCount += fetched.recordByteCount
            if fetched.errorCode != .none || fetched.divergence != nil { result.isUrgent = true }
            result.partitions.append(fetched)
        }
        return result
    }

    /// - Parameters:
    ///   - budget: bytes left in the answer.
    ///   - isFirst: no records in the answer yet, so the first batch is due whatever its size.
    /// - Returns: nil when it would have to wait for the disk, and must not.
    private func read(
        _ target: FetchTarget,
        budget: Int,
        isFirst: Bool,
        cachedOnly: Bool
    ) -> FetchedPartition? {
        var fetched = FetchedPartition(key: target.key)
        let key = target.key
        let partition: Partition
        switch self.topics.partition(name: key.topic, id: key.topicID, index: key.partition) {
        case .failure(let error): return FetchedPartition(key: key, errorCode: error.errorCode)
        case .success((_, let found)): partition = found
        }
        if let error = partition.check(currentLeaderEpoch: target.currentLeaderEpoch) {
            return FetchedPartition(key: key, errorCode: error)
        }
        let log = partition.log
        fetched.highWatermark = log.highWatermark
        fetched.lastStableOffset = log.lastStableOffset
        fetched.logStartOffset = log.logStartOffset

        if target.lastFetchedEpoch >= 0 {
            let end = log.endOffset(forEpoch: target.lastFetchedEpoch) ?? (epoch: -1, endOffset: log.logStartOffset)
            if end.endOffset < target.fetchOffset || end.epoch < target.lastFetchedEpoch {
                fetched.divergence = .init(epoch: end.epoch, endOffset: end.endOffset)
                return fetched
            }
        }
        do throws(LogError) {
            let slice = try self.slice(
                of: log,
                target,
                maxBytes: max(0, min(Int(target.maxBytes), budget)),
                isFirst: isFirst,
                limitOffset: fetched.highWatermark,
                cachedOnly: cachedOnly
            )
            guard let slice else { return nil }
            if slice.byteCount == 0 { return fetched }
            if slice.byteCount <= Self.copyLimit {
                fetched.records = .bytes(.buffer(try slice.bytes()))
            } else {
                fetched.records = .slice(slice)
            }
        } catch {
            fetched.errorCode = error.errorCode
            self.report(error, partition, target)
        }
        return fetched
    }

    private func slice(
        of log: PartitionLog,
        _ target: FetchTarget,
        maxBytes: Int,
        isFirst: Bool,
        limitOffset: Int64,
        cachedOnly: Bool
    ) throws(LogError) -> LogSlice? {
        if cachedOnly {
            return try log.readCached(
                from: target.fetchOffset,
                maxBytes: maxBytes,
                atLeastOneBatch: isFirst,
                upTo: limitOffset
            )
        }
        let slice = try log.read(
            from: target.fetchOffset,
            maxBytes: maxBytes,
            atLeastOneBatch: isFirst,
            upTo: limitOffset
        )
        // So that sending it does not make an event loop wait.
        try slice.load()
        return slice
    }

    /// A consumer that asks for offsets that are gone is its own business: it resets its position. The rest is the
    /// operator's.
    private func report(_ error: LogError, _ partition: Partition, _ target: FetchTarget) {
        if case .offsetOutOfRange = error { return }
        self.logger.error(
            "cannot read from a partition's log",
            metadata: [
                "partition": "\(partition.topicPartition)", "offset": "\(target.fetchOffset)", "error": "\(error)",
            ]
        )
    }
}

extension Partition {
    /// Whether the client's idea of the leader epoch is ours (KIP-320); -1 skips the check.
    func check(currentLeaderEpoch: Int32) -> ErrorCode? {
        if currentLeaderEpoch < 0 || currentLeaderEpoch == self.leaderEpoch.rawValue { return nil }
        return currentLeaderEpoch < self.leaderEpoch.rawValue ? .fencedLeaderEpoch : .unknownLeaderEpoch
    }
}
