// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Synchronization

/// Where the batches lie that answer a read. Nobody has looked at them: only `PartitionLog.check` makes a `LogSlice` of
/// them, and nothing else can be sent.
public struct FoundBatches: Sendable {
    /// What a read may give.
    struct Request: Sendable {
        var offset: Int64
        var maxBytes: Int
        var atLeastOneBatch: Bool
        var limitOffset: Int64
    }

    /// A stretch of a segment.
    struct Place: Sendable {
        var view: PartitionLog.ReadView
        var first: Segment.Location
        /// Where whole batches end, were there no limit of bytes.
        var regionEnd: Int64
        /// No batch of the region has this offset.
        var upperOffset: Int64
    }

    let request: Request
    let place: Place?
    /// Bytes at the most: a last batch that is cut off counts here, and what a check finds damaged.
    public let byteCount: Int

    /// There is nothing to read.
    public var isEmpty: Bool { self.byteCount == 0 }
}

extension PartitionLog {
    /// What a reader needs to know of one segment.
    struct ReadView: Sendable {
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

    // MARK: - Reading

    /// The batches from `offset` on, each of them checked: checksum, length, offsets.
    ///
    /// The slice starts at the batch that contains `offset` (or the first after it, where compaction left a gap) and
    /// ends before the batch that contains `limitOffset`, before damage, and with its segment. It has at most
    /// `maxBytes` bytes of whole batches; when not even the first batch fits, it is empty, or with `atLeastOneBatch`
    /// that batch alone. Empty when nothing lies between `offset` and the limit.
    ///
    /// May be called from any thread and does not wait for the writer. Reads what it gives. Damage that nobody knew of
    /// is noted: see `damagedRanges`.
    ///
    /// Throws `offsetOutOfRange` for an offset before the log start or after the end, `corrupt` for one among damaged
    /// records.
    public func read(
        from offset: Int64, maxBytes: Int, atLeastOneBatch: Bool, upTo limitOffset: Int64
    ) throws(LogError) -> LogSlice {
        try self.check(
            self.find(from: offset, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, upTo: limitOffset))
    }

    /// The same, but never waits for the disk: nil when the batches or the way to them are not in memory, or when
    /// there is damage to look into. Made for event loops.
    public func readCached(
        from offset: Int64, maxBytes: Int, atLeastOneBatch: Bool, upTo limitOffset: Int64
    ) throws(LogError) -> LogSlice? {
        let found = try self.findCached(
            from: offset, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, upTo: limitOffset)
        guard let found else { return nil }
        return try self.checkCached(found)
    }

    // MARK: - Finding

    /// The first half of `read`: where the batches lie, without reading them. Costs no disk access near the end of the
    /// log; else a few small reads of the index and of batch headers.
    public func find(
        from offset: Int64, maxBytes: Int, atLeastOneBatch: Bool, upTo limitOffset: Int64
    ) throws(LogError) -> FoundBatches {
        try self.find(
            FoundBatches.Request(
                offset: offset, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, limitOffset: limitOffset),
            .mayWait)
    }

    /// The same, but never waits for the disk: nil when the way to the batches is not in memory.
    public func findCached(
        from offset: Int64, maxBytes: Int, atLeastOneBatch: Bool, upTo limitOffset: Int64
    ) throws(LogError) -> FoundBatches? {
        let request = FoundBatches.Request(
            offset: offset, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, limitOffset: limitOffset)
        return try Self.nilIfItWouldWait { () throws(LogError) in try self.find(request, .cachedOnly) }
    }

    private func find(_ request: FoundBatches.Request, _ access: ReadAccess) throws(LogError) -> FoundBatches {
        let nothing = FoundBatches(request: request, place: nil, byteCount: 0)
        var next = request.offset
        var attempts = 0
        while true {
            guard let view = try self.readView(of: next, requested: request.offset), next < request.limitOffset else {
                return nothing
            }
            do throws(LogError) {
                if let found = try self.find(request, from: next, in: view, access) { return found }
            } catch {
                // A segment that retention took away while it was being read cannot be opened any more.
                if case .storage(let failure) = error, failure.isNotFound, next < self.logStartOffset { continue }
                try self.lookInto(error, in: view, access, &attempts)
                continue
            }
            guard !view.isActive else { return nothing }
            if !self.mayBeMissing(before: view.endOffset) {
                // Only compaction takes the last batches of a segment. A disk may lose the end of a file.
                if access == .cachedOnly { throw .storage(.wouldWait(.read, path: view.segment.path(.log))) }
                if try self.noteDamage(in: view, upTo: view.endPosition) { continue }
            }
            next = view.endOffset
        }
    }

    /// Damage that a walk over headers met is looked into and noted, so that the next walk goes around it; every other
    /// error is thrown, and damage that was known before.
    func lookInto(
        _ error: LogError, in view: ReadView, _ access: ReadAccess, _ attempts: inout Int
    ) throws(LogError) {
        guard case .corrupt(_, let range) = error, !view.damage.contains(range) else { throw error }
        if access == .cachedOnly { throw .storage(.wouldWait(.read, path: view.segment.path(.log))) }
        attempts += 1
        // Whoever else met it may have noted it first, so that nothing is news; but not again and again.
        guard try self.noteDamage(in: view, upTo: range.startPosition) || attempts < Self.attemptsMax else {
            throw error
        }
    }

    /// How often damage is looked for anew that cannot be found: a disk that reads differently each time is no reason to
    /// go round for ever.
    static var attemptsMax: Int { 3 }

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

    private func find(
        _ request: FoundBatches.Request, from offset: Int64, in view: ReadView, _ access: ReadAccess
    ) throws(LogError) -> FoundBatches? {
        let segment = view.segment
        let skips = view.skips
        let nothing = FoundBatches(request: request, place: nil, byteCount: 0)
        guard let first = try segment.locate(offset, before: view.endPosition, skipping: skips, access) else {
            if let range = view.damage.first(where: { $0.endOffset > offset }) {
                throw .corrupt(self.topicPartition, range)
            }
            return nil
        }
        // Damage at the offset, or between it and the next good batch, is not stepped over in silence.
        if let range = view.damage.first(where: { $0.endOffset > offset && $0.startOffset <= first.lastOffset }) {
            throw .corrupt(self.topicPartition, range)
        }
        guard first.lastOffset < request.limitOffset else { return nothing }
        var place = FoundBatches.Place(
            view: view, first: first, regionEnd: view.endPosition, upperOffset: view.endOffset)
        if let damage = view.damage.first(where: { $0.startOffset > first.lastOffset }) {
            place.regionEnd = min(place.regionEnd, damage.startPosition)
            place.upperOffset = min(place.upperOffset, damage.startOffset)
        }
        var end = place.regionEnd
        if request.limitOffset < view.endOffset,
            let limit = try segment.locate(
                request.limitOffset, before: view.endPosition, skipping: skips, access)
        {
            end = min(end, limit.position)
        }
        var byteCount = Int(max(end - first.position, 0))
        if byteCount > request.maxBytes {
            let firstSize = Int(first.end - first.position)
            if firstSize <= request.maxBytes {
                byteCount = request.maxBytes
            } else if request.atLeastOneBatch {
                byteCount = firstSize
            } else {
                return nothing
            }
        }
        return byteCount > 0 ? FoundBatches(request: request, place: place, byteCount: byteCount) : nothing
    }
}

// MARK: - Checking

extension PartitionLog {
    /// The second half of `read`: reads what was found and gives the good batches that it begins with.
    ///
    /// Reads through memory that stays in the processor's cache; linear in the bytes found. Up to `copyMax` bytes are
    /// kept as they were checked and need not be read again to be sent.
    ///
    /// Throws `corrupt` when the batch with the offset asked for is damaged, which is noted.
    public func check(_ found: FoundBatches, copyMax: Int = 0) throws(LogError) -> LogSlice {
        var found = found
        var attempts = 0
        while true {
            guard let place = found.place else { return .empty(at: found.request.offset) }
            do throws(LogError) {
                return try self.check(found, place, copyMax: copyMax, .mayWait)
            } catch {
                if case .storage(let failure) = error, failure.isNotFound,
                    found.request.offset < self.logStartOffset
                {
                    // Retention was quicker: looking again says so.
                } else {
                    try self.lookInto(error, in: place.view, .mayWait, &attempts)
                }
            }
            found = try self.find(found.request, .mayWait)
        }
    }

    /// The same, but never waits for the disk: nil when not all of it is in memory, or when the first batch is damaged
    /// and that has to be looked into.
    public func checkCached(_ found: FoundBatches, copyMax: Int = 0) throws(LogError) -> LogSlice? {
        guard let place = found.place else { return .empty(at: found.request.offset) }
        return try Self.nilIfItWouldWait { () throws(LogError) in
            do throws(LogError) {
                return try self.check(found, place, copyMax: copyMax, .cachedOnly)
            } catch {
                var attempts = 0
                try self.lookInto(error, in: place.view, .cachedOnly, &attempts)
                throw error
            }
        }
    }

    private static func nilIfItWouldWait<Result>(_ body: () throws(LogError) -> Result) throws(LogError) -> Result? {
        do throws(LogError) {
            return try body()
        } catch {
            if case .storage(let failure) = error, failure.wouldWait { return nil }
            throw error
        }
    }

    private func check(
        _ found: FoundBatches, _ place: FoundBatches.Place, copyMax: Int, _ access: ReadAccess
    ) throws(LogError) -> LogSlice {
        let (segment, first) = (place.view.segment, place.first)
        let file = try disk { () throws(FileSystemError) in
            access == .mayWait ? try segment.logFile() : try segment.openLogFile()
        }
        return try CheckWindows.shared.withWindow { window throws(LogError) in
            var scan = CheckedScan(
                file: access == .mayWait ? file : CachedReads(file), from: first.position,
                to: first.position + Int64(found.byteCount), regionEnd: place.regionEnd,
                expecting: first.expectedOffset,
                upperOffset: place.upperOffset, window: window)
            var recordCount = 0
            if case .batch(let header, _) = try disk({ () throws(FileSystemError) in try scan.next() }),
                header.baseOffset == first.baseOffset, header.lastOffset == first.lastOffset
            {
                recordCount = Int(header.recordCount)
                while case .batch(let header, _) = try disk({ () throws(FileSystemError) in try scan.next() }) {
                    recordCount += Int(header.recordCount)
                }
            } else {
                // The position says that nobody has looked yet how far the damage goes.
                throw .corrupt(
                    self.topicPartition,
                    DamagedRange(
                        startOffset: first.baseOffset, endOffset: first.lastOffset &+ 1,
                        segmentBaseOffset: segment.baseOffset, startPosition: first.position,
                        endPosition: first.position))
            }
            let byteCount = Int(scan.position - first.position)
            let bytes =
                byteCount <= copyMax && found.byteCount <= CheckWindows.windowBytes
                ? try disk { () throws(FileSystemError) in
                    try window.bytes(at: first.position, atLeast: byteCount, of: file, end: scan.position)
                } : nil
            return LogSlice(
                file: file, position: first.position, byteCount: byteCount, recordCount: recordCount,
                startOffset: first.baseOffset,
                copy: bytes.map { ByteBuffer(bytes: $0.prefix(byteCount)) })
        }
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
