// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore

/// What a Fetch brought of one partition, made ready to be delivered: parsed, checked, and without what nobody is to
/// see.
///
/// Invariants:
/// - The items are in the order of their offsets, and `next` of each is larger than that of the one before.
/// - Every offset from the one that was asked for up to `next` of the last item is either in a batch of an item or in
///   one that is not delivered: a marker, an aborted transaction, or nothing at all after a compaction.
struct FetchedBatches: Sendable {
    struct Item: Sendable {
        /// Nil when there is nothing to deliver, and the position only moves.
        var batch: RecordBatch?
        /// Records before this offset are not wanted.
        var start: Int64
        /// Where the position is after this item. Larger than the batch's last offset where what follows it is not
        /// delivered.
        var next: Int64
        /// The epoch of the leader that wrote the last batch before `next`; `none` when not known.
        var epoch = LeaderEpoch.none
    }

    private(set) var items: [Item] = []
    /// The bytes of all that was parsed.
    private(set) var byteCount = 0
    /// The first offset that is not here.
    private(set) var next: Int64
    /// What is wrong with the bytes after the items.
    private(set) var damage: KafkaClientError?

    /// Linear in the bytes where checksums are verified, otherwise in the number of batches. Needs no lock.
    init(
        _ fetched: FetchedPartition, from offset: Int64, isolation: ReadIsolation, verifiesChecksums: Bool
    ) {
        self.next = offset
        var reader = BatchReader(fetched, verifiesChecksums: verifiesChecksums)
        var aborted = AbortedTransactions(isolation == .readCommitted ? fetched.aborted : [])
        do throws(KafkaClientError) {
            while let batch = try reader.next(position: self.next) {
                let isHidden = aborted.isAborted(batch) || batch.header.isControl
                self.append(batch, isHidden: isHidden)
            }
            if fetched.records.readableBytes > 0, self.next == offset {
                throw BatchReader.noProgress(fetched, at: offset)
            }
        } catch {
            self.damage = error
        }
    }

    private mutating func append(_ batch: RecordBatch, isHidden: Bool) {
        let header = batch.header
        // A batch below the position is left over from before a compaction.
        guard header.nextOffset > self.next else { return }
        self.byteCount += header.sizeInBytes
        let epoch = LeaderEpoch(header.partitionLeaderEpoch)
        if isHidden, !self.items.isEmpty {
            self.items[self.items.count - 1].next = header.nextOffset
            self.items[self.items.count - 1].epoch = epoch
        } else {
            self.items.append(
                Item(batch: isHidden ? nil : batch, start: self.next, next: header.nextOffset, epoch: epoch))
        }
        self.next = header.nextOffset
    }
}
