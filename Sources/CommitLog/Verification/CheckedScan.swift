// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Walks over the batches of a segment and checks each of them: its checksum, and what the checksum does not cover, its
/// offsets. Stops at the first thing that is wrong and stays there until it is told where to go on.
///
/// What a reader may be given is what this has gone over. Memory is the window; the bytes of a stretch that fits in it
/// are still there afterwards (`BatchScanner.next` reads forward only), so that they can be copied without reading them
/// again.
struct CheckedScan {
    enum Step {
        case batch(RecordBatchHeader, position: Int64)
        /// A batch begins here that goes on behind the end of the scan, and ends before the end of the region.
        case cutOff(position: Int64)
        case damaged(BatchFault)
        case end
    }

    private var scanner: BatchScanner
    /// Where whole batches end: the scan may be told to stop in the middle of one before it.
    private let regionEnd: Int64
    /// No batch of the region has this offset.
    private let upperOffset: Int64
    /// No batch was ever taken out of the region, so that one after a gap has to prove itself by those behind it.
    private let isGapless: Bool
    /// Stretches that are known to be damaged, ascending. They are stepped over.
    private let damage: [DamagedRange]
    /// The offset that should come next. Compaction leaves gaps, so a later one may be right, too.
    private(set) var expected: Int64

    init(
        file: any LogFile, from position: Int64, to end: Int64, regionEnd: Int64? = nil, expecting expected: Int64,
        upperOffset: Int64, isGapless: Bool = false, damage: [DamagedRange] = [], window: ScanWindow
    ) {
        self.scanner = BatchScanner(file: file, from: position, to: end, window: window)
        self.regionEnd = regionEnd ?? end
        self.upperOffset = upperOffset
        self.isGapless = isGapless
        self.damage = damage
        self.expected = expected
    }

    /// Where the next step looks: behind the last good batch.
    var position: Int64 { self.scanner.position }

    /// Goes on behind damage.
    mutating func skip(_ range: DamagedRange) {
        self.expected = max(self.expected, range.endOffset)
        self.scanner.seek(to: range.endPosition)
    }

    /// The next batch, read whole.
    mutating func next() throws(FileSystemError) -> Step {
        for range in self.damage where range.startPosition <= self.position && self.position < range.endPosition {
            self.skip(range)
        }
        switch try self.scanner.next(verifyingChecksum: true) {
        case .end:
            return .end
        case .batch(let header, let position):
            if let reason = try self.offsetProblem(header) {
                let end = self.scanner.position
                self.scanner.seek(to: position)
                return .damaged(
                    BatchFault(position: position, expectedOffset: self.expected, reason: reason, claimedEnd: end))
            }
            self.expected = header.nextOffset
            return .batch(header, position: position)
        case .damaged(let position, let damage):
            if damage.isTruncated, try self.isCutOff(at: position) { return .cutOff(position: position) }
            return .damaged(
                BatchFault(
                    position: position, expectedOffset: self.expected, reason: damage.reason,
                    claimedEnd: damage.claimedEnd, isTruncated: damage.isTruncated))
        }
    }

    private func isCutOff(at position: Int64) throws(FileSystemError) -> Bool {
        guard self.regionEnd > self.scanner.end else { return false }
        guard let header = try self.scanner.peek(at: position) else { return true }
        return position + Int64(header.sizeInBytes) <= self.regionEnd
    }

    /// Why the offsets in a header are wrong: the checksum does not cover the first of them. Nil when they can be true.
    private func offsetProblem(_ header: RecordBatchHeader) throws(FileSystemError) -> String? {
        if header.baseOffset < self.expected {
            return "its base offset is \(header.baseOffset) and offset \(self.expected) comes next"
        }
        if header.nextOffset > self.upperOffset {
            return "its last offset is \(header.lastOffset) and the segment ends before \(self.upperOffset)"
        }
        guard header.baseOffset > self.expected else { return nil }
        // A gap. If the next batch lies inside of it, this header is the wrong one.
        let next = try Self.header(at: self.scanner.position, before: self.regionEnd, of: self.scanner.file)
        guard let next else {
            return self.isGapless ? "its base offset is \(header.baseOffset) instead of \(self.expected)" : nil
        }
        guard next.baseOffset > self.expected, next.baseOffset < header.nextOffset else { return nil }
        return "its base offset is \(header.baseOffset), and that of the batch after it \(next.baseOffset)"
    }

    /// The header at a place if there is a whole one. Leaves the window alone, whose bytes may still be wanted.
    static func header(
        at position: Int64, before end: Int64, of file: any LogFile
    ) throws(FileSystemError) -> RecordBatchHeader? {
        guard position >= 0, position <= end - Int64(RecordBatchHeader.byteCount) else { return nil }
        return try withUnsafeTemporaryAllocation(byteCount: RecordBatchHeader.byteCount, alignment: 8) {
            (bytes) throws(FileSystemError) in
            guard try file.read(into: bytes, at: position) == bytes.count else { return nil }
            return try? RecordBatchHeader(parsing: UnsafeRawBufferPointer(bytes))
        }
    }
}

/// A place of a segment where a batch should be, and what is there is none.
struct BatchFault: Sendable, Hashable {
    var position: Int64
    /// The offset that should begin here.
    var expectedOffset: Int64
    var reason: String
    /// Where the next batch would begin if the length in the header were right; nil when it cannot be.
    var claimedEnd: Int64?
    /// The file ends before the batch does.
    var isTruncated = false
}
