// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@Suite("Appending and reading")
struct AppendReadTests {
    let directory = TemporaryDirectory()

    @Test("appended batches get consecutive offsets and are read back byte for byte")
    func appendRead() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        let results = log.append(
            [batch("a", "b", "c"), batch("d"), batch("e", "f")], leaderEpoch: 7, now: testNow
        ).map { try? $0.get() }
        #expect(results.map { $0?.baseOffset } == [0, 3, 4])
        #expect(results.map { $0?.lastOffset } == [2, 3, 5])
        #expect(results.allSatisfy { $0?.logAppendTime == -1 && $0?.isDuplicate == false })
        #expect(log.endOffset == 6)
        #expect(try log.values == ["a", "b", "c", "d", "e", "f"])
        let batches = try log.batches(from: 0)
        #expect(batches.map(\.header.partitionLeaderEpoch) == [7, 7, 7])
        #expect(batches[0].bytes.readableBytes == batch("a", "b", "c").bytes.readableBytes)
    }

    @Test("every codec comes back as it went in", arguments: CompressionCodec.allCases)
    func codecs(codec: CompressionCodec) throws {
        let log = try PartitionLog.openTest(self.directory.path)
        let values = (0..<100).map { "value \($0)" }
        try log.put(makeBatch(BatchShape(values: values, codec: codec)))
        #expect(try log.values == values)
    }

    @Test("a read in the middle of a batch begins with that batch")
    func midBatch() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a", "b", "c"), batch("d", "e"))
        #expect(try log.batches(from: 1).first?.header.baseOffset == 0)
        #expect(try log.batches(from: 4).first?.header.baseOffset == 3)
        #expect(try log.read(from: 4, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: .max).startOffset == 3)
        #expect(try log.records(from: 4).map(\.value) == ["e"])
    }

    @Test("a read at the end is empty, one past it or before the start is out of range")
    func outOfRange() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a", "b"))
        #expect(try log.read(from: 2, maxBytes: 100, atLeastOneBatch: true, upTo: .max).isEmpty)
        for offset in [-1, 3, Int64.max] as [Int64] {
            #expect(
                throws: LogError.offsetOutOfRange(
                    testPartition, requested: offset, logStartOffset: 0, endOffset: 2)
            ) {
                try log.read(from: offset, maxBytes: 100, atLeastOneBatch: true, upTo: .max)
            }
        }
    }

    @Test("no batch at or beyond the limit offset is ever part of a slice")
    func limits() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        for index in 0..<200 { try log.put(batch("a\(index)", "b\(index)")) }
        for limit in [0, 1, 2, 3, 4, 100, 101, 399, 400] as [Int64] {
            let records = try log.records(from: 0, upTo: limit)
            #expect(records.count == Int(limit / 2 * 2), "limit \(limit)")
        }
        // The tail is known in memory, and what lies before only by the index: both have to agree.
        let reopened = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        for limit in stride(from: Int64(0), through: 400, by: 7) {
            #expect(try reopened.records(from: 0, upTo: limit).count == Int(limit / 2 * 2))
        }
    }

    @Test("max bytes cuts behind the last whole batch, but never before the end of the first one")
    func maxBytes() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(largeBatch(1_000), largeBatch(1_000))
        let size = largeBatch(1_000).bytes.readableBytes
        #expect(try log.read(from: 0, maxBytes: size + 10, atLeastOneBatch: false, upTo: .max).byteCount == size)
        #expect(try log.read(from: 0, maxBytes: 10, atLeastOneBatch: true, upTo: .max).byteCount == size)
        #expect(try log.read(from: 0, maxBytes: 10, atLeastOneBatch: false, upTo: .max).isEmpty)
        #expect(try log.read(from: 0, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: .max).byteCount == 2 * size)
    }

    @Test("every offset is found by the index, near the tail and far from it, whatever the sizes of the batches")
    func everyOffset() throws {
        var config = LogConfig()
        config.segmentBytes = 100_000
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<400 { try log.put(largeBatch(index % 7 == 0 ? 5_000 : 60 + index, tag: "\(index)-")) }
        #expect(log.segmentCount > 3)
        for offset in 0..<400 as Range<Int64> {
            let first = try log.batches(from: offset, maxBytes: 1).first
            #expect(first?.header.baseOffset == offset)
        }
        try log.close()
        let reopened = try PartitionLog.openTest(self.directory.path, config: config)
        for offset in (0..<400 as Range<Int64>).reversed() {
            #expect(try reopened.batches(from: offset, maxBytes: 1).first?.header.baseOffset == offset)
        }
    }

    @Test("LogAppendTime batches answer with their time")
    func logAppendTime() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        let result = try log.put(makeBatch(BatchShape(values: ["a"], logAppendTime: 77)))[0]
        #expect(result.logAppendTime == 77)
    }

    @Test("a batch larger than a segment is refused and the others are taken")
    func tooLarge() throws {
        var config = LogConfig()
        config.segmentBytes = 500
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        let results = log.append([batch("a"), largeBatch(600), batch("b")], leaderEpoch: 0, now: testNow)
        guard case .failure(.recordListTooLarge(let message)) = results[1] else {
            Issue.record("it was taken")
            return
        }
        #expect(message.contains("segment.bytes is 500"))
        #expect(try log.values == ["a", "b"])
    }

    @Test("an append under an older leader epoch is fenced off")
    func staleLeader() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a"), epoch: 5)
        guard case .failure(.fencedLeaderEpoch) = log.append([batch("b")], leaderEpoch: 4, now: testNow)[0] else {
            Issue.record("it was taken")
            return
        }
        #expect(log.endOffset == 1)
    }

    @Test("the high watermark moves forward only, and never past the end")
    func highWatermark() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a", "b", "c"))
        log.advanceHighWatermark(to: 2)
        log.advanceHighWatermark(to: 1)
        #expect(log.highWatermark == 2)
        log.advanceHighWatermark(to: 100)
        #expect(log.highWatermark == 3)
        #expect(log.lastStableOffset == 3)
    }

    @Test("flush makes durable what was appended, and only then does the flushed offset move")
    func flush() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a"))
        #expect(log.flushedOffset == 0)
        try log.flush()
        #expect(log.flushedOffset == 1)
    }

    @Test("readers see whole batches in order while a writer appends, rolls and deletes")
    func concurrentReaders() async throws {
        var config = LogConfig()
        config.segmentBytes = 50_000
        config.indexIntervalBytes = 512
        config.retentionBytes = 200_000
        config.fileDeleteDelayMs = 0
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        let total: Int64 = 6_000
        try await withThrowingTaskGroup(of: Int64.self) { group in
            for reader in 0..<3 {
                group.addTask {
                    var next: Int64 = 0
                    var seen: Int64 = 0
                    while next < total {
                        do {
                            for record in try log.records(from: next, maxBytes: 3_000 + reader * 10_000) {
                                guard record.offset >= next, record.value.hasPrefix("\(record.offset)-") else {
                                    throw TestFailure("\(record) came for \(next)")
                                }
                                next = record.offset + 1
                                seen += 1
                            }
                        } catch LogError.offsetOutOfRange(_, _, let start, _) {
                            next = max(next, start)
                        }
                        await Task.yield()
                    }
                    return seen
                }
            }
            group.addTask {
                for offset in 0..<total {
                    try log.put(largeBatch(150, tag: "\(offset)-"))
                    if offset % 50 == 0 {
                        log.advanceHighWatermark(to: log.endOffset)
                        try log.applyRetention(now: testNow)
                        await Task.yield()
                    }
                }
                return total
            }
            for try await seen in group { #expect(seen > 0) }
        }
        #expect(log.logStartOffset > 0)
    }
}
