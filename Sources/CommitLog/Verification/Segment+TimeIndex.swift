// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Synchronization

/// What a time index is believed: as much as the batches agree with. It has no checksum, and a crash or a bad disk may
/// have taken entries from its end.
extension Segment {
    /// The largest timestamp of the segment, -1 if no record has one. For a sealed segment from its time index and the
    /// headers of the batches behind its last entry, once.
    func maxTimestamp(skipping skips: [Range<Int64>] = []) throws(FileSystemError) -> Int64 {
        if let known = self.state.withLock({ $0.maxTimestamp }) { return known }
        let last = try self.timeEntry(notAbove: .max)
        var scanner = BatchScanner(file: try self.logFile(), from: 0, to: self.size, skipping: skips)
        var largest: Int64 = -1
        if let last, let place = try self.place(of: last, scanner) {
            scanner.seek(to: place.position)
            largest = last.timestamp
        }
        while case .batch(let header, _) = try scanner.next() {
            if header.recordCount > 0 { largest = max(largest, header.maxTimestamp) }
        }
        self.state.withLock { $0.maxTimestamp = largest }
        return largest
    }

    /// An offset before which no record has `timestamp` or a later one.
    func offsetBefore(timestamp: Int64, skipping skips: [Range<Int64>] = []) throws(FileSystemError) -> Int64 {
        guard let entry = try self.timeEntry(notAbove: timestamp) else { return self.baseOffset }
        let scanner = BatchScanner(file: try self.logFile(), from: 0, to: self.size, skipping: skips)
        // The entry names the last offset of its batch, and a record before it may have the timestamp.
        return try self.place(of: entry, scanner)?.baseOffset ?? self.baseOffset
    }

    /// Where the batch lies that an entry of the time index speaks of, if it has the entry's timestamp; nil otherwise,
    /// and then no entry is believed until damage of the segment has been noted.
    func place(of entry: TimeIndexEntry, _ scanner: BatchScanner) throws(FileSystemError) -> Location? {
        if self.state.withLock({ $0.timeIndexIsWrong }) { return nil }
        do throws(LogError) {
            if let found = try self.locate(entry.offset, before: scanner.end, skipping: scanner.skips),
                found.baseOffset <= entry.offset,
                let header = try disk({ () throws(FileSystemError) in try scanner.peek(at: found.position) }),
                header.maxTimestamp == entry.timestamp
            {
                return found
            }
        } catch {
            if case .storage(let failure) = error { throw failure }
        }
        self.state.withLock { $0.timeIndexIsWrong = true }
        return nil
    }
}
