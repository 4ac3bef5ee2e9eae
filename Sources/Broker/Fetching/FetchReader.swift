// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaTypes
import KafkaWire
import Logging

/// Looks up what a fetch asks for, in two steps: where the batches lie, and, when they are enough to answer, whether
/// they are good. A batch leaves the broker only after this fetch has checked its bytes.
///
/// Most fetches are for records written a moment ago, so it first looks at what is in memory, which an event loop may do.
/// Where that is not enough, or there is much to check, a reader thread does it.
struct FetchReader: Sendable {
    /// Bytes up to which records are copied into the answer. A slice of its own costs more system calls; measured at
    /// 16 KiB both ways cost the same, and above that the slice costs less.
    static let copyLimit = 8 * 1024

    /// Bytes of one fetch that an event loop checks itself, rather than have a reader thread do it: what most consumers
    /// ask for at a time. Measured, a check takes 0.1 to 0.2 ms for a MiB, about as long as sending it does, and that is
    /// what the other connections of the loop wait.
    static let checkedOnEventLoopMax = 1 << 20

    let topics: TopicTable
    let complaints: SharedLogLimit
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
        /// Bytes that were found: more than are sent where a last batch was cut off.
        var byteCount = 0
        /// True when waiting cannot help: an error or a divergence has to be told.
        var isUrgent = false
        /// There is too little to answer with, so that nothing was read yet.
        var isTooLittle = false
    }

    /// Reads every target in order until the limit of the answer is reached. Waits for the disk: reader threads only.
    ///
    /// - Parameter evenTooLittle: false leaves what is less than `minBytes` unread.
    func read(_ targets: [FetchTarget], limits: Limits, evenTooLittle: Bool) -> Result {
        // Nothing is left for later when it may wait.
        self.read(targets, limits: limits, evenTooLittle: evenTooLittle, cachedOnly: false) ?? Result()
    }

    /// The same from memory alone; nil when that does not do.
    func readCached(_ targets: [FetchTarget], limits: Limits, evenTooLittle: Bool) -> Result? {
        self.read(targets, limits: limits, evenTooLittle: evenTooLittle, cachedOnly: true)
    }

    /// What was found for a target, before its bytes are looked at.
    private struct Finding {
        var fetched: FetchedPartition
        var found: (partition: Partition, batches: FoundBatches)?

        init(_ fetched: FetchedPartition) { self.fetched = fetched }
    }

    private func read(
        _ targets: [FetchTarget],
        limits: Limits,
        evenTooLittle: Bool,
        cachedOnly: Bool
    ) -> Result? {
        var result = Result()
        var findings: [Finding] = []
        findings.reserveCapacity(targets.count)
        for target in targets {
            let finding = self.find(
                target,
                budget: limits.maxBytes - result.byteCount,
                isFirst: result.byteCount == 0,
                cachedOnly: cachedOnly
            )
            guard let finding else { return nil }
            result.byteCount += finding.found?.batches.byteCount ?? 0
            if finding.fetched.isUrgent { result.isUrgent = true }
            findings.append(finding)
        }
        if result.byteCount < limits.minBytes, !result.isUrgent, !evenTooLittle {
            result.isTooLittle = true
            return result
        }
        if cachedOnly, result.byteCount > Self.checkedOnEventLoopMax { return nil }
        result.partitions.reserveCapacity(targets.count)
        for (finding, target) in zip(findings, targets) {
            guard let fetched = self.check(finding, target, cachedOnly: cachedOnly) else { return nil }
            if fetched.isUrgent { result.isUrgent = true }
            result.partitions.append(fetched)
        }
        return result
    }

    /// - Parameters:
    ///   - budget: bytes left in the answer.
    ///   - isFirst: no records in the answer yet, so the first batch is due whatever its size.
    /// - Returns: nil when it would have to wait for the disk, and must not.
    private func find(
        _ target: FetchTarget,
        budget: Int,
        isFirst: Bool,
        cachedOnly: Bool
    ) -> Finding? {
        var fetched = FetchedPartition(key: target.key)
        let key = target.key
        let partition: Partition
        switch self.topics.partition(name: key.topic, id: key.topicID, index: key.partition) {
        case .failure(let error): return Finding(FetchedPartition(key: key, errorCode: error.errorCode))
        case .success((let topic, let found)):
            partition = found
            fetched.metrics = topic.metrics
        }
        if let error = partition.check(currentLeaderEpoch: target.currentLeaderEpoch) {
            return Finding(FetchedPartition(key: key, errorCode: error))
        }
        let log = partition.log
        fetched.highWatermark = log.highWatermark
        fetched.lastStableOffset = log.lastStableOffset
        fetched.logStartOffset = log.logStartOffset

        if target.lastFetchedEpoch >= 0 {
            let end =
                partition.endOffset(forLeaderEpoch: target.lastFetchedEpoch)
                ?? (epoch: -1, endOffset: log.logStartOffset)
            if end.endOffset < target.fetchOffset || end.epoch < target.lastFetchedEpoch {
                fetched.divergence = .init(epoch: end.epoch, endOffset: end.endOffset)
                return Finding(fetched)
            }
        }
        let maxBytes = max(0, min(Int(target.maxBytes), budget))
        var finding = Finding(fetched)
        do throws(LogError) {
            if cachedOnly {
                let batches = try log.findCached(
                    from: target.fetchOffset,
                    maxBytes: maxBytes,
                    atLeastOneBatch: isFirst,
                    upTo: fetched.highWatermark
                )
                guard let batches else { return nil }
                finding.found = (partition, batches)
            } else {
                let batches = try log.find(
                    from: target.fetchOffset,
                    maxBytes: maxBytes,
                    atLeastOneBatch: isFirst,
                    upTo: fetched.highWatermark
                )
                finding.found = (partition, batches)
            }
        } catch {
            finding.fetched.errorCode = error.errorCode
            self.report(error, partition, target)
        }
        return finding
    }

    /// Reads what was found and keeps what is good; nil when it would have to wait for the disk, and must not.
    private func check(_ finding: Finding, _ target: FetchTarget, cachedOnly: Bool) -> FetchedPartition? {
        var fetched = finding.fetched
        guard let (partition, batches) = finding.found, !batches.isEmpty else { return fetched }
        do throws(LogError) {
            let log = partition.log
            let slice =
                cachedOnly
                ? try log.checkCached(batches, copyMax: Self.copyLimit)
                : try log.check(batches, copyMax: Self.copyLimit)
            guard let slice else { return nil }
            fetched.recordCount = slice.recordCount
            if let copy = slice.copy {
                fetched.records = .bytes(.buffer(copy))
            } else if !slice.isEmpty {
                fetched.records = .slice(slice)
            }
        } catch {
            fetched.errorCode = error.errorCode
            self.report(error, partition, target)
        }
        return fetched
    }

    /// A consumer that asks for offsets that are gone is its own business: it resets its position. Damage the log tells
    /// itself, once. The rest is the operator's.
    private func report(_ error: LogError, _ partition: Partition, _ target: FetchTarget) {
        if case .offsetOutOfRange = error { return }
        if case .corrupt = error { return }
        guard let left = self.complaints.pass() else { return }
        var metadata: Logger.Metadata = [
            "partition": "\(partition.topicPartition)", "offset": "\(target.fetchOffset)", "error": "\(error)",
        ]
        if left > 0 { metadata["not-logged"] = "\(left)" }
        self.logger.error("cannot read from a partition's log", metadata: metadata)
    }
}

extension Partition {
    /// Whether the client's idea of the leader epoch is ours (KIP-320); -1 skips the check.
    func check(currentLeaderEpoch: Int32) -> ErrorCode? {
        if currentLeaderEpoch < 0 || currentLeaderEpoch == self.leaderEpoch.rawValue { return nil }
        return currentLeaderEpoch < self.leaderEpoch.rawValue ? .fencedLeaderEpoch : .unknownLeaderEpoch
    }
}
