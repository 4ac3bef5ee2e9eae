// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@testable import CommitLog

@Suite("Rolling, time and retention")
struct SegmentTests {
    let directory = TemporaryDirectory()

    private func files(_ kind: String) throws -> [String] {
        try POSIXFileSystem().list(self.directory.path).filter { $0.hasSuffix("." + kind) }.sorted()
    }

    @Test("a segment rolls before it grows past segment.bytes, in the middle of a call, too")
    func rollBySize() throws {
        var config = LogConfig()
        config.segmentBytes = 1_000
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        let results = log.append((0..<10).map { largeBatch(300, tag: "\($0)") }, leaderEpoch: 0, now: testNow)
        #expect(results.compactMap { try? $0.get().baseOffset } == Array(0..<10))
        #expect(try self.files("log") == [0, 2, 4, 6, 8].map { segmentFile($0, "log") })
        #expect(try log.values.count == 10)
        try log.flush()
        #expect(log.flushedOffset == 10)
    }

    @Test("a segment rolls when its records span more than segment.ms")
    func rollByTime() throws {
        var config = LogConfig()
        config.segmentMs = 1_000
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        try log.put(batch("a", timestamp: 5_000), batch("b", timestamp: 6_000), batch("c", timestamp: 6_001))
        #expect(try self.files("log") == [0, 2].map { segmentFile($0, "log") })
    }

    @Test("the roll decision follows Kafka's rules")
    func rollPolicy() {
        var config = LogConfig()
        config.segmentBytes = 1_000
        config.segmentMs = 100
        config.segmentIndexBytes = 48
        let segment = RollPolicy.Segment(
            baseOffset: 10, sizeInBytes: 500, firstTimestamp: 1_000, createdMs: 0, offsetIndexCount: 0,
            timeIndexCount: 0)
        func reason(
            _ change: (inout RollPolicy.Segment) -> Void = { _ in }, bytes: Int = 100, last: Int64 = 20,
            timestamp: Int64 = 1_050, now: Int64 = 0
        ) -> RollPolicy.Reason? {
            var changed = segment
            change(&changed)
            return RollPolicy.reason(
                for: changed, byteCount: bytes, lastOffset: last, maxTimestamp: timestamp, now: now, config: config)
        }
        #expect(reason() == nil)
        #expect(reason(bytes: 500) == nil)
        #expect(reason(bytes: 501) == .size)
        #expect(reason(timestamp: 1_101) == .time)
        #expect(reason({ $0.firstTimestamp = -1 }, now: 101) == .time)
        #expect(reason({ $0.offsetIndexCount = 6 }) == .index)
        #expect(reason({ $0.timeIndexCount = 3 }) == .index)
        #expect(reason(last: 10 + Int64(Int32.max)) == nil)
        #expect(reason(last: 11 + Int64(Int32.max)) == .relativeOffset)
        #expect(reason({ $0.sizeInBytes = 0 }, bytes: 5_000, timestamp: 9_999) == nil)
        config.segmentJitterMs = 50
        #expect((0..<100).allSatisfy { (0..<50).contains(RollPolicy.jitterMs(of: $0, config: config)) })
    }

    @Test("an index full at segment.index.bytes rolls the segment")
    func rollByIndex() throws {
        var config = LogConfig()
        config.indexIntervalBytes = 10
        config.segmentIndexBytes = 40
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<20 { try log.put(batch("v\(index)", timestamp: Int64(index))) }
        #expect(log.segmentCount > 3)
        #expect(try log.values.count == 20)
    }

    @Test("a record is found by its timestamp, across segments and inside a batch")
    func timestamps() throws {
        var config = LogConfig()
        config.segmentBytes = 2_000
        config.indexIntervalBytes = 200
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<50 as Range<Int64> {
            try log.put(
                makeBatch(
                    BatchShape(
                        values: ["a\(index)", "b\(index)"], timestamps: [index * 10, index * 10 + 5],
                        codec: index % 2 == 0 ? .none : .zstd)))
        }
        func check(_ log: PartitionLog) throws {
            for timestamp in 0...495 as ClosedRange<Int64> {
                let found = try log.offsetForTimestamp(timestamp)
                let expected = (timestamp + 4) / 5
                #expect(found?.offset == expected && found?.timestamp == expected * 5, "timestamp \(timestamp)")
            }
            #expect(try log.offsetForTimestamp(496) == nil)
            #expect(try log.maxTimestampOffset() == TimestampedOffset(offset: 99, timestamp: 495, leaderEpoch: 0))
        }
        try check(log)
        try log.close()
        try check(try PartitionLog.openTest(self.directory.path, config: config))
        try check(
            try PartitionLog.openTest(
                self.directory.path, config: config, recovery: .unclean(recoveryPoint: 0)))
    }

    @Test("the largest timestamp may lie anywhere in the log")
    func unorderedTimestamps() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a", timestamp: 10), batch("b", "c", timestamp: 99), batch("d", timestamp: 20))
        #expect(try log.maxTimestampOffset()?.offset == 1)
        #expect(try log.offsetForTimestamp(11)?.offset == 1)
        #expect(try log.offsetForTimestamp(100) == nil)
        let empty = TemporaryDirectory()
        #expect(try PartitionLog.openTest(empty.path).maxTimestampOffset() == nil)
    }

    @Test("the retention decision takes the oldest segments first and stops at the high watermark")
    func retentionPolicy() {
        var config = LogConfig()
        config.retentionMs = 100
        func segment(_ base: Int64, _ end: Int64, time: Int64, append: Int64) -> RetentionPolicy.Segment {
            RetentionPolicy.Segment(
                baseOffset: base, endOffset: end, sizeInBytes: 10, maxTimestamp: time, lastAppendMs: append)
        }
        let segments = [
            segment(0, 5, time: 50, append: 10), segment(5, 9, time: 1, append: 60),
            segment(9, 12, time: 500, append: 60),
        ]
        func reasons(now: Int64, highWatermark: Int64 = 12, logStart: Int64 = 0) -> [DeletedSegment.Reason] {
            RetentionPolicy.deletable(
                segments, logStartOffset: logStart, highWatermark: highWatermark, now: now, config: config)
        }
        #expect(reasons(now: 150) == [])
        #expect(reasons(now: 151) == [.retentionMs(countedFrom: 50, basis: .recordTime)])
        #expect(reasons(now: 161).last == .retentionMs(countedFrom: 60, basis: .appendTime))
        #expect(reasons(now: 161, highWatermark: 8).count == 1)
        // A timestamp from the future keeps its segment.
        #expect(reasons(now: 599).count == 2)
        #expect(reasons(now: 601).count == 3)
        #expect(reasons(now: 0, logStart: 9) == [.logStartOffset, .logStartOffset])
        config.retentionMs = -1
        #expect(reasons(now: .max) == [])
        config.retentionBytes = 15
        #expect(reasons(now: 0) == [.retentionBytes(logSize: 30)])
        config.isDeleted = false
        #expect(reasons(now: 0) == [])
        #expect(reasons(now: .min, logStart: 5) == [.logStartOffset])
    }

    @Test("retention by time counts from the append when the records are older, after a restart, too")
    func retentionOfOldRecords() throws {
        var config = LogConfig()
        config.retentionMs = 1_000_000
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        let status = try #require(try POSIXFileSystem().status(self.directory.path))
        let now = status.modificationTimeMs
        try log.put(batch("old", timestamp: 1_000), now: now)
        log.advanceHighWatermark(to: 1)
        #expect(try log.applyRetention(now: now + 10).isEmpty)
        try log.close()
        let reopened = try PartitionLog.openTest(self.directory.path, config: config, now: now)
        reopened.advanceHighWatermark(to: 1)
        #expect(try reopened.applyRetention(now: now + 900_000).isEmpty)
        let deleted = try reopened.applyRetention(now: now + 1_100_000)
        guard case .retentionMs(_, .appendTime) = deleted.first?.reason else {
            Issue.record("\(deleted)")
            return
        }
        #expect(deleted[0].reason.description.contains("the later of record timestamp and append time"))
        #expect(reopened.logStartOffset == 1 && reopened.endOffset == 1)
        try reopened.put(batch("new"))
        #expect(try reopened.values == ["new"])
    }

    @Test("deleted segments are renamed first and removed after file.delete.delay.ms; open slices read on")
    func retentionFiles() throws {
        var config = LogConfig()
        config.segmentBytes = 1_000
        config.retentionBytes = 1_200
        config.fileDeleteDelayMs = 500
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<8 { try log.put(largeBatch(300, tag: "\(index)")) }
        let slice = try log.read(from: 0, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: .max)
        #expect(try log.applyRetention(now: testNow).isEmpty)
        log.advanceHighWatermark(to: 8)
        let deleted = try log.applyRetention(now: testNow)
        #expect(deleted.map(\.baseOffset) == [0, 2])
        #expect(log.logStartOffset == 4)
        #expect(try self.files("log") == [4, 6].map { segmentFile($0, "log") })
        #expect(try self.files("deleted").contains(segmentFile(0, "log") + ".deleted"))
        #expect(try slice.bytes().readableBytes == slice.byteCount)
        try log.applyRetention(now: testNow + 500)
        #expect(try self.files("deleted").isEmpty)
        #expect(throws: LogError.self) { try log.records(from: 3) }
        #expect(try log.records(from: 4).map(\.offset) == [4, 5, 6, 7])
        let reopened = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(reopened.logStartOffset == 4 && reopened.endOffset == 8)
    }

    @Test("DeleteRecords moves the log start inside a segment, and whole segments go with the next retention")
    func deleteRecords() throws {
        var config = LogConfig()
        config.segmentBytes = 1_000
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<8 { try log.put(largeBatch(300, tag: "\(index)"), epoch: Int32(index / 2)) }
        #expect(throws: LogError.self) { try log.deleteRecords(before: 5) }
        log.advanceHighWatermark(to: 8)
        #expect(try log.deleteRecords(before: 5) == 5)
        #expect(try log.deleteRecords(before: 3) == 5)
        #expect(throws: LogError.self) { try log.records(from: 4) }
        #expect(try log.records(from: 5).map(\.offset) == [5, 6, 7])
        #expect(try log.applyRetention(now: testNow).map(\.reason) == [.logStartOffset, .logStartOffset])
        #expect(log.leaderEpochCache.entries.first == LeaderEpochCache.Entry(epoch: 2, startOffset: 5))
        try log.close()
        let reopened = try PartitionLog.openTest(self.directory.path, config: config, logStartOffset: 5)
        #expect(reopened.logStartOffset == 5)
        #expect(try reopened.records(from: 5).map(\.offset) == [5, 6, 7])
    }

    @Test("a log start past the end begins the log anew there")
    func logStartPastEnd() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a"), batch("b"))
        try log.close()
        let reopened = try PartitionLog.openTest(
            self.directory.path, recovery: .unclean(recoveryPoint: 0), logStartOffset: 50)
        #expect(reopened.logStartOffset == 50 && reopened.endOffset == 50)
        #expect(try reopened.put(batch("c"))[0].baseOffset == 50)
        #expect(try reopened.values == ["c"])
    }

    @Test("the indexes on disk are Kafka's: last offset of the batch and its position, big-endian")
    func indexBytes() throws {
        var config = LogConfig()
        config.indexIntervalBytes = 100
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        let first = largeBatch(200, timestamp: 500)
        try log.put(first, batch("a", "b", timestamp: 400))
        try log.close()
        let size = UInt32(first.bytes.readableBytes)
        let position = [UInt8(size >> 24), UInt8(size >> 16 & 0xff), UInt8(size >> 8 & 0xff), UInt8(size & 0xff)]
        #expect(try RawFile.read(self.directory.path + "/" + segmentFile(0, "index")) == [0, 0, 0, 2] + position)
        #expect(
            try RawFile.read(self.directory.path + "/" + segmentFile(0, "timeindex"))
                == [0, 0, 0, 0, 0, 0, 1, 0xf4, 0, 0, 0, 0])
        #expect(
            try String(
                decoding: RawFile.read(self.directory.path + "/leader-epoch-checkpoint"), as: UTF8.self)
                == "0\n1\n0 0\n")
    }
}
