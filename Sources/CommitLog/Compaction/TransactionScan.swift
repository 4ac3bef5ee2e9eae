// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Finds out how the transactions of a stretch of a log ended: fed with its batches in order. A value type without IO.
struct TransactionScan: Sendable {
    /// The most aborted transactions remembered: 24 MiB. Past it the stretch ends early, and the next cleaning goes on.
    static let abortedMax = 1_000_000

    /// Where the transactions begin that have no marker yet, by producer.
    private var open: [Int64: Int64] = [:]
    private(set) var aborted = AbortedTransactions()

    /// Takes note of a batch; `outcome` is what the marker in a control batch says, nil for any other batch.
    mutating func add(_ header: RecordBatchHeader, outcome: EndTransactionMarker.Outcome?) {
        if header.isControl {
            guard let outcome, let first = self.open.removeValue(forKey: header.producerID), outcome == .abort else {
                return
            }
            self.aborted.add(header.producerID, first...header.lastOffset)
        } else if header.isTransactional, self.open[header.producerID] == nil {
            self.open[header.producerID] = header.baseOffset
        }
    }

    /// No transaction waits for its marker.
    var allEnded: Bool { self.open.isEmpty }

    /// No more can be remembered.
    var isFull: Bool { self.aborted.count >= Self.abortedMax }

    /// Where the oldest transaction begins that has no marker; nil without one.
    var firstOpenOffset: Int64? { self.open.values.min() }
}

/// The transactions of a stretch of a log that were aborted.
struct AbortedTransactions: Sendable {
    /// From the first offset to the marker, by producer, ascending.
    private var ranges: [Int64: [ClosedRange<Int64>]] = [:]
    private(set) var count = 0

    fileprivate mutating func add(_ producerID: Int64, _ range: ClosedRange<Int64>) {
        self.ranges[producerID, default: []].append(range)
        self.count += 1
    }

    /// Whether a batch belongs to one of them. Logarithmic in the number of those of its producer.
    func contains(_ header: RecordBatchHeader) -> Bool {
        guard header.isTransactional, !header.isControl, let ranges = self.ranges[header.producerID] else {
            return false
        }
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < header.baseOffset { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= header.baseOffset
    }
}
