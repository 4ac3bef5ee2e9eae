// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Makes appends durable: one thread's way into the journal of a data directory. Used by that thread alone.
///
/// A commit covers everything that was appended to some logs, and picks for each of them the cheaper way, see
/// `CommitCost`.
public final class JournalLane {
    private let journal: Journal
    private let cost = CommitCost()
    private let staging = JournalStaging()

    /// The file that is being written.
    private struct Open {
        var used: Journal.UsedFile
        var nonce: UInt64
        /// Where the next commit begins.
        var position: Int64
    }

    private var open: Open?

    /// What a log of the current commit needs.
    private struct Item {
        var index: Int
        var log: PartitionLog
        var work: PartitionLog.CommitWork
        var topicID: TopicID?

        var isJournalable: Bool { self.topicID != nil && self.work.isWhole }

        var entryByteCount: Int64 {
            self.work.pieces.reduce(0) { $0 + JournalEntryHeader.entryByteCount(pieceByteCount: $1.byteCount) }
        }
    }

    init(_ journal: Journal) { self.journal = journal }

    /// Puts everything that was appended to these logs so far on stable storage, and reports the outcome of each, by its
    /// index in `logs`, as soon as it is known. On success `flushedOffset` is at least what `endOffset` was.
    ///
    /// Returns how many of the logs went to the journal and how many had their segments synced; the rest had nothing to
    /// be made durable.
    ///
    /// A log whose segments cannot be synced is fenced. A journal that fails is not used any more, and the segments are
    /// synced instead: nothing is reported as durable because of a sync that failed. Costs one fdatasync for all logs
    /// that go to the journal, and one for each of the others.
    @discardableResult
    public func commit(
        _ logs: [PartitionLog], _ report: (Int, Result<Void, LogError>) -> Void
    ) -> (journaled: Int, synced: Int) {
        var items: [Item] = []
        items.reserveCapacity(logs.count)
        for (index, log) in logs.enumerated() {
            do throws(LogError) {
                if let work = try log.beginCommit() {
                    items.append(Item(index: index, log: log, work: work, topicID: log.topicID))
                } else {
                    report(index, .success(()))
                }
            } catch {
                report(index, .failure(error))
            }
        }
        let choice = self.cost.journaled(items.map { $0.isJournalable ? $0.work.byteCount : .max })
        var chosen = zip(items, choice).filter(\.1).map(\.0)
        var others = zip(items, choice).filter { !$0.1 }.map(\.0)
        others += self.makeRoom(for: &chosen)
        others += self.write(&chosen)
        for item in chosen { report(item.index, item.log.finishCommit(item.work)) }
        self.journal.prepareToFlush(others.count)
        for item in others {
            do throws(LogError) {
                try item.log.flush()
                report(item.index, .success(()))
            } catch {
                report(item.index, .failure(error))
            }
        }
        return (chosen.count, others.count)
    }

    // MARK: - Room

    /// Sees to it that the open file has room for a commit, and returns what has to do without the journal.
    private func makeRoom(for items: inout [Item]) -> [Item] {
        if items.isEmpty { return [] }
        let total = items.reduce(0) { $0 + $1.entryByteCount }
        if self.open.map({ $0.position + total <= self.journal.options.fileByteCount }) != true {
            let used = self.open?.used
            self.open = nil
            guard let next = self.journal.exchange(used) else {
                let all = items
                items = []
                return all
            }
            self.open = Open(
                used: Journal.UsedFile(file: next.file), nonce: next.nonce, position: JournalFormat.blockByteCount)
        }
        guard let open = self.open else { return [] }
        var room = self.journal.options.fileByteCount - open.position
        if total <= room { return [] }
        var fitting: [Item] = []
        var rest: [Item] = []
        for item in items {
            let size = item.entryByteCount
            if size <= room {
                room -= size
                fitting.append(item)
            } else {
                rest.append(item)
            }
        }
        items = fitting
        return rest
    }

    // MARK: - Writing

    /// Writes entries for the pieces of all items and syncs them. Returns the items that could not be journaled.
    private func write(_ items: inout [Item]) -> [Item] {
        guard var open = self.open, !items.isEmpty else { return [] }
        var written: [Item] = []
        var unread: [Item] = []
        do throws(FileSystemError) {
            var position = open.position
            self.staging.removeAll()
            if position == JournalFormat.blockByteCount {
                // The first commit of this use brings the header along.
                self.staging.append(JournalFileHeader(nonce: open.nonce).block)
                position = 0
            }
            for item in items {
                if self.stage(item, nonce: open.nonce) { written.append(item) } else { unread.append(item) }
                if self.staging.byteCount >= JournalStaging.byteCountMax {
                    position += try self.staging.flush(to: open.used.file, at: position)
                }
            }
            position += try self.staging.flush(to: open.used.file, at: position)
            try open.used.file.syncData()
            open.position = JournalFormat.roundUp(position)
        } catch {
            self.open = nil
            self.journal.fail(open.used, error)
            defer { items = [] }
            return items
        }
        for item in written {
            open.used.contents[ObjectIdentifier(item.log)] = Journal.Content(
                log: item.log, endOffset: item.work.endOffset)
        }
        self.open = open
        items = written
        return unread
    }

    /// Puts the entries of an item behind what has gathered; false when its segment cannot be read.
    private func stage(_ item: Item, nonce: UInt64) -> Bool {
        guard let topicID = item.topicID else { return false }
        for piece in item.work.pieces {
            let header = JournalEntryHeader(
                topicID: topicID, nonce: nonce, partition: item.log.topicPartition.partition.rawValue, piece: piece)
            do throws(FileSystemError) { try self.staging.append(header, piece) } catch { return false }
        }
        return true
    }
}

/// Memory in which a commit is put together, so that it takes few writes. Kept from commit to commit.
final class JournalStaging {
    /// What has gathered is written when it is this many bytes or more. With one more entry of at most
    /// `CommitCost.byteCountMax`, that is all that the memory grows to.
    static let byteCountMax = 1 << 20

    private var memory: UnsafeMutableRawBufferPointer
    private(set) var byteCount = 0

    init() { self.memory = .allocate(byteCount: 64 << 10, alignment: 4_096) }

    deinit { self.memory.deallocate() }

    func removeAll() { self.byteCount = 0 }

    func append(_ bytes: [UInt8]) {
        self.reserve(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: self.memory[self.byteCount...]).copyBytes(from: bytes)
        self.byteCount += bytes.count
    }

    /// Reads a piece of a segment and puts its header before it.
    func append(_ header: JournalEntryHeader, _ piece: UndurablePieces.Piece) throws(FileSystemError) {
        let headerSize = JournalEntryHeader.byteCount
        let size = Int(JournalEntryHeader.entryByteCount(pieceByteCount: piece.byteCount))
        self.reserve(size)
        let entry = UnsafeMutableRawBufferPointer(rebasing: self.memory[self.byteCount..<(self.byteCount + size)])
        let end = headerSize + Int(piece.byteCount)
        let count = try piece.file.read(
            into: UnsafeMutableRawBufferPointer(rebasing: entry[headerSize..<end]), at: piece.position)
        guard count == Int(piece.byteCount) else {
            throw FileSystemError(
                .read, path: piece.file.path, errorNumber: 5,
                message: "the file ends after \(count) of \(piece.byteCount) bytes at \(piece.position)")
        }
        for index in end..<size { entry[index] = 0 }
        header.write(to: UnsafeMutableRawBufferPointer(rebasing: entry[..<end]))
        self.byteCount += size
    }

    /// Writes what has gathered and returns how many bytes that was.
    func flush(to file: any LogFile, at position: Int64) throws(FileSystemError) -> Int64 {
        guard self.byteCount > 0 else { return 0 }
        try file.write(
            [UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(self.memory)[..<self.byteCount])], at: position)
        defer { self.byteCount = 0 }
        return Int64(self.byteCount)
    }

    private func reserve(_ count: Int) {
        let needed = self.byteCount + count
        guard needed > self.memory.count else { return }
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(needed, self.memory.count * 2), alignment: 4_096)
        larger.copyMemory(
            from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(self.memory)[..<self.byteCount]))
        self.memory.deallocate()
        self.memory = larger
    }
}
