// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Logging
import Synchronization

extension PartitionLog {
    /// Finds out how far the damage goes that a reader has met at a position of a segment, and notes it, so that it is
    /// never served and readers go on behind it. What is found before that position is noted as well.
    ///
    /// Reads the segment from its beginning to the next valid batch behind the position: a batch whose checksum is wrong
    /// says nothing of itself, so what should be there follows from those before it. Returns whether anything was noted
    /// that was not known.
    func noteDamage(in view: ReadView, upTo position: Int64) throws(LogError) -> Bool {
        let file = try disk { () throws(FileSystemError) in try view.segment.logFile() }
        let ranges = try CheckWindows.shared.withWindow { window throws(LogError) in
            var scan = CheckedScan(
                file: file, from: 0, to: view.endPosition, expecting: view.segment.baseOffset,
                upperOffset: view.endOffset, damage: view.damage, window: window)
            var ranges: [(DamagedRange, String)] = []
            while scan.position <= position {
                let step = try disk { () throws(FileSystemError) in try scan.next() }
                if case .batch = step { continue }
                guard case .damaged(let fault) = step else {
                    if let range = self.missingEnd(of: view, from: scan.expected) {
                        ranges.append((range, "the file ends before the segment does"))
                    }
                    break
                }
                let range = try disk { () throws(FileSystemError) in
                    try self.extent(of: fault, in: view, file: file, window: window)
                }
                guard let range else { break }
                ranges.append((range, fault.reason))
                scan.skip(range)
            }
            return ranges
        }
        return self.note(ranges, in: view.segment)
    }

    /// The offsets of a segment that its file ends before; nil when none are missing, or compaction may have taken them.
    private func missingEnd(of view: ReadView, from expected: Int64) -> DamagedRange? {
        let isKnown = view.damage.contains { $0.endOffset >= view.endOffset }
        guard !view.isActive, !isKnown, expected < view.endOffset, !self.mayBeMissing(before: view.endOffset) else {
            return nil
        }
        return DamagedRange(
            startOffset: expected, endOffset: view.endOffset, segmentBaseOffset: view.segment.baseOffset,
            startPosition: view.endPosition, endPosition: view.endPosition)
    }

    /// Whether offsets before this one may be missing because the log is or was compacted.
    func mayBeMissing(before offset: Int64) -> Bool {
        self.shared.withLock { $0.config.isCompacted || offset <= $0.gapsBefore }
    }

    /// From where a batch should begin to where the next valid one does; nil when no offset is lost.
    private func extent(
        of fault: BatchFault, in view: ReadView, file: any LogFile, window: ScanWindow
    ) throws(FileSystemError) -> DamagedRange? {
        // What is known to be damaged ends the search, like the end of what may be read.
        let next = view.damage.first { $0.startPosition > fault.position }
        let end = min(next?.startPosition ?? view.endPosition, view.endPosition)
        let upperOffset = min(next?.startOffset ?? view.endOffset, view.endOffset)
        let scanner = BatchScanner(file: file, from: fault.position, to: end, window: window)
        var range = DamagedRange(
            startOffset: fault.expectedOffset, endOffset: upperOffset, segmentBaseOffset: view.segment.baseOffset,
            startPosition: fault.position, endPosition: end)
        let follower = try scanner.follower(
            behind: fault.position, claimedEnd: fault.claimedEnd, minimumOffset: fault.expectedOffset + 1,
            upperOffset: upperOffset)
        if case .found(let header, let position) = follower {
            range.endOffset = header.baseOffset
            range.endPosition = position
        }
        return range.startOffset < range.endOffset ? range : nil
    }

    /// Takes damage into account from now on and writes it down, unless the segment has gone meanwhile. Each range is
    /// logged once.
    private func note(_ found: [(range: DamagedRange, reason: String)], in segment: Segment) -> Bool {
        let news = self.shared.withLock { shared in
            guard !shared.isClosed, shared.segments.contains(where: { $0 === segment }) else { return found.prefix(0) }
            // Two readers may have met the same damage.
            let news = found.filter { item in !shared.damage.contains { $0.overlaps(item.range) } }
            shared.damage.append(contentsOf: news.map(\.range))
            shared.damage.sort { $0.startOffset < $1.startOffset }
            // Indexes that disagreed with damaged batches may be right.
            let isSealed = shared.segments.last !== segment
            segment.state.withLock { state in
                state.indexIsWrong = false
                state.timeIndexIsWrong = false
                if isSealed { state.maxTimestamp = nil }
            }
            return news[...]
        }
        guard !news.isEmpty else { return false }
        for item in news {
            self.logger?.error(
                "records are damaged on disk and will not be served",
                metadata: [
                    "partition": "\(self.topicPartition)", "startOffset": "\(item.range.startOffset)",
                    "endOffset": "\(item.range.endOffset)", "file": "\(segment.path(.log))",
                    "startPosition": "\(item.range.startPosition)", "endPosition": "\(item.range.endPosition)",
                    "reason": "\(item.reason)",
                ])
        }
        self.saveDamage()
        return true
    }

    /// Writes the file of damaged ranges. It spares the next start the search; without it the damage is found again
    /// when it is read, so a failure is no more than a warning.
    private func saveDamage() {
        self.damageFile.withLock { _ in
            let (damage, isClosed) = self.shared.withLock { ($0.damage, $0.isClosed) }
            if isClosed { return }
            do throws(LogError) {
                try SmallFile.replace(
                    DamagedRangesFile.name, in: self.directory, with: DamagedRangesFile.text(damage),
                    on: self.fileSystem)
            } catch {
                self.logger?.warning(
                    "damage was not written down and will have to be found again after a restart",
                    metadata: ["partition": "\(self.topicPartition)", "error": "\(error)"])
            }
        }
    }
}

extension DamagedRange {
    /// They have an offset or a byte of the same segment in common.
    func overlaps(_ other: DamagedRange) -> Bool {
        if self.startOffset < other.endOffset && other.startOffset < self.endOffset { return true }
        return self.segmentBaseOffset == other.segmentBaseOffset && self.startPosition < other.endPosition
            && other.startPosition < self.endPosition
    }
}

extension BatchScanner {
    /// The next valid batch behind a place that holds none: where the header there says that it ends, or else the first
    /// that a search finds. `upperOffset` is an offset that no batch here has.
    func follower(
        behind position: Int64, claimedEnd: Int64?, minimumOffset: Int64, upperOffset: Int64
    ) throws(FileSystemError) -> SearchResult {
        if let claimedEnd, let header = try self.validBatch(at: claimedEnd), header.baseOffset >= minimumOffset,
            header.nextOffset <= upperOffset
        {
            return .found(header, position: claimedEnd)
        }
        var from = position + 1
        while true {
            let result = try self.search(from: from, minimumOffset: minimumOffset)
            guard case .found(let header, let place) = result, header.nextOffset > upperOffset else { return result }
            from = place + 1
        }
    }
}
