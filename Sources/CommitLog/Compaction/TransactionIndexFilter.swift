// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What becomes of the aborted-transaction indexes (`.txnindex`) of segments that are cleaned: an entry stays as long as
/// the marker that it points to. One without its marker would hide later records of its producer from consumers that
/// read committed records only. A value type without IO.
///
/// An entry is 34 bytes: version 0 in 16 bits, then 64 bits each for producer id, first offset, offset of the marker and
/// last stable offset.
struct TransactionIndexFilter {
    static let entryByteCount = 34
    private static let markerPosition = 18

    /// The entries of all segments of a group, one after another.
    private let entries: [UInt8]
    /// The offsets of the markers that stay.
    private var markers: Set<Int64> = []

    /// `files` are the contents of the indexes, in the order of their segments. What is no whole entry does not count.
    init(_ files: [[UInt8]]) {
        self.entries = files.reduce(into: []) { all, file in
            all += file.prefix(file.count / Self.entryByteCount * Self.entryByteCount)
        }
    }

    /// Nothing has to be kept.
    var isEmpty: Bool { self.entries.isEmpty }

    /// Takes note of a control batch that stays.
    mutating func keeps(markerAt offset: Int64) {
        if !self.isEmpty { self.markers.insert(offset) }
    }

    /// The index of the cleaned segment.
    var bytes: [UInt8] {
        self.entries.withUnsafeBytes { entries in
            var kept: [UInt8] = []
            for start in stride(from: 0, to: entries.count, by: Self.entryByteCount) {
                let entry = UnsafeRawBufferPointer(rebasing: entries[start..<start + Self.entryByteCount])
                if self.markers.contains(entry.bigEndian(at: Self.markerPosition, as: Int64.self)) { kept += entry }
            }
            return kept
        }
    }
}
