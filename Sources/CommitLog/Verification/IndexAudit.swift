// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Compares the two indexes of a segment with its batches, while somebody walks over these in their order. Reads the
/// index files block by block.
struct IndexAudit {
    /// What is wrong with an index; the first thing only, as much of what follows from it is wrong, too.
    struct Problem: Sendable, Hashable {
        var kind: SegmentFileName.Kind
        /// In the index file.
        var position: Int64
        var what: String
    }

    private(set) var problems: [Problem] = []
    private var offsets: IndexCursor<OffsetIndexEntry>
    private var times: IndexCursor<TimeIndexEntry>
    /// An entry whose batch has begun and whose last batch is to come: Kafka has one entry for all of an append.
    private var begun: (entry: OffsetIndexEntry, position: Int64)?
    private var maxTimestamp: Int64 = -1

    init(offsets: IndexCursor<OffsetIndexEntry>, times: IndexCursor<TimeIndexEntry>) {
        self.offsets = offsets
        self.times = times
    }

    /// A good batch at a position.
    mutating func see(_ header: RecordBatchHeader, at position: Int64) throws(FileSystemError) {
        self.maxTimestamp = max(self.maxTimestamp, header.maxTimestamp)
        while self.isFine(.index), let (entry, place) = try self.offsets.peek(), entry.position <= position {
            if entry.position < position {
                self.report(.index, place, "its entry for byte \(entry.position) is where no batch begins")
            } else if let begun, begun.entry.offset >= entry.offset {
                self.report(.index, place, "its offset \(entry.offset) comes after \(begun.entry.offset)")
            } else {
                self.begun = (entry, place)
            }
            self.offsets.advance()
        }
        if self.isFine(.index), let begun, header.lastOffset >= begun.entry.offset {
            if header.lastOffset != begun.entry.offset {
                self.report(
                    .index, begun.position,
                    "its entry for byte \(begun.entry.position) says offset \(begun.entry.offset), which ends no batch")
            }
            self.begun = nil
        }
        while self.isFine(.timeindex), let (entry, place) = try self.times.peek(), entry.offset <= header.lastOffset {
            if entry.offset < header.baseOffset || entry.timestamp != self.maxTimestamp
                || entry.timestamp != header.maxTimestamp
            {
                self.report(
                    .timeindex, place,
                    "its entry says timestamp \(entry.timestamp) for offset \(entry.offset), the log does not")
            }
            self.times.advance()
        }
    }

    /// Bytes that are damaged: of entries for them nothing can be said.
    mutating func see(_ range: DamagedRange) throws(FileSystemError) {
        self.begun = nil
        while let (entry, _) = try self.offsets.peek(), entry.position < range.endPosition { self.offsets.advance() }
        while let (entry, _) = try self.times.peek(), entry.offset < range.endOffset {
            // The timestamp may be that of a damaged batch, and then all later ones have to be larger.
            self.maxTimestamp = max(self.maxTimestamp, entry.timestamp)
            self.times.advance()
        }
    }

    /// All batches were seen.
    mutating func finish() throws(FileSystemError) {
        if self.isFine(.index), let (entry, place) = try self.offsets.peek() {
            self.report(.index, place, "its entry for byte \(entry.position) is behind the last batch")
        }
        if self.isFine(.timeindex), let (entry, place) = try self.times.peek() {
            self.report(.timeindex, place, "its entry for offset \(entry.offset) is behind the last batch")
        }
        if self.isFine(.index), let gap = self.offsets.gap { self.report(.index, gap, "it has a hole") }
        if self.isFine(.timeindex), let gap = self.times.gap { self.report(.timeindex, gap, "it has a hole") }
    }

    private func isFine(_ kind: SegmentFileName.Kind) -> Bool { !self.problems.contains { $0.kind == kind } }

    private mutating func report(_ kind: SegmentFileName.Kind, _ position: Int64, _ what: String) {
        self.problems.append(Problem(kind: kind, position: position, what: what))
    }
}

/// Goes over the entries of an index file, from its beginning to the zeros or the half entry at its end.
struct IndexCursor<Entry: SegmentIndexEntry> {
    private let stored: SegmentIndex<Entry>.Stored
    private let baseOffset: Int64
    private var index = 0
    private var block: [Entry?] = []
    private var blockStart = 0
    /// Where what should be an entry is none although entries follow.
    private(set) var gap: Int64?

    private static var blockCount: Int { 512 }

    init(_ stored: SegmentIndex<Entry>.Stored, baseOffset: Int64) {
        self.stored = stored
        self.baseOffset = baseOffset
    }

    /// The entry to come and its place in the file; nil at the end.
    mutating func peek() throws(FileSystemError) -> (Entry, position: Int64)? {
        while self.index < self.stored.count {
            if self.index >= self.blockStart + self.block.count {
                let end = min(self.index + Self.blockCount, self.stored.count)
                self.block = try self.stored.entries(in: self.index..<end, baseOffset: self.baseOffset)
                self.blockStart = self.index
                if self.block.isEmpty { return nil }
            }
            let position = Int64(self.index) * Int64(Entry.byteCount)
            if let entry = self.block[self.index - self.blockStart] { return (entry, position) }
            self.gap = self.gap ?? position
            self.index += 1
        }
        return nil
    }

    mutating func advance() { self.index += 1 }
}
