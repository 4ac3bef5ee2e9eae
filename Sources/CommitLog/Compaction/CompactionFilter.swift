// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Decides what a cleaning leaves of each batch: fed with the batches of a log from its beginning. A value type without
/// IO.
///
/// | the record | stays |
/// | --- | --- |
/// | is at or behind the end of the cleaned part | always |
/// | belongs to an aborted transaction | never |
/// | has no key | never |
/// | is older than the last one of its key | never |
/// | is a tombstone | until the horizon of its batch |
/// | any other | always |
///
/// The horizon is `delete.retention.ms` after the cleaning that first found the tombstone to be the last record of its
/// key. It is written into the batch (KIP-534), so it survives everything.
///
/// The last batch of a producer stays, without records if need be: its sequence is found there when the producers are
/// read from the log again. The marker of a transaction stays as long as batches of the transaction are before it,
/// and then for `delete.retention.ms` as a tombstone does.
struct CompactionFilter {
    /// The last batch of a producer that is not forgotten yet.
    struct LastBatch: Sendable {
        /// Nil when the log knows of its markers only.
        var lastOffset: Int64?
        var epoch: Int16
    }

    enum Verdict: Equatable {
        /// As it is.
        case keep
        case drop
        /// Its header stays, with no records.
        case empty
        case rebuild(Rebuild)
    }

    /// What stays of a batch.
    struct Rebuild: Equatable {
        /// Where the records that stay lie among the uncompressed records; neighbours are one range.
        var kept: [Range<Int>]
        var count: Int32
        /// Of the records that stay, in milliseconds since 1970; -1 without one.
        var maxTimestamp: Int64
        /// The horizon that the batch gets now; nil when it has one already or needs none.
        var newHorizon: Int64?
    }

    /// What is before it is cleaned.
    let endOffset: Int64
    /// Wall-clock milliseconds.
    let now: Int64
    let deleteRetentionMs: Int64
    let lastBatches: [Int64: LastBatch]
    let aborted: AbortedTransactions
    let hasher: KeyHasher
    /// Producers with batches of a transaction whose marker has not come yet.
    private var inTransaction: Set<Int64> = []

    init(
        endOffset: Int64, now: Int64, deleteRetentionMs: Int64, lastBatches: [Int64: LastBatch],
        aborted: AbortedTransactions, hasher: KeyHasher
    ) {
        self.endOffset = endOffset
        self.now = now
        self.deleteRetentionMs = deleteRetentionMs
        self.lastBatches = lastBatches
        self.aborted = aborted
        self.hasher = hasher
    }

    /// Whether the records of a batch have to be looked at.
    func needsRecords(of header: RecordBatchHeader) -> Bool {
        header.baseOffset < self.endOffset && header.recordCount > 0
    }

    /// Decides about a batch. `records` are its records, inflated; of a batch whose records are not needed, none.
    /// `isMarker` tells a control batch that ends a transaction from any other.
    mutating func judge(
        _ header: RecordBatchHeader, records: UnsafeRawBufferPointer, isMarker: Bool, map: OffsetMap
    ) throws(RecordError) -> Verdict {
        if header.isControl { return try self.judgeControl(header, records: records, isMarker: isMarker) }
        if header.isTransactional { self.inTransaction.insert(header.producerID) }
        guard header.baseOffset < self.endOffset else { return .keep }
        if header.recordCount == 0 { return self.isLast(header) ? .keep : .drop }
        let found = try self.look(at: records, of: header, map: map)
        let needsHorizon =
            found.hasTombstones && header.deleteHorizon == nil && header.nextOffset <= self.endOffset
        if found.count == header.recordCount, !needsHorizon { return .keep }
        if found.count == 0 { return self.isLast(header) ? .empty : .drop }
        return .rebuild(
            Rebuild(
                kept: found.kept, count: found.count, maxTimestamp: found.maxTimestamp,
                newHorizon: needsHorizon ? self.horizon : nil))
    }

    /// The horizon of what is found to be deleted now.
    private var horizon: Int64 {
        let (horizon, overflow) = self.now.addingReportingOverflow(max(self.deleteRetentionMs, 0))
        return overflow ? .max : horizon
    }

    private func hasPassed(_ horizon: Int64?) -> Bool { horizon.map { $0 <= self.now } ?? false }

    private mutating func judgeControl(
        _ header: RecordBatchHeader, records: UnsafeRawBufferPointer, isMarker: Bool
    ) throws(RecordError) -> Verdict {
        let hadBatches = self.inTransaction.contains(header.producerID)
        if isMarker { self.inTransaction.remove(header.producerID) }
        guard header.baseOffset < self.endOffset else { return .keep }
        if header.recordCount == 0 { return self.isLast(header) ? .keep : .drop }
        // What is no marker is somebody else's business.
        guard isMarker, !hadBatches else { return .keep }
        if header.deleteHorizon != nil {
            guard self.hasPassed(header.deleteHorizon) else { return .keep }
            return self.isLast(header) ? .empty : .drop
        }
        return .rebuild(
            Rebuild(
                kept: [0..<records.count], count: header.recordCount, maxTimestamp: header.maxTimestamp,
                newHorizon: self.horizon))
    }

    private struct Found {
        var kept: [Range<Int>] = []
        var count: Int32 = 0
        var maxTimestamp: Int64 = -1
        var hasTombstones = false
    }

    private func look(
        at records: UnsafeRawBufferPointer, of header: RecordBatchHeader, map: OffsetMap
    ) throws(RecordError) -> Found {
        var found = Found()
        let isAborted = self.aborted.contains(header)
        let tombstonesMayGo = self.hasPassed(header.deleteHorizon)
        var spans = RecordSpans(records, header: header)
        while let span = try spans.next() {
            let offset = header.baseOffset + Int64(span.offsetDelta)
            if offset < self.endOffset {
                guard !isAborted, let key = span.key, span.hasValue || !tombstonesMayGo else { continue }
                if let latest = map.offset(of: self.hasher.hash(key)), offset < latest { continue }
                if !span.hasValue { found.hasTombstones = true }
            }
            found.count += 1
            found.maxTimestamp = max(found.maxTimestamp, header.baseTimestamp &+ span.timestampDelta)
            if let last = found.kept.last, last.upperBound == span.range.lowerBound {
                found.kept[found.kept.count - 1] = last.lowerBound..<span.range.upperBound
            } else {
                found.kept.append(span.range)
            }
        }
        return found
    }

    /// Whether it is the last batch of its producer, from which the producer's sequence is known.
    private func isLast(_ header: RecordBatchHeader) -> Bool {
        guard header.hasProducerID, let last = self.lastBatches[header.producerID] else { return false }
        if let lastOffset = last.lastOffset { return header.lastOffset == lastOffset }
        return header.isControl && header.producerEpoch == last.epoch
    }
}

extension RecordBatchHeader {
    /// The time from which the tombstones of the batch may go, in milliseconds since 1970; nil before it is set.
    var deleteHorizon: Int64? {
        self.attributes & Attribute.hasDeleteHorizon == 0 ? nil : self.baseTimestamp
    }
}
