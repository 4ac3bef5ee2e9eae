// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import SimulatedIO
import Testing

@testable import CommitLog

@Suite("The journal")
struct JournalTests {
    private static func disk() -> SimulatedFileSystem { SimulatedFileSystem(directories: ["/data"]) }

    /// A directory whose journal has a file ready.
    private static func ready(
        _ disk: SimulatedFileSystem, partitions: Int, config: LogConfig = LogConfig()
    ) throws -> (JournaledDirectory, [PartitionLog]) {
        let directory = try JournaledDirectory(disk, config: config)
        let logs = try directory.create(partitions, config: config)
        directory.maintain()
        return (directory, logs)
    }

    @Test("a commit of many partitions is one write and one sync, and survives the loss of all that was not synced")
    func oneSync() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 20)
        for (index, log) in logs.enumerated() { try log.put(batch("a\(index)"), batch("b\(index)")) }
        disk.clearTrace()
        try directory.commit(logs)
        #expect(disk.trace.filter { $0.kind == .syncData }.map(\.path) == ["/data/martlet-journal.0"])
        #expect(disk.trace.filter { $0.kind == .write }.count == 1)
        for log in logs {
            #expect(log.flushedOffset == 2)
            #expect(log.syncedOffset == 0)
        }
        var generator = SeededGenerator(seed: 1)
        disk.crash(.everything, using: &generator)
        let reopened = try JournaledDirectory(disk)
        for index in logs.indices {
            let log = try #require(reopened.directory.log(JournaledDirectory.partition(index)))
            #expect(try log.values == ["a\(index)", "b\(index)"])
            #expect(log.syncedOffset == 2)
        }
    }

    @Test("large appends are synced in their segments, small ones beside them go to the journal")
    func mixed() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 2)
        try logs[0].put(batch("small"))
        try logs[1].put(largeBatch(600_000))
        try directory.commit(logs)
        #expect(logs.map(\.flushedOffset) == [1, 1])
        #expect(logs.map(\.syncedOffset) == [0, 1])
    }

    @Test("without a free file commits sync the segments, and ask for one")
    func noFile() throws {
        let disk = Self.disk()
        let asked = Counter()
        let directory = try JournaledDirectory(disk)
        directory.directory.journal.onWork { asked.add() }
        let logs = try directory.create(2)
        for log in logs { try log.put(batch("a")) }
        try directory.commit(logs)
        #expect(logs.map(\.syncedOffset) == [1, 1])
        #expect(asked.value == 1)
    }

    @Test("a file is used again only after the segments behind it are synced, and its old entries do not count")
    func reuse() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 3)
        for round in 0..<40 {
            for log in logs { try log.put(largeBatch(900, tag: "\(round)-")) }
            try directory.commit(logs)
            directory.maintain()
        }
        #expect(try disk.list("/data").filter { $0.hasPrefix(JournalFormat.filePrefix) }.count == 2)
        #expect(logs.allSatisfy { $0.syncedOffset > 20 && $0.flushedOffset == 40 })
        var generator = SeededGenerator(seed: 2)
        disk.crash(.everything, using: &generator)
        let reopened = try JournaledDirectory(disk)
        for index in logs.indices {
            let log = try #require(reopened.directory.log(JournaledDirectory.partition(index)))
            #expect(log.endOffset == 40)
            #expect(try log.values.map { $0.prefix(while: { $0 != "-" }) } == (0..<40).map { "\($0)" })
        }
    }

    @Test("a journal that fails acknowledges nothing, and is not used again: the segments are synced")
    func failedJournal() throws {
        for fault in [DiskFault.inputOutputError, .noSpace] {
            for kind in [FileSystemError.Operation.write, .syncData] {
                let disk = Self.disk()
                let (directory, logs) = try Self.ready(disk, partitions: 4)
                for log in logs { try log.put(batch("a")) }
                try directory.commit(logs)
                disk.inject(fault) { $0.kind == kind && $0.path.contains(JournalFormat.filePrefix) }
                for log in logs { try log.put(batch("b")) }
                try directory.commit(logs)
                #expect(logs.allSatisfy { $0.syncedOffset == 2 })
                for log in logs { try log.put(batch("c")) }
                disk.clearTrace()
                try directory.commit(logs)
                #expect(!disk.trace.contains { $0.path.contains(JournalFormat.filePrefix) })
                #expect(logs.allSatisfy { $0.syncedOffset == 3 })
            }
        }
    }

    @Test("a log that was fenced keeps its place in the journal")
    func fencedLog() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 2)
        for log in logs { try log.put(batch("a")) }
        try directory.commit(logs)
        disk.inject(.inputOutputError) { $0.kind == .syncData && $0.path.hasPrefix("/data/orders-0/") }
        #expect(throws: LogError.self) { try logs[0].flush() }
        // Fill the file with the other log, and have it freed: it must not be.
        for _ in 0..<80 {
            try logs[1].put(largeBatch(900))
            try directory.commit([logs[1]])
            directory.maintain()
        }
        var generator = SeededGenerator(seed: 3)
        disk.crash(.everything, using: &generator)
        let reopened = try JournaledDirectory(disk)
        #expect(try reopened.directory.log(JournaledDirectory.partition(0))?.values == ["a"])
        #expect(reopened.directory.log(JournaledDirectory.partition(1))?.endOffset == 81)
    }

    @Test("what the journal holds of a deleted topic does not come back in a new one of that name")
    func deletedTopic() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 1)
        try logs[0].put(batch("old"))
        try directory.commit(logs)
        try directory.directory.deleteLogs([JournaledDirectory.partition(0)], deletionID: UUID128(high: 9, low: 9))
        try directory.create(1, topicID: TopicID(high: 3, low: 4))
        var generator = SeededGenerator(seed: 4)
        disk.crash(.everything, using: &generator)
        let reopened = try JournaledDirectory(disk)
        #expect(try reopened.directory.log(JournaledDirectory.partition(0))?.values == [])
    }

    @Test(
        "a header that claims a longer piece than is ever written, or none, is no entry",
        arguments: [0, -1, 1 << 20, (1 << 20) + 1, .max] as [Int32])
    func claimedLength(byteCount: Int32) throws {
        let piece = UndurablePieces.Piece(
            file: try Self.disk().open("/data/a", .create), position: 0, byteCount: Int64(byteCount), baseOffset: 3,
            endOffset: 5)
        let header = JournalEntryHeader(topicID: JournaledDirectory.topicID, nonce: 9, partition: 0, piece: piece)
        var bytes = [UInt8](repeating: 0, count: JournalEntryHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.write(to: $0) }
        let parsed = bytes.withUnsafeBytes { JournalEntryHeader(parsing: $0, nonce: 9) }
        #expect(parsed == (byteCount == 1 << 20 ? header : nil))
    }

    @Test("a deleted log is let go of at once, so that its room on the disk is free")
    func deletedLogIsFreed() throws {
        let disk = Self.disk()
        let directory = try JournaledDirectory(disk)
        weak var deleted: PartitionLog?
        do {
            let log = try directory.create(1)[0]
            directory.maintain()
            try log.put(batch("a"))
            try directory.commit([log])
            #expect(log.syncedOffset == 0)
            deleted = log
        }
        #expect(deleted != nil)
        try directory.directory.deleteLogs([JournaledDirectory.partition(0)], deletionID: UUID128(high: 9, low: 9))
        #expect(deleted == nil)
        directory.maintain()
    }

    @Test("commits that go to the segments take no journal file")
    func noFileTaken() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 1)
        try logs[0].put(largeBatch(600_000))
        disk.clearTrace()
        try directory.commit(logs)
        #expect(!disk.trace.contains { $0.path.contains(JournalFormat.filePrefix) })
        try logs[0].put(batch("small"))
        try directory.commit(logs)
        #expect(disk.trace.last?.path == "/data/martlet-journal.0")
    }

    @Test("records deleted while they are only in the journal stay deleted, and what follows them survives")
    func deletedRecords() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 1)
        try logs[0].put(makeBatch(BatchShape(values: ["a", "b", "c"])), batch("d"))
        try directory.commit(logs)
        logs[0].advanceHighWatermark(to: 4)
        // In the middle of a batch.
        try logs[0].deleteRecords(before: 1)
        try directory.directory.checkpointLogStartOffsets()
        var generator = SeededGenerator(seed: 5)
        disk.crash(.everything, using: &generator)
        let log = try #require(try JournaledDirectory(disk).directory.log(JournaledDirectory.partition(0)))
        #expect(try log.values == ["b", "c", "d"])
    }

    @Test("an idempotent producer's sequence is known again after its batches came back from the journal")
    func producers() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 1)
        try logs[0].put(sequenced(2, producer: 5, from: 0), sequenced(3, producer: 5, from: 2), epoch: 3)
        try directory.commit(logs)
        var generator = SeededGenerator(seed: 6)
        disk.crash(.everything, using: &generator)
        let log = try #require(try JournaledDirectory(disk).directory.log(JournaledDirectory.partition(0)))
        #expect(log.endOffset == 5)
        #expect(log.leaderEpochCache.latestEpoch == 3)
        #expect(try log.put(sequenced(3, producer: 5, from: 2), epoch: 3)[0].isDuplicate)
        #expect(try log.put(sequenced(1, producer: 5, from: 5), epoch: 3)[0].baseOffset == 5)
    }

    @Test("bytes of the journal that rot are found out: nothing wrong comes back")
    func rot() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 2)
        for round in 0..<3 {
            for log in logs { try log.put(batch("\(round)")) }
            try directory.commit(logs)
        }
        let size = try #require(disk.durableContents(of: "/data/martlet-journal.0")).count
        for position in stride(from: 0, to: min(size, 20_000), by: 61) {
            let copy = disk.copy()
            var generator = SeededGenerator(seed: UInt64(position))
            copy.crash(.everything, using: &generator)
            copy.damage("/data/martlet-journal.0", at: position)
            let reopened = try JournaledDirectory(copy)
            for index in logs.indices {
                let log = try #require(reopened.directory.log(JournaledDirectory.partition(index)))
                #expect(["0", "1", "2"].starts(with: try log.values), "byte \(position)")
            }
        }
    }

    @Test("journal files of another size, cut off or full of noise do not stop a start")
    func strangeFiles() throws {
        var generator = SeededGenerator(seed: 8)
        for byteCount in [0, 1, 63, 64, 4_096, 5_000, 24 << 10, 40_000] {
            let disk = Self.disk()
            let (directory, logs) = try Self.ready(disk, partitions: 1)
            try logs[0].put(batch("a"))
            try directory.commit(logs)
            try logs[0].flush()
            disk.killProcess()
            let file = try disk.open("/data/martlet-journal.1", .createEmpty)
            var bytes = JournalFileHeader(nonce: 5).block + generator.bytes(count: max(byteCount - 4_096, 0))
            bytes.removeLast(max(bytes.count - byteCount, 0))
            try file.write(bytes, at: 0)
            let reopened = try JournaledDirectory(disk)
            let log = try #require(reopened.directory.log(JournaledDirectory.partition(0)))
            #expect(try log.values == ["a"])
            try log.put(batch("b"))
            try reopened.commit([log])
            #expect(log.flushedOffset == 2)
        }
    }

    @Test("a journal is given up while a log cannot be opened, and keeps what that log may need")
    func unopened() throws {
        let disk = Self.disk()
        let (directory, logs) = try Self.ready(disk, partitions: 2)
        for log in logs { try log.put(batch("a")) }
        try directory.commit(logs)
        var generator = SeededGenerator(seed: 9)
        disk.crash(.everything, using: &generator)
        do {
            let partial = try LogDirectory.open(fileSystem: disk, path: "/data", journal: JournaledDirectory.options)
            let log = try partial.openLog(JournaledDirectory.partition(1), config: LogConfig(), now: testNow)
            try partial.startJournal()
            try log.put(batch("b"))
            partial.journal.makeLane().commit([log]) { _, _ in }
            #expect(log.syncedOffset == 2)
        }
        disk.killProcess()
        let reopened = try JournaledDirectory(disk)
        #expect(try reopened.directory.log(JournaledDirectory.partition(0))?.values == ["a"])
        #expect(try reopened.directory.log(JournaledDirectory.partition(1))?.values == ["a", "b"])
    }
}

@Suite("The cost of a commit")
struct CommitCostTests {
    @Test("one small log, and a thousand, go to the journal; large ones do not")
    func choice() {
        let cost = CommitCost()
        #expect(cost.journaled([200]) == [true])
        #expect(cost.journaled([16 << 10]) == [true])
        #expect(cost.journaled(Array(repeating: 16 << 10, count: 1_000)).allSatisfy { $0 })
        #expect(cost.journaled([1 << 20]) == [false])
        #expect(cost.journaled([1 << 20, 100]) == [false, true])
        #expect(cost.journaled([.max, 100]) == [false, true])
        #expect(cost.journaled([]) == [])
        // Many together are written out at once, so it is sooner that their segments are the cheaper way.
        #expect(cost.journaled([128 << 10]) == [true])
        #expect(cost.journaled(Array(repeating: 128 << 10, count: 100)) == Array(repeating: false, count: 100))
    }

    @Test("the journal is left alone when it saves less than its own sync costs")
    func tooLittle() {
        let cost = CommitCost()
        let barely = (cost.fileSync - cost.journalSync / 2) * 1_024 / cost.journalKiB
        #expect(cost.journaled([barely]) == [false])
        #expect(cost.journaled([barely, barely, barely]) == [true, true, true])
    }
}
