// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

@Suite("Recovery")
struct RecoveryTests {
    let directory = TemporaryDirectory()

    private func path(_ base: Int64, _ kind: String = "log") -> String {
        self.directory.path + "/" + segmentFile(base, kind)
    }

    /// A log that is left as a killed process leaves it.
    private func killed(_ batches: [PreparedBatch]) throws { try self.killed(LogConfig(), batches) }

    private func killed(_ config: LogConfig, _ batches: [PreparedBatch]) throws {
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for batch in batches { try log.put(batch) }
        try log.flush()
    }

    @Test("a torn tail is cut at the last whole batch, wherever in the last batch it is torn")
    func tornTail() throws {
        try self.killed([batch("a"), batch("b", "c"), batch("dddddddd")])
        let bytes = try RawFile.read(self.path(0))
        let last = batch("dddddddd").bytes.readableBytes
        for cut in 1...last {
            try RawFile.write(Array(bytes.dropLast(cut)), to: self.path(0))
            let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
            #expect(log.endOffset == 3, "cut by \(cut)")
            #expect(log.damagedRanges.isEmpty)
            #expect(try RawFile.read(self.path(0)).count == bytes.count - last)
            #expect(try log.put(batch("new"))[0].baseOffset == 3)
            #expect(try log.values == ["a", "b", "c", "new"])
        }
        // A tail that is there in length only, or with one wrong byte, is no better.
        for position in (bytes.count - last)..<bytes.count where position - (bytes.count - last) >= 8 {
            var torn = bytes
            for index in position..<bytes.count { torn[index] = 0 }
            guard torn != bytes else { continue }
            try RawFile.write(torn, to: self.path(0))
            let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
            #expect(log.endOffset == 3, "zero from \(position)")
        }
    }

    @Test("every byte of the last batch that the checksum covers is checked")
    func flippedTail() throws {
        try self.killed([batch("a"), batch("b", "c")])
        let bytes = try RawFile.read(self.path(0))
        let last = batch("b", "c").bytes.readableBytes
        for position in (bytes.count - last)..<bytes.count {
            // The leader epoch is outside of the checksum, and any is possible.
            if (12..<16).contains(position - (bytes.count - last)) { continue }
            var damaged = bytes
            damaged[position] ^= 0x10
            try RawFile.write(damaged, to: self.path(0))
            let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
            #expect(log.endOffset == 1, "flipped at \(position)")
        }
    }

    @Test("a damaged batch in the middle is reported with its offsets and never served, and the rest is")
    func damageInTheMiddle() throws {
        try self.killed((0..<10).map { largeBatch(200, tag: "\($0)-") })
        let size = largeBatch(200, tag: "0-").bytes.readableBytes
        try RawFile.flip(self.path(0), at: 4 * size + 100)
        func check(_ log: PartitionLog) throws {
            #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[4, 5]])
            #expect(log.endOffset == 10)
            #expect(try log.batches(from: 0).map(\.header.baseOffset) == [0, 1, 2, 3])
            #expect(try log.records(from: 5).map(\.offset) == [5, 6, 7, 8, 9])
            #expect(throws: LogError.corrupt(testPartition, log.damagedRanges[0])) { try log.batches(from: 4) }
            #expect(try log.batches(from: 0, upTo: 4).count == 4)
            #expect(try log.batches(from: 6, upTo: 8).map(\.header.baseOffset) == [6, 7])
        }
        let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        try check(log)
        try log.close()
        // A clean restart scans nothing and knows it all the same.
        let reopened = try PartitionLog.openTest(self.directory.path)
        try check(reopened)
        try reopened.put(batch("new"))
        #expect(try reopened.records(from: 10).map(\.value) == ["new"])
        let again = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(again.damagedRanges == reopened.damagedRanges && again.endOffset == 11)
        // Deleting the records is the way out.
        reopened.advanceHighWatermark(to: 11)
        try reopened.deleteRecords(before: 5)
        #expect(reopened.damagedRanges.isEmpty)
    }

    @Test("a header that is garbage does not hide the batches behind it")
    func garbageHeader() throws {
        try self.killed((0..<6).map { largeBatch(300, tag: "\($0)-") })
        let size = largeBatch(300, tag: "0-").bytes.readableBytes
        for position in [8, 9, 10, 11, 16, 60, 200] {
            let before = try RawFile.read(self.path(0))
            try RawFile.flip(self.path(0), at: 2 * size + position, xor: 0x7f)
            let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
            #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[2, 3]], "byte \(position)")
            #expect(try log.records(from: 3).map(\.offset) == [3, 4, 5])
            try RawFile.write(before, to: self.path(0))
            try POSIXFileSystem().removeFile(self.directory.path + "/damaged-ranges")
        }
    }

    @Test("a wrong base offset, which no checksum covers, is found by its neighbours", arguments: [0, 3, 6, 7])
    func wrongBaseOffset(position: Int) throws {
        try self.killed((0..<6).map { largeBatch(300, tag: "\($0)-") })
        let size = largeBatch(300, tag: "0-").bytes.readableBytes
        try RawFile.flip(self.path(0), at: 2 * size + position, xor: 0x41)
        let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[2, 3]])
        #expect(try log.records(from: 3).map(\.offset) == [3, 4, 5])
    }

    @Test("damage at the end of what was synced is kept as a range, so that its offsets are not given out again")
    func damageBeforeRecoveryPoint() throws {
        try self.killed((0..<6).map { largeBatch(300, tag: "\($0)-") })
        let size = largeBatch(300, tag: "0-").bytes.readableBytes
        try RawFile.flip(self.path(0), at: 5 * size + 100)
        let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 6))
        #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[5, 6]])
        #expect(try log.put(batch("new"))[0].baseOffset == 6)
        #expect(try log.records(from: 6).map(\.value) == ["new"])
        #expect(throws: LogError.self) { try log.records(from: 5) }
        try log.close()
        let reopened = try PartitionLog.openTest(self.directory.path)
        #expect(reopened.endOffset == 7)
        #expect(try reopened.records(from: 6).map(\.value) == ["new"])
    }

    @Test("a synced log that has become shorter keeps its end offset")
    func shortenedFile() throws {
        try self.killed((0..<6).map { largeBatch(300, tag: "\($0)-") })
        let size = largeBatch(300, tag: "0-").bytes.readableBytes
        try RawFile.truncate(self.path(0), to: 3 * size)
        let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 6))
        #expect(log.endOffset == 6)
        #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[3, 6]])
        #expect(try log.records(from: 0, upTo: 3).count == 3)
        try log.put(batch("new"))
        try log.close()
        #expect(try PartitionLog.openTest(self.directory.path).records(from: 6).map(\.value) == ["new"])
    }

    @Test("a write that never reached the disk ends the log, since nothing behind it was acknowledged")
    func lostWrite() throws {
        try self.killed((0..<20).map { largeBatch(700, tag: "\($0)-") })
        var bytes = try RawFile.read(self.path(0))
        for index in 5 * 512..<6 * 512 { bytes[index] = 0 }
        try RawFile.write(bytes, to: self.path(0))
        let size = largeBatch(700, tag: "0-").bytes.readableBytes
        let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(log.endOffset == Int64(5 * 512 / size))
        #expect(log.damagedRanges.isEmpty)
    }

    @Test("a sealed segment that lost its end takes the segments after it along, unless it was synced")
    func sealedSegmentLostItsEnd() throws {
        var config = LogConfig()
        config.segmentBytes = 1_000
        let batches = (0..<9).map { largeBatch(300, tag: "\($0)-") }
        try self.killed(config, batches)
        let size = batches[0].bytes.readableBytes
        let whole = try RawFile.read(self.path(2))
        try RawFile.truncate(self.path(2), to: 20)
        let synced = try PartitionLog.openTest(
            self.directory.path, config: config, recovery: .unclean(recoveryPoint: 3))
        #expect(synced.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[2, 4]])
        #expect(synced.endOffset == 9)
        #expect(try synced.batches(from: 0).map(\.header.baseOffset) == [0, 1])
        #expect(throws: LogError.self) { try synced.batches(from: 2) }
        #expect(throws: LogError.self) { try synced.batches(from: 3) }
        #expect(try synced.records(from: 4).map(\.offset) == [4, 5, 6, 7, 8])

        try RawFile.write(whole, to: self.path(2))
        try RawFile.truncate(self.path(2), to: size)
        try POSIXFileSystem().removeFile(self.directory.path + "/damaged-ranges")
        let lost = try PartitionLog.openTest(
            self.directory.path, config: config, recovery: .unclean(recoveryPoint: 2))
        #expect(lost.endOffset == 3)
        #expect(lost.segmentCount == 2)
        #expect(!RawFile.exists(self.path(4)))
        #expect(try lost.put(batch("new"))[0].baseOffset == 3)
        #expect(try lost.records(from: 0).map(\.offset) == [0, 1, 2, 3])
    }

    @Test("the recovery decision is the table in its comment")
    func decision() {
        typealias Site = RecoveryDecision.Site
        let follower = RecoveryDecision.Follower(offset: 7, position: 70)
        func decide(
            offset: Int64 = 5, point: Int64, follower: RecoveryDecision.Follower? = nil, next: Int64? = nil,
            unwritten: Bool
        ) -> RecoveryDecision {
            .decide(
                Site(
                    offset: offset, recoveryPoint: point, follower: follower, nextSegmentBase: next,
                    looksUnwritten: unwritten, fileEnd: 100))
        }
        for unwritten in [true, false] {
            #expect(decide(point: 5, unwritten: unwritten) == .cut)
            #expect(decide(point: 6, unwritten: unwritten) == .damaged(endOffset: 6, endPosition: 100))
            #expect(
                decide(point: 6, follower: follower, unwritten: unwritten) == .damaged(endOffset: 7, endPosition: 70))
            #expect(decide(point: 6, next: 9, unwritten: unwritten) == .damaged(endOffset: 9, endPosition: 100))
        }
        #expect(decide(point: 5, follower: follower, unwritten: true) == .cut)
        #expect(decide(point: 5, follower: follower, unwritten: false) == .damaged(endOffset: 7, endPosition: 70))
        #expect(decide(point: 5, next: 9, unwritten: true) == .cut)
        #expect(decide(point: 5, next: 9, unwritten: false) == .damaged(endOffset: 9, endPosition: 100))
    }

    @Test("indexes are rebuilt byte for byte, from nothing, from zero tails and from garbage")
    func rebuiltIndexes() throws {
        var config = LogConfig()
        config.segmentBytes = 20_000
        config.indexIntervalBytes = 500
        let batches = (0..<300).map { largeBatch(200, tag: "\($0)-", timestamp: testNow + Int64($0 * 37 % 500)) }
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for batch in batches { try log.put(batch) }
        #expect(log.segmentCount > 3)
        try log.close()
        let names = try POSIXFileSystem().list(self.directory.path).filter {
            $0.hasSuffix(".index") || $0.hasSuffix(".timeindex")
        }
        let originals = try names.map { try RawFile.read(self.directory.path + "/" + $0) }
        for damage in ["missing", "zero tail", "garbage", "empty", "half"] {
            for (name, original) in zip(names, originals) {
                let path = self.directory.path + "/" + name
                switch damage {
                case "missing": try POSIXFileSystem().removeFile(path)
                case "zero tail": try RawFile.write(original.dropLast(16) + Array(repeating: 0, count: 4_096), to: path)
                case "garbage": try RawFile.write(original.map { ~$0 }, to: path)
                case "half": try RawFile.write(original.dropLast(original.count / 2 + 3), to: path)
                default: try RawFile.write([], to: path)
                }
            }
            let recovered = try PartitionLog.openTest(
                self.directory.path, config: config, recovery: .unclean(recoveryPoint: 0))
            #expect(try recovered.records(from: 0).count == 300)
            for offset in stride(from: Int64(0), to: 300, by: 11) {
                #expect(try recovered.batches(from: offset, maxBytes: 1).first?.header.baseOffset == offset)
            }
            try recovered.close()
            for (name, original) in zip(names, originals) {
                #expect(try RawFile.read(self.directory.path + "/" + name) == original, "\(damage) \(name)")
            }
        }
    }

    @Test("an index with zero tails or of another log is seen through on a clean start, too")
    func hostileIndexes() throws {
        var config = LogConfig()
        config.indexIntervalBytes = 500
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<100 { try log.put(largeBatch(200 + index, tag: "\(index)-")) }
        try log.close()
        let index = try RawFile.read(self.path(0, "index"))
        try RawFile.write(index + Array(repeating: 0, count: 10_000), to: self.path(0, "index"))
        let zeroTail = try PartitionLog.openTest(self.directory.path, config: config)
        #expect(zeroTail.endOffset == 100)
        #expect(try zeroTail.records(from: 0).count == 100)
        #expect(try zeroTail.records(from: 95).count == 5)
        try zeroTail.put(batch("new"))
        try zeroTail.close()
        #expect(try RawFile.read(self.path(0, "index")).count <= index.count + 8)

        // Positions that point into the middle of batches.
        var wrong = index
        for entry in 0..<wrong.count / 8 - 1 { wrong[entry * 8 + 7] ^= 0x15 }
        try RawFile.write(wrong, to: self.path(0, "index"))
        let misled = try PartitionLog.openTest(self.directory.path, config: config)
        for offset in 0..<100 as Range<Int64> {
            #expect(try misled.batches(from: offset, maxBytes: 1).first?.header.baseOffset == offset)
        }
    }

    @Test("a log that was recovered up to a recovery point scans only what is behind it")
    func recoveryPoint() throws {
        var config = LogConfig()
        config.indexIntervalBytes = 500
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<50 { try log.put(largeBatch(200, tag: "\(index)-")) }
        #expect(try log.advanceRecoveryPoint() == 0)
        #expect(try log.advanceRecoveryPoint(force: true) == 50)
        for index in 50..<100 { try log.put(largeBatch(200, tag: "\(index)-")) }
        try log.flush()
        #expect(log.recoveryPoint == 50)
        // Damage before the recovery point is not looked for: the batch is there, and found out when it is read.
        let size = largeBatch(200, tag: "0-").bytes.readableBytes
        try RawFile.flip(self.path(0), at: 3 * size + 150)
        let recovered = try PartitionLog.openTest(
            self.directory.path, config: config, recovery: .unclean(recoveryPoint: 50))
        #expect(recovered.damagedRanges.isEmpty)
        #expect(recovered.endOffset == 100)
        #expect(try recovered.records(from: 4).count == 96)
        #expect(recovered.leaderEpochCache.entries == [LeaderEpochCache.Entry(epoch: 0, startOffset: 0)])
    }

    @Test("leader epochs survive clean and unclean restarts and answer OffsetForLeaderEpoch")
    func leaderEpochs() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a", "b"), epoch: 2)
        try log.put(batch("c"), epoch: 2)
        try log.put(batch("d"), epoch: 5)
        func check(_ log: PartitionLog) {
            #expect(log.leaderEpochCache.entries.map { [Int64($0.epoch), $0.startOffset] } == [[2, 0], [5, 3]])
            #expect(log.endOffset(forEpoch: 5).map { [Int64($0.epoch), $0.endOffset] } == [5, 4])
            #expect(log.endOffset(forEpoch: 2).map { [Int64($0.epoch), $0.endOffset] } == [2, 3])
            #expect(log.endOffset(forEpoch: 4).map { [Int64($0.epoch), $0.endOffset] } == [2, 3])
            #expect(log.endOffset(forEpoch: 1).map { [Int64($0.epoch), $0.endOffset] } == [1, 0])
            #expect(log.endOffset(forEpoch: 6) == nil)
            #expect(log.endOffset(forEpoch: -1) == nil)
        }
        check(log)
        try log.flush()
        check(try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0)))
        try log.close()
        check(try PartitionLog.openTest(self.directory.path))
        try RawFile.write(Array("0\n1\nnonsense".utf8), to: self.directory.path + "/leader-epoch-checkpoint")
        check(try PartitionLog.openTest(self.directory.path))
        try POSIXFileSystem().removeFile(self.directory.path + "/leader-epoch-checkpoint")
        check(try PartitionLog.openTest(self.directory.path))
    }

    @Test("a log that is not as its clean shutdown left it is recovered after all")
    func falseClean() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        try log.put(batch("a"), batch("b"), batch("c"))
        try log.close()
        let bytes = try RawFile.read(self.path(0))
        try RawFile.write(bytes.dropLast(5), to: self.path(0))
        let reopened = try PartitionLog.openTest(self.directory.path)
        #expect(reopened.endOffset == 3)
        #expect(reopened.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[2, 3]])
        #expect(try reopened.put(batch("d"))[0].baseOffset == 3)
    }

    @Test("compacted logs may have gaps, and reads step over them")
    func gaps() throws {
        try self.killed([batch("a"), batch("b"), batch("c"), batch("d")])
        let size = batch("a").bytes.readableBytes
        let bytes = try RawFile.read(self.path(0))
        try RawFile.write(Array(bytes[..<size] + bytes[(2 * size)...]), to: self.path(0))
        var config = LogConfig()
        config.isCompacted = true
        let log = try PartitionLog.openTest(
            self.directory.path, config: config, recovery: .unclean(recoveryPoint: 0))
        #expect(log.damagedRanges.isEmpty)
        #expect(try log.records(from: 1).map(\.offset) == [2, 3])
        #expect(log.endOffset == 4)
    }

    @Test("a log in an older message format is refused and left as it is", arguments: [0, 1] as [UInt8])
    func oldFormat(magic: UInt8) throws {
        try self.killed([batch("a"), batch("b")])
        var bytes = try RawFile.read(self.path(0))
        bytes[16] = magic
        try RawFile.write(bytes, to: self.path(0))
        for recovery in [PartitionLog.Recovery.clean, .unclean(recoveryPoint: 0)] {
            #expect(throws: LogError.self) { try PartitionLog.openTest(self.directory.path, recovery: recovery) }
            #expect(try RawFile.read(self.path(0)) == bytes)
        }
    }

    @Test("offsets near the end of 64 bits, in names, checkpoints and headers, are not believed")
    func hugeOffsets() throws {
        var config = LogConfig()
        config.isCompacted = true
        try self.killed([batch("a"), batch("b")])
        let size = batch("a").bytes.readableBytes
        var bytes = try RawFile.read(self.path(0))
        bytes[size] = 0x7f
        for index in 1..<7 { bytes[size + index] = 0xff }
        try RawFile.write(bytes, to: self.path(0))
        try RawFile.write(bytes, to: self.path(.max))
        for recovery in [PartitionLog.Recovery.clean, .unclean(recoveryPoint: 0), .unclean(recoveryPoint: .max)] {
            let log = try PartitionLog.openTest(self.directory.path, config: config, recovery: recovery)
            _ = log.append([batch("c"), batch("d", "e")], leaderEpoch: 3, now: testNow)
            _ = try? log.records(from: 0)
        }
        let other = TemporaryDirectory()
        let log = try PartitionLog.openTest(other.path, logStartOffset: .max)
        _ = log.append([batch("c"), batch("d", "e")], leaderEpoch: 3, now: testNow)
        try log.close()
    }

    @Test("stray files are removed, and names that are none are left alone")
    func strays() throws {
        try self.killed([batch("a")])
        for name in [
            segmentFile(0, "log") + ".deleted", "leader-epoch-checkpoint.tmp", segmentFile(99, "index"), "note.txt",
            "123.log", segmentFile(5, "log") + "x",
        ] {
            try RawFile.write([1, 2, 3], to: self.directory.path + "/" + name)
        }
        let log = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(try log.values == ["a"])
        let names = try POSIXFileSystem().list(self.directory.path)
        #expect(Set(names).isSuperset(of: ["note.txt", "123.log", segmentFile(5, "log") + "x"]))
        #expect(!names.contains { $0.hasSuffix(".deleted") || $0.hasSuffix(".tmp") || $0 == segmentFile(99, "index") })
    }

    @Test("random damage anywhere never traps, and never makes up a record", arguments: 0..<40)
    func randomDamage(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var config = LogConfig()
        config.segmentBytes = 3_000
        config.indexIntervalBytes = 300
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for index in 0..<30 { try log.put(sequenced(1 + index % 3, producer: Int64(index), from: 0)) }
        let written = Set(try log.records(from: 0))
        if seed % 2 == 0 { try log.close() } else { try log.flush() }
        for name in try POSIXFileSystem().list(self.directory.path) where Bool.random(using: &generator) {
            let path = self.directory.path + "/" + name
            var bytes = try RawFile.read(path)
            guard !bytes.isEmpty else { continue }
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                bytes[Int.random(in: bytes.indices, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
            case 1: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
            case 2: bytes += (0..<100).map { _ in UInt8.random(in: 0...255, using: &generator) }
            default:
                let start = Int.random(in: bytes.indices, using: &generator)
                for index in start..<min(start + 600, bytes.count) { bytes[index] = 0 }
            }
            try RawFile.write(bytes, to: path)
        }
        let recovery: PartitionLog.Recovery =
            Bool.random(using: &generator)
            ? .clean : .unclean(recoveryPoint: Int64.random(in: 0...60, using: &generator))
        guard let reopened = try? PartitionLog.openTest(self.directory.path, config: config, recovery: recovery) else {
            return
        }
        for offset in reopened.logStartOffset..<max(reopened.endOffset, reopened.logStartOffset) {
            guard let batches = try? reopened.batches(from: offset) else { continue }
            for batch in batches where batch.verifyChecksum() && recovery != .clean {
                var records = try batch.records()
                while let record = try records.next() {
                    let value = record.value.map { String(buffer: $0) } ?? ""
                    #expect(written.contains { $0.value == value }, "seed \(seed)")
                }
            }
        }
        _ = try? reopened.offsetForTimestamp(testNow)
        _ = try? reopened.maxTimestampOffset()
        if (try? reopened.put(batch("after"), epoch: .max)) != nil {
            #expect(try reopened.records(from: reopened.endOffset - 1).map(\.value) == ["after"])
        }
    }
}

@Suite("Torn writes that share a sector")
struct SharedSectorTests {
    @Test("a batch whose end was lost is cut off although the sector holds the first bytes of the next one")
    func sharedSector() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        try log.put(largeBatch(900))
        try log.roll(now: testNow)
        try log.put(largeBatch(100))
        log.abandon()
        // The first batch lost what it had in its last sector; of a second one nine bytes arrived there.
        let path = "/data/" + segmentFile(0, "log")
        let file = try disk.open(path, .readWrite)
        let size = Int(try file.size())
        try file.write([UInt8](repeating: 0, count: size - 512), at: 512)
        try file.write([0, 0, 0, 0, 0, 0, 0, 1, 0], at: Int64(size))
        try #require(size + 9 <= 1_024)
        disk.killProcess()
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, recovery: .unclean(recoveryPoint: 0))
        #expect(reopened.damagedRanges.isEmpty)
        #expect(reopened.endOffset == 0)
    }
}
