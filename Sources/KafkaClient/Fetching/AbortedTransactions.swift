// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes

/// Tells the batches of aborted transactions from the others, for one answer to a Fetch with read-committed.
///
/// The answer names the transactions that were aborted: a producer, and the first offset that it wrote in that
/// transaction. From there on everything transactional of that producer is aborted, up to its abort marker.
///
/// Batches are shown in the order of their offsets, each once; markers are shown, too.
struct AbortedTransactions: Sendable {
    struct Entry: Hashable, Sendable {
        var producerID: Int64
        var firstOffset: Int64
    }

    /// Those that begin later than what was shown, the last first.
    private var upcoming: [Entry]
    /// The producers that have an aborted transaction open where the walk is.
    private var open: Set<Int64> = []

    init(_ entries: [Entry]) { self.upcoming = entries.sorted { $0.firstOffset > $1.firstOffset } }

    /// The records of the batch belong to an aborted transaction. False for a marker, which ends one.
    mutating func isAborted(_ batch: RecordBatch) -> Bool {
        let header = batch.header
        while let next = self.upcoming.last, next.firstOffset <= header.lastOffset {
            self.open.insert(next.producerID)
            self.upcoming.removeLast()
        }
        guard header.isTransactional, self.open.contains(header.producerID) else { return false }
        guard header.isControl else { return true }
        // A marker that cannot be read ends nothing: whatever is hidden then, nothing aborted is shown.
        var records = try? batch.records()
        if let record = try? records?.next(), EndTransactionMarker(record)?.outcome == .abort {
            self.open.remove(header.producerID)
        }
        return false
    }
}
