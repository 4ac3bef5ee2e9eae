// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import NIOCore
import Testing

@Suite("Batches that rotted on disk are never served")
struct BitRotReadTests {
    let directory: TemporaryDirectory

    init() { self.directory = TemporaryDirectory() }

    private init(in directory: TemporaryDirectory) { self.directory = directory }

    private func path(_ base: Int64, _ kind: String = "log") -> String {
        self.directory.path + "/" + segmentFile(base, kind)
    }

    /// Ten records to a segment, a batch each, all batches of the same size.
    private func makeLog(_ count: Int = 30, recordBytes: Int = 400) throws -> PartitionLog {
        let log = try PartitionLog.openTest(self.directory.path, config: Self.config)
        for number in 0..<count {
            if number > 0, number % 10 == 0 { try log.roll(now: testNow) }
            try log.put(
                largeBatch(recordBytes, tag: "\(100 + number)-", timestamp: testNow + Int64(number)))
        }
        try log.flush()
        log.advanceHighWatermark(to: log.endOffset)
        return log
    }

    private static var config: LogConfig {
        var config = LogConfig()
        config.indexIntervalBytes = 1_000
        config.retentionMs = -1
        return config
    }

    private func batchSize(_ base: Int64 = 0) throws -> Int { try RawFile.read(self.path(base)).count / 10 }

    /// Changes a byte in place, as the files are open.
    private func flip(_ path: String, at position: Int, xor mask: UInt8 = 0x40) throws {
        let file = try POSIXFileSystem().open(path, .readWrite)
        var byte: [UInt8] = [0]
        _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: Int64(position)) }
        byte[0] ^= mask
        try byte.withUnsafeBytes { try file.write([$0], at: Int64(position)) }
    }

    private func expectDamage(_ log: PartitionLog, at offset: Int64, sourceLocation: SourceLocation = #_sourceLocation)
    {
        #expect(sourceLocation: sourceLocation) {
            try log.batches(from: offset)
        } throws: { error in
            guard case .corrupt(_, let range) = error as? LogError else { return false }
            return range.startOffset == offset && range.endOffset == offset + 1
        }
    }

    /// Reads everything as a consumer that seeks behind damage.
    private func survivors(_ log: PartitionLog) throws -> [Int64] {
        var offsets: [Int64] = []
        var next = log.logStartOffset
        while next < log.endOffset {
            do {
                let batches = try log.batches(from: next, maxBytes: 3_000)
                guard let last = batches.last else { break }
                for batch in batches {
                    #expect(batch.verifyChecksum())
                    offsets.append(batch.header.baseOffset)
                }
                next = last.header.nextOffset
            } catch LogError.corrupt(_, let range) {
                next = range.endOffset
            }
        }
        return offsets
    }

    @Test("a flipped byte anywhere in a batch of a sealed segment is found by the read", arguments: [false, true])
    func sealedSegment(isReopened: Bool) throws {
        for position in [3, 7, 9, 11, 16, 18, 22, 25, 30, 60, 61, 100, 300] {
            let directory = TemporaryDirectory()
            let tests = BitRotReadTests(in: directory)
            var log = try tests.makeLog()
            if isReopened {
                try log.close()
                log = try PartitionLog.openTest(directory.path, config: Self.config)
                log.advanceHighWatermark(to: log.endOffset)
            }
            try tests.flip(tests.path(10), at: try tests.batchSize(10) * 4 + position)
            // What is before it is served, up to it.
            let before = try log.batches(from: 10)
            #expect(before.map(\.header.baseOffset) == [10, 11, 12, 13], "byte \(position)")
            #expect(try tests.survivors(log) == (0..<30).filter { $0 != 14 }, "byte \(position)")
            tests.expectDamage(log, at: 14)
            #expect(log.damagedRanges.count == 1)
            // It is known after a restart.
            try log.close()
            let again = try PartitionLog.openTest(directory.path, config: Self.config)
            #expect(again.damagedRanges == log.damagedRanges)
            tests.expectDamage(again, at: 14)
        }
    }

    @Test("a wrong offset that only the batch after it disproves is found", arguments: [14, 17] as [Int64])
    func offsetInsideOfTheSegment(offset: Int64) throws {
        let log = try self.makeLog()
        // The checksum does not cover it: 14 becomes 15, 17 becomes 19.
        let position = try self.batchSize(10) * Int(offset - 10) + 7
        try self.flip(self.path(10), at: position, xor: offset == 14 ? 1 : 2)
        self.expectDamage(log, at: offset)
        #expect(try self.survivors(log) == (0..<30).filter { $0 != offset })
        #expect(try log.records(from: offset + 1, upTo: 20).first?.value.hasPrefix("\(101 + offset)-") == true)
    }

    @Test("damage in the active segment is noted, and appends go on behind it")
    func activeSegment() throws {
        let log = try self.makeLog(25)
        let size = try RawFile.read(self.path(20)).count / 5
        try self.flip(self.path(20), at: size * 2 + 100)
        try self.flip(self.path(20), at: size * 4 + 100)
        #expect(try self.survivors(log) == (0..<25).filter { $0 != 22 && $0 != 24 })
        #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[22, 23], [24, 25]])
        try log.put(batch("after"))
        try log.flush()
        #expect(try log.batches(from: 25).map(\.header.baseOffset) == [25])
        for recovery in [PartitionLog.Recovery.clean, .unclean(recoveryPoint: 0), .unclean(recoveryPoint: 25)] {
            if recovery == .clean { try log.close() }
            let again = try PartitionLog.openTest(self.directory.path, config: Self.config, recovery: recovery)
            #expect(again.endOffset == 26)
            #expect(again.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[22, 23], [24, 25]])
            #expect(try self.survivors(again) == (0..<26).filter { $0 != 22 && $0 != 24 })
        }
    }

    @Test("an event loop leaves damage to others, and serves what is good")
    func cached() throws {
        let log = try self.makeLog(25)
        let size = try RawFile.read(self.path(20)).count / 5
        try self.flip(self.path(20), at: size * 3 + 70)
        let good = try log.readCached(from: 20, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: .max)
        #expect(good?.byteCount == size * 3)
        #expect(try log.readCached(from: 23, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: .max) == nil)
        #expect(log.damagedRanges.isEmpty)
        self.expectDamage(log, at: 23)
        #expect(throws: LogError.corrupt(testPartition, log.damagedRanges[0])) {
            try log.readCached(from: 23, maxBytes: 1 << 20, atLeastOneBatch: true, upTo: .max)
        }
    }

    @Test("a last batch that does not fit is left out, and a copy holds the checked bytes")
    func cutOffAndCopy() throws {
        let log = try self.makeLog(10)
        let size = try self.batchSize()
        let found = try log.find(from: 2, maxBytes: size * 3 - 1, atLeastOneBatch: true, upTo: .max)
        #expect(found.byteCount == size * 3 - 1)
        let slice = try log.check(found, copyMax: size * 3)
        #expect(slice.byteCount == size * 2)
        let raw = Array(try RawFile.read(self.path(0))[(size * 2)..<(size * 4)])
        #expect(slice.copy.map { Array($0.readableBytesView) } == raw)
        #expect(try log.check(found, copyMax: size).copy == nil)
        #expect(try log.find(from: 2, maxBytes: size - 1, atLeastOneBatch: false, upTo: .max).isEmpty)
        #expect(try log.read(from: 2, maxBytes: 1, atLeastOneBatch: true, upTo: .max).byteCount == size)
    }

    @Test("batches larger than the window are checked to their last byte")
    func largeBatches() throws {
        let log = try self.makeLog(3, recordBytes: 700_000)
        #expect(try log.read(from: 0, maxBytes: 1 << 30, atLeastOneBatch: true, upTo: .max).byteCount > 2_100_000)
        let size = try RawFile.read(self.path(0)).count / 3
        try self.flip(self.path(0), at: size * 2 - 1)
        #expect(try log.read(from: 0, maxBytes: 1 << 30, atLeastOneBatch: true, upTo: .max).byteCount == size)
        self.expectDamage(log, at: 1)
        #expect(try log.batches(from: 2).map(\.header.baseOffset) == [2])
    }

    @Test("a lookup by timestamp steps over batches that rotted")
    func timestamps() throws {
        let log = try self.makeLog()
        let size = try self.batchSize(10)
        #expect(try log.offsetForTimestamp(testNow + 14)?.offset == 14)
        try self.flip(self.path(10), at: size * 4 + 80)
        // The largest timestamp in the header: without its checksum it says nothing.
        try self.flip(self.path(10), at: size * 6 + 35)
        #expect(try log.offsetForTimestamp(testNow + 14)?.offset == 15)
        #expect(try log.offsetForTimestamp(testNow + 16)?.offset == 17)
        #expect(try log.offsetForTimestamp(testNow + 13)?.offset == 13)
        #expect(try log.maxTimestampOffset()?.offset == 29)
        #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[14, 15], [16, 17]])
        try self.flip(self.path(20), at: size * 9 + 80)
        #expect(try log.offsetForTimestamp(testNow + 29) == nil)
    }

    @Test("a file of damaged ranges that rotted itself is not believed")
    func damagedRangesFile() throws {
        let log = try self.makeLog()
        try self.flip(self.path(10), at: try self.batchSize(10) * 4 + 80)
        self.expectDamage(log, at: 14)
        try log.close()
        let path = self.directory.path + "/damaged-ranges"
        let text = try RawFile.read(path)
        for position in text.indices {
            var bytes = text
            bytes[position] ^= 1
            try RawFile.write(bytes, to: path)
            let again = try PartitionLog.openTest(self.directory.path, config: Self.config)
            #expect(again.endOffset == 30)
            #expect(try self.survivors(again) == (0..<30).filter { $0 != 14 }, "byte \(position)")
            try again.close()
        }
    }
}
