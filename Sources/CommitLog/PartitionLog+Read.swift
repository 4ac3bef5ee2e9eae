// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

extension PartitionLog {
    /// What a reader needs to know of one segment.
    struct ReadView {
        var segment: Segment
        /// The base of the segment after it, or the end of the log.
        var endOffset: Int64
        var endPosition: Int64
        /// The damage of this segment, ascending.
        var damage: [DamagedRange]
        var isActive: Bool

        var skips: [Range<Int64>] {
            self.damage.filter { $0.startPosition < $0.endPosition }.map { $0.startPosition..<$0.endPosition }
        }
    }

    /// Finds the batches from `offset` on, without reading them.
    ///
    /// The slice starts at the batch that contains `offset` (or the first after it, where compaction left a gap) and
    /// ends before the batch that contains `limitOffset`, before damage, and with its segment. It has at most
    /// `maxBytes` bytes, so that its last batch may be cut off; when not even the first batch fits, it is empty, or
    /// with `atLeastOneBatch` that batch alone. Empty when nothing lies between `offset` and the limit.
    ///
    /// May be called from any thread and does not wait for the writer. Costs no disk access near the end of the log;
    /// else a few small reads of the index and of batch headers.
    ///
    /// Throws `offsetOutOfRange` for an offset before the log start or after the end, `corrupt` for one among damaged
    /// records.
    public func read(
        from offset: Int64, maxBytes: Int, atLeastOneBatch: Bool, upTo limitOffset: Int64
    ) throws(LogError) -> LogSlice {
        let bounds = ReadBounds(maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, limitOffset: limitOffset)
        return try self.read(from: offset, bounds, .mayWait)
    }

    /// The same, but never waits for the disk: nil when the batches or the way to them are not in memory. Made for
    /// event loops. Whether the records are in memory is told from the last of them.
    public func readCached(
        from offset: Int64, maxBytes: Int, atLeastOneBatch: Bool, upTo limitOffset: Int64
    ) throws(LogError) -> LogSlice? {
        let bounds = ReadBounds(maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, limitOffset: limitOffset)
        do throws(LogError) {
            let slice = try self.read(from: offset, bounds, .cachedOnly)
            return try slice.endIsCached() ? slice : nil
        } catch {
            if case .storage(let failure) = error, failure.wouldWait { return nil }
            throw error
        }
    }

    /// What a read may give.
    private struct ReadBounds {
        var maxBytes: Int
        var atLeastOneBatch: Bool
        var limitOffset: Int64
    }

    private func read(
        from offset: Int64, _ bounds: ReadBounds, _ access: ReadAccess
    ) throws(LogError) -> LogSlice {
        var next = offset
        while true {
            let view = try self.readView(of: next, requested: offset)
            guard let view, next < bounds.limitOffset else { return .empty(at: offset) }
            do throws(LogError) {
                if let slice = try self.slice(of: view, from: next, bounds, access) { return slice }
            } catch {
                // A segment that retention took away while it was being read cannot be opened any more.
                if case .storage(let failure) = error, failure.isNotFound, next < self.logStartOffset { continue }
                throw error
            }
            // Compaction may have taken the last batches of a segment.
            guard !view.isActive else { return .empty(at: offset) }
            next = view.endOffset
        }
    }

    /// The view of the segment with an offset; nil at the end of the log.
    private func readView(of offset: Int64, requested: Int64) throws(LogError) -> ReadView? {
        try self.shared.withLock { shared throws(LogError) in
            if shared.isClosed { throw .closed(self.topicPartition) }
            guard offset >= shared.logStartOffset, offset <= shared.endOffset else {
                throw .offsetOutOfRange(
                    self.topicPartition, requested: requested, logStartOffset: shared.logStartOffset,
                    endOffset: shared.endOffset)
            }
            if offset == shared.endOffset { return nil }
            return shared.view(at: shared.segmentIndex(of: offset))
        }
    }

    private func slice(
        of view: ReadView, from offset: Int64, _ bounds: ReadBounds, _ access: ReadAccess
    ) throws(LogError) -> LogSlice? {
        let segment = view.segment
        let skips = view.skips
        guard let first = try segment.locate(offset, before: view.endPosition, skipping: skips, access) else {
            if let range = view.damage.first(where: { $0.endOffset > offset }) {
                throw .corrupt(self.topicPartition, range)
            }
            return nil
        }
        // Damage at the offset, or between it and the next batch, is not stepped over in silence.
        if let range = view.damage.first(where: { $0.endOffset > offset && $0.startOffset < first.baseOffset }) {
            throw .corrupt(self.topicPartition, range)
        }
        guard first.lastOffset < bounds.limitOffset else { return .empty(at: offset) }
        var end = view.endPosition
        if let damage = view.damage.first(where: { $0.startOffset > first.lastOffset }) {
            end = min(end, damage.startPosition)
        }
        if bounds.limitOffset < view.endOffset,
            let limit = try segment.locate(
                bounds.limitOffset, before: view.endPosition, skipping: skips, access)
        {
            end = min(end, limit.position)
        }
        var byteCount = Int(max(end - first.position, 0))
        if byteCount > bounds.maxBytes {
            let firstSize = Int(first.end - first.position)
            if firstSize <= bounds.maxBytes {
                byteCount = bounds.maxBytes
            } else if bounds.atLeastOneBatch {
                byteCount = firstSize
            } else {
                return .empty(at: offset)
            }
        }
        guard byteCount > 0 else { return .empty(at: offset) }
        return LogSlice(
            file: try disk { () throws(FileSystemError) in
                access == .mayWait ? try segment.logFile() : try segment.openLogFile()
            },
            position: first.position,
            byteCount: byteCount, startOffset: first.baseOffset)
    }
}

extension PartitionLog.Shared {
    /// The segment that holds an offset: the last whose base is not above it. Logarithmic.
    func segmentIndex(of offset: Int64) -> Int {
        var low = 0
        var high = self.segments.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if self.segments[middle].baseOffset <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }

    func view(at index: Int) -> PartitionLog.ReadView {
        let segment = self.segments[index]
        let isActive = index == self.segments.count - 1
        return PartitionLog.ReadView(
            segment: segment, endOffset: isActive ? self.endOffset : self.segments[index + 1].baseOffset,
            endPosition: isActive ? self.endPosition : segment.size,
            damage: self.damage.isEmpty ? [] : self.damage.filter { $0.segmentBaseOffset == segment.baseOffset },
            isActive: isActive)
    }
}
