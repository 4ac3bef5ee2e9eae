// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Synchronization
import Testing

@testable import CommitLog

@Suite("Compaction")
struct CompactionTests {
    let directory = TemporaryDirectory()

    private func open(
        _ config: LogConfig = .compacted, recovery: PartitionLog.Recovery = .clean
    ) throws -> PartitionLog {
        try PartitionLog.openTest(self.directory.path, config: config, recovery: recovery)
    }

    @Test("of each key the last record stays, at its offset, and the active segment is left alone")
    func latestStays() throws {
        let log = try self.open()
        try log.put(keyed("a=1", "b=1"), keyed("a=2", "c=1"))
        try log.seal()
        try log.put(keyed("a=3", "b=2"))
        let before = log.endOffset
        let result = try log.clean()
        #expect(shown(try log.keyedRecords()) == ["1 b=1", "2 a=2", "3 c=1", "4 a=3", "5 b=2"])
        #expect(result.cleanedOffset == 4)
        #expect(result.segmentsReplaced == 1)
        #expect(log.endOffset == before)
        try log.seal()
        try log.clean()
        #expect(shown(try log.keyedRecords()) == ["3 c=1", "4 a=3", "5 b=2"])
        #expect(log.logStartOffset == 0)
        try log.close()
        let reopened = try self.open()
        #expect(shown(try reopened.keyedRecords()) == ["3 c=1", "4 a=3", "5 b=2"])
        // How far it is clean survives, too.
        #expect(try reopened.compactionStatus(now: testNow).firstDirtyOffset == 6)
    }

    @Test(
        "a rebuilt batch keeps offsets, times, headers, producer, epoch and codec", arguments: CompressionCodec.allCases
    )
    func rebuiltBatch(codec: CompressionCodec) throws {
        let log = try self.open()
        let values = (0..<20).map { index -> (key: String?, value: String?) in ("k\(index % 15)", "value \(index)") }
        let shape = KeyedShape(records: values, codec: codec, producerID: 77, sequence: 5)
        try log.put(keyedBatch(shape), epoch: 4)
        try log.put(keyed("k7=last"), epoch: 4)
        let original = try log.allBatches()[0].header
        try log.seal()
        try log.clean()
        let batches = try log.allBatches()
        let header = batches[0].header
        #expect(header.baseOffset == 0 && header.lastOffsetDelta == 19 && header.recordCount == 14)
        #expect(header.producerID == 77 && header.producerEpoch == 0 && header.baseSequence == 5)
        #expect(header.partitionLeaderEpoch == 4 && header.codec == codec && header.attributes == original.attributes)
        #expect(header.baseTimestamp == original.baseTimestamp && header.maxTimestamp == testNow + 19)
        let records = try log.keyedRecords()
        #expect(records.map(\.offset) == [5, 6] + Array(8...20))
        #expect(records.map(\.timestamp) == [5, 6].map { testNow + $0 } + (8...19).map { testNow + $0 } + [testNow])
        var iterator = try batches[0].records()
        let first = try #require(try iterator.next())
        #expect(Array(first.headers) == [RecordHeader(name: "n", value: ByteBuffer(string: "5"))])
    }

    @Test("a batch of which everything stays is copied byte by byte, and a segment of them is left alone")
    func untouched() throws {
        let log = try self.open()
        try log.put(keyed("a=1", "b=1", codec: .zstd), keyed("c=1", codec: .lz4))
        let before = try log.allBatches().map(\.bytes)
        try log.seal()
        let result = try log.clean()
        #expect(result.segmentsReplaced == 0 && result.cleanedOffset == 3)
        #expect(try log.allBatches().map(\.bytes) == before)
        try log.put(keyed("b=2"))
        try log.seal()
        // The two segments become one.
        #expect(try log.clean().segmentsReplaced == 2)
        #expect(try log.allBatches()[1].bytes == before[1])
    }

    @Test("a tombstone stays for delete.retention.ms after it was first cleaned, over restarts, and then goes")
    func tombstones() throws {
        var config = LogConfig.compacted
        config.deleteRetentionMs = 1_000
        var log = try self.open(config)
        try log.put(keyed("a=1", "b=1"), keyed("a", "c=1", timestamp: testNow - 50_000_000))
        try log.seal()
        try log.clean(now: testNow)
        #expect(shown(try log.keyedRecords()) == ["1 b=1", "2 a=-", "3 c=1"])
        let header = try #require(try log.allBatches().last).header
        #expect(header.attributes & RecordBatchHeader.Attribute.hasDeleteHorizon != 0)
        #expect(header.baseTimestamp == testNow + 1_000)
        // Times of records are what they were.
        #expect(try log.keyedRecords().map(\.timestamp) == [1, -50_000_000, -49_999_999].map { testNow + $0 })
        try log.close()
        log = try self.open(config)
        func cleanOnceMore(_ key: String, now: Int64) throws {
            try log.put(keyed("\(key)=1"))
            try log.seal()
            try log.clean(now: now)
        }
        try cleanOnceMore("x", now: testNow + 999)
        #expect(try log.keyedRecords().contains { $0.key == "a" })
        try cleanOnceMore("y", now: testNow + 1_000)
        #expect(try log.keyedRecords().map(\.key) == ["b", "c", "x", "y"])
    }

    @Test("records without a key go, and a log from which all went still knows where it ends")
    func everythingGoes() throws {
        var config = LogConfig.compacted
        config.deleteRetentionMs = 0
        let log = try self.open(config)
        try log.put(keyedBatch(KeyedShape(records: [(nil, "x"), (nil, "y")])), keyed("a"))
        try log.seal()
        try log.clean()
        try log.put(keyed("b"))
        try log.seal()
        try log.clean()
        try log.put(keyed("b"))
        try log.seal()
        try log.clean()
        try log.put(keyed("b"))
        try log.seal()
        try log.clean(now: testNow + 1)
        #expect(log.endOffset == 6)
        #expect(try log.read(from: 2, maxBytes: 1_000, atLeastOneBatch: true, upTo: .max).startOffset >= 2)
        try log.close()
        #expect(try self.open(config).endOffset == 6)
    }

    @Test("a read in a gap gives the next batch, and timestamps are looked up as before")
    func gaps() throws {
        var config = LogConfig.compacted
        config.segmentBytes = 400
        let log = try self.open(config)
        for index in 0..<60 { try log.put(keyed("k\(index % 7)=v\(index)", timestamp: testNow + Int64(index))) }
        try log.seal()
        try log.clean()
        let kept = try log.keyedRecords()
        #expect(kept.map(\.offset) == Array(53..<60))
        for offset in Int64(0)..<60 {
            #expect(try log.keyedRecords(from: offset) == kept.filter { $0.offset >= offset }, "from \(offset)")
        }
        #expect(try log.offsetForTimestamp(testNow)?.offset == 53)
        #expect(try log.offsetForTimestamp(testNow + 57)?.offset == 57)
        #expect(try log.maxTimestampOffset()?.offset == 59)
    }

    @Test("only what is below the high watermark, flushed and old enough is cleaned")
    func bounds() throws {
        var config = LogConfig.compacted
        config.minCompactionLagMs = 1_000
        let log = try self.open(config)
        for index in 0..<4 {
            try log.put(keyed("a=\(index)", timestamp: testNow + Int64(index) * 1_000))
            try log.roll(now: testNow)
        }
        #expect(try log.clean(now: testNow + 99_000).cleanedOffset == 0)
        log.advanceHighWatermark(to: 2)
        #expect(try log.clean(now: testNow + 99_000).cleanedOffset == 2)
        log.advanceHighWatermark(to: 4)
        #expect(try log.clean(now: testNow + 3_000).cleanedOffset == 3)
        #expect(try log.clean(now: testNow + 3_999).cleanedOffset == 3)
        #expect(try log.clean(now: testNow + 4_000).cleanedOffset == 4)
        #expect(try log.keyedRecords().map(\.value) == ["3"])
    }

    @Test("max.compaction.lag.ms makes a log due below the dirty ratio, and rolls the active segment")
    func maxLag() throws {
        var config = LogConfig.compacted
        config.minCleanableDirtyRatio = 1
        config.maxCompactionLagMs = 5_000
        let log = try self.open(config)
        try log.put(keyed("a=1"), keyed("a=2"))
        #expect(try !log.compactionStatus(now: testNow + 5_000).needsRoll)
        #expect(try log.compactionStatus(now: testNow + 5_001).needsRoll)
        try log.seal(now: testNow)
        try log.clean(now: testNow)
        try log.put(keyed("a=3"))
        try log.seal(now: testNow)
        let before = try log.compactionStatus(now: testNow + 5_000)
        #expect(!before.isDue && before.dirtyRatio > 0 && before.dirtyRatio < 1)
        #expect(try log.compactionStatus(now: testNow + 5_001).isDue)
    }

    @Test("a full map ends the cleaning early, and the next one goes on")
    func fullMap() throws {
        var config = LogConfig.compacted
        config.segmentBytes = 700
        let log = try self.open(config)
        for index in 0..<100 { try log.put(keyed("k\(index % 50)=v\(index)", "x\(index)=1")) }
        try log.seal()
        var runs = 0
        var cleaned: Int64 = -1
        while try log.compactionStatus(now: testNow).isDue {
            let result = try log.clean(mapByteCount: 16 * OffsetMap.bytesPerKey)
            #expect(result.cleanedOffset > cleaned && result.cleanedOffset <= 200)
            cleaned = result.cleanedOffset
            runs += 1
            // Only neighbours that fit into the map are known to be the same: what is left shrinks run by run.
            #expect(runs < 100)
        }
        #expect(runs > 10 && cleaned == 200)
        let records = try log.keyedRecords()
        #expect(Set(records.compactMap(\.key)).count == 150)
        for index in 50..<100 { #expect(records.contains { $0.key == "k\(index % 50)" && $0.value == "v\(index)" }) }
        // As each key of the second half was in a later run than that of the first, none is there twice.
        #expect(records.count == 150)
    }

    @Test("small segments become one, up to segment.bytes")
    func merging() throws {
        var config = LogConfig.compacted
        config.segmentBytes = 1_000
        let log = try self.open(config)
        for index in 0..<40 { try log.put(keyed("k\(index % 4)=\(String(repeating: "v", count: 80))")) }
        try log.seal()
        let before = log.segmentCount
        var rounds = 0
        while log.segmentCount > 3, rounds < 10 {
            try log.clean()
            try log.put(keyed("k\(rounds)=more"))
            try log.seal()
            rounds += 1
        }
        #expect(before >= 6 && log.segmentCount <= 4, "\(log.segmentCount) segments after \(rounds) rounds")
        #expect(
            try POSIXFileSystem().list(self.directory.path).filter { $0.hasSuffix(".log") }.count == log.segmentCount)
        let left = try POSIXFileSystem().list(self.directory.path)
        #expect(!left.contains { $0.hasSuffix(".swap") || $0.hasSuffix(".cleaned") })
    }

    @Test("the last batch of a producer stays without records, so that its sequence survives the loss of snapshots")
    func producers() throws {
        var log = try self.open()
        try log.put(keyedBatch(KeyedShape(records: [("a", "1"), ("b", "1")], producerID: 5, sequence: 0)))
        try log.put(keyedBatch(KeyedShape(records: [("a", "2")], producerID: 5, sequence: 2)))
        try log.put(keyed("a=3", "b=2"))
        try log.seal()
        try log.clean()
        let headers = try log.allBatches().map(\.header)
        #expect(headers.map(\.recordCount) == [0, 2] && headers[0].producerID == 5 && headers[0].lastSequence == 2)
        #expect(headers[0].baseOffset == 2 && headers[0].codec == CompressionCodec.none)
        try log.close()
        for name in try POSIXFileSystem().list(self.directory.path) where name.hasSuffix(".snapshot") {
            try POSIXFileSystem().removeFile(self.directory.path + "/" + name)
        }
        log = try self.open(recovery: .unclean(recoveryPoint: 0))
        #expect(log.activeProducers(now: testNow).map(\.lastSequence) == [2])
        let again = try log.put(keyedBatch(KeyedShape(records: [("a", "2")], producerID: 5, sequence: 2)))
        #expect(again[0].isDuplicate)
        try log.put(keyedBatch(KeyedShape(records: [("a", "4")], producerID: 5, sequence: 3)))
        // Its next batch takes over.
        try log.seal()
        try log.clean()
        #expect(try log.allBatches().map(\.header.recordCount) == [1, 1])
    }

    @Test("a log whose policy is delete again keeps its gaps and all behind them when it is recovered")
    func policyChange() throws {
        var config = LogConfig.compacted
        config.segmentBytes = 500
        var log = try self.open(config)
        for index in 0..<60 { try log.put(keyed("k\(index % 3)=v\(index)"), keyed("u\(index)=1")) }
        try log.seal()
        try log.clean()
        try log.put(keyed("tail=1"))
        try log.flush()
        let kept = try log.keyedRecords()
        #expect(kept.count == 64)
        config.isCompacted = false
        config.isDeleted = true
        config.retentionMs = -1
        log = try self.open(config, recovery: .unclean(recoveryPoint: 0))
        #expect(log.damagedRanges.isEmpty)
        #expect(try log.keyedRecords() == kept)
        #expect(log.endOffset == 121)
    }

    @Test("a damaged batch stops the cleaning with an error that names it, and nothing is replaced")
    func corruption() throws {
        let log = try self.open()
        try log.put(keyed("a=1"), keyed("a=2"), keyed("b=1"))
        try log.seal()
        let path = self.directory.path + "/" + segmentFile(0, "log")
        let bytes = try RawFile.read(path)
        try RawFile.flip(path, at: bytes.count / 2)
        let damaged = try RawFile.read(path)
        let error = #expect(throws: LogError.self) { try log.clean() }
        #expect("\(error!)".contains("offset 1") && "\(error!)".contains(segmentFile(0, "log")))
        #expect(try RawFile.read(path) == damaged)
        #expect(log.refusal == nil)
    }

    @Test("appends and reads go on while a log is cleaned, and pace can end it")
    func concurrency() throws {
        let log = try self.open()
        for index in 0..<300 { try log.put(keyed("k\(index % 10)=\(String(repeating: "v", count: 5_000))\(index)")) }
        try log.seal()
        // A consumer in the middle of an old segment reads on after the swap.
        let slice = try log.read(from: 3, maxBytes: 20_000, atLeastOneBatch: true, upTo: .max)
        let expected = try slice.bytes()
        var calls = 0
        let options = CompactionOptions(mapByteCount: 1 << 20, now: testNow, seed: testSeed)
        let stopped = try log.compact(options) { _ in
            calls += 1
            return calls < 4
        }
        #expect(stopped.wasStopped && stopped.cleanedOffset == 0)
        let result = try log.compact(options) { bytes in
            #expect(bytes > 0)
            _ = try? log.put(keyed("k0=new"))
            return true
        }
        #expect(result.bytesFreed > 1_000_000)
        #expect(try slice.bytes() == expected)
        #expect(log.endOffset > 300)
        #expect(try log.keyedRecords().map(\.offset) == Array(290..<log.endOffset))
    }

    @Test("a writer, a reader, the recovery point and a cleaner on threads of their own do not disturb one another")
    func threads() async throws {
        var config = LogConfig.compacted
        config.segmentBytes = 8_000
        let log = try self.open(config)
        let isDone = Flag()
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                defer { isDone.raise() }
                for offset in 0..<1_500 {
                    try log.put(keyed("k\(offset % 40)=v\(offset)"))
                    if offset % 20 == 19 {
                        try log.flush()
                        log.advanceHighWatermark(to: log.flushedOffset)
                    }
                    if offset % 300 == 299 { _ = try log.advanceRecoveryPoint(force: true) }
                    // The threads that tasks run on may be fewer than the tasks.
                    await Task.yield()
                }
                return 1
            }
            group.addTask {
                while !isDone.isRaised {
                    for record in try log.keyedRecords(from: 0, maxBytes: 3_000)
                    where record.value != "v\(record.offset)" || record.key != "k\(record.offset % 40)" {
                        throw TestFailure("read \(record)")
                    }
                    _ = try log.offsetForTimestamp(testNow)
                    await Task.yield()
                }
                return 1
            }
            group.addTask {
                var replaced = 0
                while !isDone.isRaised {
                    replaced += try log.clean().segmentsReplaced
                    await Task.yield()
                }
                return replaced
            }
            var replaced = 0
            for try await count in group { replaced += count }
            #expect(replaced > 2)
        }
        try log.seal()
        try log.clean()
        #expect(try log.keyedRecords().map(\.offset) == Array(1_460..<1_500))
        try log.close()
        #expect(try self.open(config).keyedRecords().count == 40)
    }

    @Test("segments that are deleted while they are cleaned stay deleted", arguments: 1...8)
    func conflicts(call: Int) throws {
        var config = LogConfig.compacted
        config.segmentBytes = 100_000
        let log = try self.open(config)
        for index in 0..<100 { try log.put(keyed("k\(index % 30)=\(String(repeating: "v", count: 9_000))\(index)")) }
        try log.seal()
        let options = CompactionOptions(mapByteCount: 1 << 20, now: testNow, seed: testSeed)
        var calls = 0
        let result = try log.compact(options) { _ in
            calls += 1
            if calls == call {
                #expect((try? log.compact(options) { _ in true }) == CompactionResult())
                _ = try? log.deleteRecords(before: 85)
                _ = try? log.applyRetention(now: testNow)
            }
            return true
        }
        #expect(result.wasStopped == (calls >= call), "\(calls) calls")
        #expect(log.refusal == nil)
        if !result.wasStopped {
            try log.deleteRecords(before: 85)
            try log.applyRetention(now: testNow)
        }
        #expect(log.logStartOffset == 85)
        try log.clean()
        #expect(try log.keyedRecords().map(\.offset) == Array(85..<100))
        try log.close()
        #expect(try self.open(config).keyedRecords().map(\.offset).last == 99)
        let left = try POSIXFileSystem().list(self.directory.path)
        #expect(!left.contains { $0.hasSuffix(".swap") || $0.hasSuffix(".cleaned") })
    }

    @Test("a log that is abandoned while it is cleaned keeps its files, and the cleaning ends")
    func abandoned() throws {
        let log = try self.open()
        for index in 0..<100 { try log.put(keyed("k\(index % 3)=\(String(repeating: "v", count: 9_000))")) }
        try log.seal()
        let path = self.directory.path + "/" + segmentFile(0, "log")
        let before = try RawFile.read(path)
        let options = CompactionOptions(mapByteCount: 1 << 20, now: testNow, seed: testSeed)
        #expect(throws: LogError.self) {
            try log.compact(options) { _ in
                log.abandon()
                return true
            }
        }
        #expect(try RawFile.read(path) == before)
    }

    @Test("a cleaned segment is as old as what it was made from, over restarts, too")
    func age() throws {
        let clock = VirtualClock(wallMs: testNow)
        let disk = SimulatedFileSystem(directories: ["/data"], clock: clock)
        var config = LogConfig.compacted
        config.isDeleted = true
        config.retentionMs = 10_000
        var log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        try log.put(keyed("a=1"), keyed("a=2"))
        try log.seal()
        try log.put(keyed("b=1", timestamp: testNow + 9_000), now: testNow + 9_000)
        clock.advance(by: .seconds(9))
        try log.clean(now: clock.wallMs)
        #expect(log.segmentCount == 2)
        try log.close()
        log = try PartitionLog.openTest("/data", fileSystem: disk, config: config, now: clock.wallMs)
        log.advanceHighWatermark(to: log.endOffset)
        #expect(try log.applyRetention(now: testNow + 10_000).isEmpty)
        #expect(try log.applyRetention(now: testNow + 10_001).map(\.baseOffset) == [0])
        #expect(try log.keyedRecords().map(\.key) == ["b"])
    }

    @Test("the compaction file is read as it was written, and anything else is refused")
    func noteOnDisk() throws {
        var file = CompactionFile(cleanedOffset: 7, gapsBefore: 9, appended: [0: 5, 8: 6])
        #expect(try CompactionFile.parse(file.text, path: "x") == file)
        file.installs = [SegmentFileName(3, .log)]
        file.removals = [SegmentFileName(5, .txnindex)]
        #expect(try CompactionFile.parse(file.text, path: "x") == file)
        for line in [
            "cleaned", "cleaned -1", "gaps x", "install ../../etc", "remove", "appended 1", "other 1", "cleaned 1 2",
        ] {
            #expect(throws: LogError.self, "\(line)") { try CompactionFile.parse("0\n1\n\(line)\n", path: "x") }
        }
    }
}

/// Set by one thread, seen by others.
private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isRaised: Bool { self.value.load(ordering: .acquiring) }

    func raise() { self.value.store(true, ordering: .releasing) }
}
