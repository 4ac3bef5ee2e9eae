// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Logging
import Synchronization

/// A segment that is no longer written to, and so may be scrubbed.
public struct SealedSegment: Sendable, Hashable {
    /// Names the segment in its log.
    public var baseOffset: Int64
    /// The bytes of its batches.
    public var sizeInBytes: Int64
}

extension PartitionLog {
    /// The segments that may be scrubbed, oldest first.
    public var sealedSegments: [SealedSegment] {
        self.shared.withLock { shared in
            shared.segments.dropLast().map { SealedSegment(baseOffset: $0.baseOffset, sizeInBytes: $0.size) }
        }
    }

    /// Begins to read a sealed segment in search of damage; nil when there is none of that base offset (any more).
    public func beginScrub(of baseOffset: Int64) throws(LogError) -> SegmentScrub? {
        let view = try self.shared.withLock { shared throws(LogError) -> ReadView? in
            if shared.isClosed { throw .closed(self.topicPartition) }
            let index = shared.segmentIndex(of: baseOffset)
            guard index < shared.segments.count - 1, shared.segments[index].baseOffset == baseOffset else { return nil }
            return shared.view(at: index)
        }
        return try view.map { view throws(LogError) in try SegmentScrub(self, view) }
    }

    /// Writes the indexes of a sealed segment anew, from its batches. Nothing happens when the segment was replaced or
    /// deleted meanwhile, or its indexes are still to be written.
    ///
    /// A crash at any moment leaves each index as it was or as it should be.
    func rebuildIndexes(of view: ReadView) throws(LogError) {
        let segment = view.segment
        let (offsets, times) = try self.indexEntries(of: view)
        let files: [(SegmentFileName.Kind, [UInt8])] = [(.index, offsets), (.timeindex, times)]
        for (kind, bytes) in files {
            try SmallFile.write(
                bytes, to: segment.path(kind) + SmallFile.temporarySuffix, sync: true, on: self.fileSystem)
        }
        try self.writer.withLock { writer throws(LogError) in
            let isCurrent = self.shared.withLock { shared in
                !shared.isClosed && shared.segments.dropLast().contains { $0 === segment }
            }
            let isSettled = !writer.isSwapping && !writer.dirtyIndexes.contains { $0 === segment }
            for (kind, _) in files {
                let path = segment.path(kind)
                try disk { () throws(FileSystemError) in
                    if isCurrent, isSettled {
                        try self.fileSystem.rename(path + SmallFile.temporarySuffix, to: path)
                    } else {
                        try SmallFile.remove(path + SmallFile.temporarySuffix, from: self.fileSystem)
                    }
                }
            }
            guard isCurrent, isSettled else { return }
            segment.state.withLock { state in
                state.offsetIndex = nil
                state.timeIndex = nil
                state.indexIsWrong = false
                state.timeIndexIsWrong = false
                state.maxTimestamp = nil
            }
        }
        try disk { () throws(FileSystemError) in try self.fileSystem.syncDirectory(self.directory) }
    }

    /// What the files of both indexes should hold.
    private func indexEntries(of view: ReadView) throws(LogError) -> ([UInt8], [UInt8]) {
        let base = view.segment.baseOffset
        let interval = self.config.indexIntervalBytes
        return try disk { () throws(FileSystemError) in
            var scanner = BatchScanner(
                file: try view.segment.logFile(), from: 0, to: view.endPosition, skipping: view.skips)
            var indexer = SegmentIndexer()
            var offsets: [UInt8] = []
            var times: [UInt8] = []
            var lastTimestamp: Int64 = -1
            func append(_ entry: TimeIndexEntry?) {
                guard let entry, entry.timestamp > lastTimestamp else { return }
                lastTimestamp = entry.timestamp
                entry.append(to: &times, baseOffset: base)
            }
            while case .batch(let header, let position) = try scanner.next() {
                guard let entries = indexer.add(header, position: position, intervalBytes: interval) else { continue }
                entries.offset.append(to: &offsets, baseOffset: base)
                append(entries.time)
            }
            append(indexer.timeEntry)
            return (offsets, times)
        }
    }
}

/// One reading of a sealed segment in search of damage, in pieces, so that it can be slowed down. Damage is noted in the
/// log; an index that the batches disagree with is written anew.
///
/// Used by one thread at a time.
public struct SegmentScrub {
    private let log: PartitionLog
    private let view: PartitionLog.ReadView
    private var scan: CheckedScan
    private var audit: IndexAudit
    /// Known before, or found now; ascending.
    private var damage: [DamagedRange]

    init(_ log: PartitionLog, _ view: PartitionLog.ReadView) throws(LogError) {
        let segment = view.segment
        let base = segment.baseOffset
        self.log = log
        self.view = view
        self.damage = view.damage
        // A descriptor of its own, so that the system takes nobody else for somebody who reads a file once.
        let file = try disk { () throws(FileSystemError) in
            try log.fileSystem.open(segment.path(.log), .read)
        }
        self.scan = CheckedScan(
            file: OneTimeReads(file), from: 0, to: view.endPosition, expecting: base, upperOffset: view.endOffset,
            window: ScanWindow(byteCount: CheckWindows.windowBytes))
        self.audit = try disk { () throws(FileSystemError) in
            IndexAudit(
                offsets: IndexCursor(
                    try .open(segment.path(.index), baseOffset: base, on: log.fileSystem), baseOffset: base),
                times: IndexCursor(
                    try .open(segment.path(.timeindex), baseOffset: base, on: log.fileSystem), baseOffset: base))
        }
    }

    /// Goes on for about `byteCount` bytes, at least one batch. Returns how many were read, and nil when the segment is
    /// done. Throws `closed` when the log was closed, `storage` when the disk fails.
    public mutating func advance(byteCount: Int64) throws(LogError) -> Int64? {
        let start = self.scan.position
        while self.scan.position - start < byteCount {
            if let known = self.damage.first(where: {
                $0.startPosition <= self.scan.position && self.scan.position < $0.endPosition
            }) {
                try self.skip(known)
                continue
            }
            switch try disk({ () throws(FileSystemError) in try self.scan.next() }) {
            case .batch(let header, let position):
                try disk { () throws(FileSystemError) in try self.audit.see(header, at: position) }
            case .damaged(let fault):
                guard try self.note(fault) else { return try self.finish() }
            case .cutOff, .end:
                if self.scan.position > start { return self.scan.position - start }
                return try self.finish()
            }
        }
        return self.scan.position - start
    }

    private mutating func skip(_ range: DamagedRange) throws(LogError) {
        try disk { () throws(FileSystemError) in try self.audit.see(range) }
        self.scan.skip(range)
    }

    /// Notes damage; false when there is no way on behind it.
    private mutating func note(_ fault: BatchFault) throws(LogError) -> Bool {
        _ = try self.log.noteDamage(in: self.view, upTo: fault.position)
        self.damage = self.log.damagedRanges.filter { $0.segmentBaseOffset == self.view.segment.baseOffset }
        return self.damage.contains { $0.startPosition <= fault.position && fault.position < $0.endPosition }
    }

    private mutating func finish() throws(LogError) -> Int64? {
        try disk { () throws(FileSystemError) in try self.audit.finish() }
        guard let problem = self.audit.problems.first else { return nil }
        self.log.logger?.warning(
            "an index of a segment is wrong and is written anew",
            metadata: [
                "partition": "\(self.log.topicPartition)", "file": "\(self.view.segment.path(problem.kind))",
                "position": "\(problem.position)", "problem": "\(problem.what)",
            ])
        var view = self.view
        view.damage = self.damage
        try self.log.rebuildIndexes(of: view)
        return nil
    }
}

/// A file that is read once from its beginning to its end and not again soon.
private final class OneTimeReads: LogFile {
    private let file: any LogFile

    init(_ file: any LogFile) { self.file = file }

    var path: String { self.file.path }
    var descriptor: Int32? { self.file.descriptor }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileSystemError) -> Int {
        try self.file.readOnce(into: buffer, at: position)
    }

    func size() throws(FileSystemError) -> Int64 { try self.file.size() }

    func write(_ parts: [UnsafeRawBufferPointer], at position: Int64) throws(FileSystemError) {
        try self.file.write(parts, at: position)
    }

    func truncate(to size: Int64) throws(FileSystemError) { try self.file.truncate(to: size) }

    func syncData() throws(FileSystemError) { try self.file.syncData() }
}
