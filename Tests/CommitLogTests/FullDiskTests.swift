// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Synchronization
import Testing

@testable import CommitLog

@Suite("A full disk under a log")
struct FullDiskTests {
    private static let config: LogConfig = {
        var config = LogConfig()
        config.segmentBytes = 2_500
        config.indexIntervalBytes = 300
        config.fileDeleteDelayMs = 0
        return config
    }()

    /// What the writer keeps in memory of what was appended.
    private struct WriterState: Equatable {
        var producers: ProducerState
        var indexer: SegmentIndexer
        var endOffset: Int64
        var endPosition: Int64
        var segment: Int64

        init(_ log: PartitionLog) {
            (self.producers, self.indexer, self.endOffset, self.endPosition, self.segment) = log.writer.withLock {
                ($0.producers, $0.indexer, $0.endOffset, $0.endPosition, $0.active.baseOffset)
            }
        }
    }

    private static func isFull(_ result: Result<AppendResult, AppendError>) -> Bool {
        if case .failure(.storage(.full)) = result { return true }
        return false
    }

    @Test("a write that finds no room is as if it had never been, and the next one succeeds", arguments: [28, 122, 27])
    func takenBack(errorNumber: Int32) throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        var config = Self.config
        config.producersMax = 2
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        try log.put(sequenced(2, producer: 1, from: 0), sequenced(1, producer: 2, from: 0), batch("plain"))
        let before = WriterState(log)
        let bytes = disk.contents(of: "/data/" + segmentFile(0, "log"))
        // Two known producers go on, and a new one makes an idle one be forgotten.
        let batches = [
            sequenced(1, producer: 1, from: 2), sequenced(3, producer: 1, from: 3), sequenced(1, producer: 9, from: 0),
            batch("more"),
        ]
        disk.inject(.partialWrite(byteCount: 130, errorNumber: errorNumber)) { $0.kind == .write }
        #expect(log.append(batches, leaderEpoch: 0, now: testNow + 5).allSatisfy(Self.isFull))
        #expect(WriterState(log) == before)
        #expect(disk.contents(of: "/data/" + segmentFile(0, "log")) == bytes)
        #expect(log.refusal == nil && log.endOffset == 4)
        try log.flush()
        let results = try log.append(batches, leaderEpoch: 0, now: testNow + 5).map { try $0.get() }
        #expect(results.map(\.baseOffset) == [4, 5, 8, 9])
        #expect(try log.values.count == 10)
        disk.killProcess()
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, recovery: .unclean(recoveryPoint: 0))
        #expect(try reopened.values.count == 10)
        #expect(try reopened.put(batches[1])[0].isDuplicate)
    }

    @Test("bytes that cannot be cut off again fence the log")
    func cannotCut() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        try log.put(batch("a"))
        disk.inject(.partialWrite(byteCount: 30, errorNumber: 28)) { $0.kind == .write }
        disk.inject(.error(28)) { $0.kind == .truncate }
        let result = log.append([batch("b")], leaderEpoch: 0, now: testNow)[0]
        guard case .failure(.storage(.fenced)) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(throws: AppendError.self) { try log.put(batch("c")) }
        disk.killProcess()
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, recovery: .unclean(recoveryPoint: 0))
        #expect(try reopened.values == ["a"])
    }

    @Test("a sync that fails for want of room fences the log like any failed sync")
    func failedSync() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        try log.put(batch("a"))
        disk.inject(.noSpace) { $0.kind == .syncData }
        #expect(throws: LogError.self) { try log.flush() }
        guard case .fenced = log.refusal else {
            Issue.record("not fenced")
            return
        }
    }

    @Test("a log fills its disk, refuses, lets the oldest segments go, and takes records again")
    func fillAndFree() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        disk.capacityBytes = 20_000
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: Self.config)
        var count = 0
        while case .success = log.append([largeBatch(700, tag: "\(count)-")], leaderEpoch: 0, now: testNow)[0] {
            count += 1
        }
        #expect(count > 15)
        let refused = log.append([largeBatch(700, tag: "refused")], leaderEpoch: 0, now: testNow)[0]
        #expect(Self.isFull(refused))
        try log.flush()
        log.advanceHighWatermark(to: log.endOffset)
        #expect(log.flushedOffset == count)
        try log.deleteRecords(before: 8)
        #expect(try log.applyRetention(now: testNow).count > 1)
        try log.freeDeletedSegments()
        // Until then the simulated disk may still bring the files back.
        try disk.syncDirectory("/data")
        try log.put(largeBatch(700, tag: "after"))
        #expect(log.endOffset == Int64(count) + 1)
        #expect(try log.records(from: log.endOffset - 1)[0].value.hasPrefix("after"))
    }

    @Test("retention rolls and deletes everything on a disk with no room for a single byte")
    func retentionWithoutRoom() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: Self.config)
        for index in 0..<12 { try log.put(largeBatch(700, tag: "\(index)-")) }
        log.advanceHighWatermark(to: log.endOffset)
        disk.capacityBytes = 0
        try log.deleteRecords(before: 12)
        #expect(try log.applyRetention(now: testNow).last?.endOffset == 12)
        try log.freeDeletedSegments()
        #expect(disk.contents(of: "/data/" + segmentFile(0, "log")) == nil)
        #expect(log.logStartOffset == 12 && log.refusal == nil)
        disk.capacityBytes = nil
        try log.put(batch("after"))
        #expect(try log.values == ["after"])
    }

    @Test("index entries that cannot be written are thinned out, stay bounded and are right")
    func boundedIndexes() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        var config = LogConfig()
        config.indexIntervalBytes = 1
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        // No inodes left: what is there grows, nothing new can be made.
        disk.inject(.noSpace, times: .max) { $0.kind == .open && $0.path.hasSuffix("index") }
        for index in 0..<200 {
            let batches = (0..<50).map { batch("\(index).\($0)", timestamp: testNow + Int64(index)) }
            let results = log.append(batches, leaderEpoch: 0, now: testNow)
            #expect(results.allSatisfy { if case .success = $0 { true } else { false } })
        }
        let kept = log.writer.withLock { $0.active.state.withLock { $0.offsetIndex?.pending.count ?? 0 } }
        #expect(kept <= SegmentIndex<OffsetIndexEntry>.keptMax)
        #expect(kept > SegmentIndex<OffsetIndexEntry>.keptMax / 4)
        #expect(try log.records(from: 7_749, upTo: 7_752).map(\.value) == ["154.49", "155.0", "155.1"])
        #expect(try log.offsetForTimestamp(testNow + 100)?.offset == 5_000)
        disk.clearFaults()
        _ = try log.advanceRecoveryPoint(force: true)
        #expect(log.writer.withLock { $0.active.state.withLock { $0.offsetIndex?.pending.count } } == 0)
        try log.close()
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        #expect(try reopened.records(from: 8_849, upTo: 8_851).map(\.value) == ["176.49", "177.0"])
    }

    @Test(
        "a log opens, clean or not, on a disk with no room for a single byte, and goes on when there is some",
        arguments: [false, true])
    func openWithoutRoom(isClean: Bool) throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: Self.config)
        for index in 0..<20 { try log.put(largeBatch(300, tag: "\(index)-")) }
        let values = try log.values
        if isClean { try log.close() } else { try log.flush() }
        disk.killProcess()
        for name in try disk.list("/data") where !isClean && name.hasSuffix("index") {
            try disk.removeFile("/data/" + name)
        }
        disk.capacityBytes = 0
        let recovery: PartitionLog.Recovery = isClean ? .clean : .unclean(recoveryPoint: 0)
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, config: Self.config, recovery: recovery)
        #expect(try reopened.values == values)
        #expect(try reopened.offsetForTimestamp(testNow)?.offset == 0)
        try reopened.flush()
        #expect(Self.isFull(reopened.append([batch("x")], leaderEpoch: 0, now: testNow)[0]))
        if !isClean {
            #expect(throws: LogError.self) { _ = try reopened.advanceRecoveryPoint(force: true) }
            #expect(reopened.recoveryPoint == 0)
        }
        #expect(reopened.refusal == nil)
        disk.capacityBytes = nil
        try reopened.put(batch("after"))
        #expect(try reopened.advanceRecoveryPoint(force: true) == 21)
        try reopened.close()
        let last = try PartitionLog.openTest("/data", fileSystem: disk, config: Self.config)
        #expect(try last.values == values + ["after"])
    }

    @Test("damage found without room to write it down is written by the next checkpoint")
    func damageWithoutRoom() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        for index in 0..<6 { try log.put(largeBatch(300, tag: "\(index)-")) }
        try log.close()
        disk.killProcess()
        disk.damage("/data/" + segmentFile(0, "log"), at: 500)
        disk.capacityBytes = 0
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, recovery: .unclean(recoveryPoint: 6))
        #expect(reopened.damagedRanges.count == 1)
        disk.capacityBytes = nil
        try reopened.close()
        let clean = try PartitionLog.openTest("/data", fileSystem: disk)
        #expect(clean.damagedRanges == reopened.damagedRanges)
    }
}

@Suite("No room at any single step")
struct FullDiskEverywhereTests {
    private static let config: LogConfig = {
        var config = LogConfig()
        config.segmentBytes = 2_500
        config.indexIntervalBytes = 300
        config.fileDeleteDelayMs = 0
        return config
    }()

    /// A log whose owner sends every batch until it is taken, and knows what must be in it.
    private struct Life {
        let disk: SimulatedFileSystem
        let log: PartitionLog
        var values: [String] = []
        /// By producer: the next sequence.
        var sequences: [Int64: Int32] = [:]
        var lastBatch: (batch: PreparedBatch, offset: Int64)?

        var isFenced: Bool { self.log.refusal != nil }

        mutating func append(_ step: Int, _ generator: inout SeededGenerator) throws {
            var batches: [PreparedBatch] = []
            for index in 0..<Int.random(in: 1...3, using: &generator) {
                let producer = Int64.random(in: -1...2, using: &generator)
                let padding = String(repeating: "v", count: Int.random(in: 1...900, using: &generator))
                var shape = BatchShape(values: ["\(step).\(index)-" + padding], timestamps: [testNow])
                if producer >= 0 {
                    shape.producerID = producer
                    shape.sequence = self.sequences[producer, default: 0]
                    self.sequences[producer] = shape.sequence + 1
                }
                batches.append(makeBatch(shape))
                self.values += shape.values
            }
            var offset = Int64(self.values.count - batches.count)
            for _ in 0..<3 where !batches.isEmpty {
                var refused: [PreparedBatch] = []
                for (batch, result) in zip(batches, self.log.append(batches, leaderEpoch: 0, now: testNow)) {
                    switch result {
                    case .success(let appended):
                        #expect(refused.isEmpty, "a batch overtook one before it")
                        #expect(appended.baseOffset == offset && !appended.isDuplicate)
                        if batch.header.hasProducerID { self.lastBatch = (batch, offset) }
                        offset += 1
                    case .failure(.storage(let error)):
                        if !self.isFenced { #expect(error.isFull, "\(error)") }
                        refused.append(batch)
                    case .failure(let error):
                        throw error
                    }
                }
                batches = refused
                if self.isFenced { return }
            }
            #expect(batches.isEmpty, "there is room again, and it is not taken")
        }

        /// Does what may fail for want of room, and is done again later.
        func attempt(_ work: () throws -> Void) throws {
            do {
                try work()
            } catch let error as LogError {
                if !self.isFenced, case .storage(let failure) = error { #expect(failure.errorNumber == 28) }
                if !self.isFenced, case .corrupt = error { throw error }
            }
        }

        func check(_ log: PartitionLog, _ label: String) throws {
            let records = try log.records(from: log.logStartOffset)
            #expect(records.map(\.value) == Array(self.values.dropFirst(Int(log.logStartOffset))), "\(label)")
            #expect(records.map(\.offset) == Array(log.logStartOffset..<log.endOffset), "\(label)")
            let sequences = Dictionary(
                uniqueKeysWithValues: log.activeProducers(now: testNow).map { ($0.producerID, $0.lastSequence + 1) })
            for (producer, next) in sequences { #expect(self.sequences[producer] == next, "\(label): \(producer)") }
        }
    }

    private static func live(on disk: SimulatedFileSystem, seed: UInt64) throws -> (life: Life, isClosed: Bool)? {
        var generator = SeededGenerator(seed: seed)
        guard let log = try? PartitionLog.openTest("/data", fileSystem: disk, config: self.config) else { return nil }
        var life = Life(disk: disk, log: log)
        for step in 0..<24 {
            try life.append(step, &generator)
            if life.isFenced { return (life, false) }
            if Int.random(in: 0..<3, using: &generator) > 0 {
                try life.attempt { try log.flush() }
                log.advanceHighWatermark(to: log.flushedOffset)
            }
            try life.attempt {
                if step % 6 == 5 { _ = try log.advanceRecoveryPoint(force: true) }
                if step == 15 { try log.deleteRecords(before: log.highWatermark / 2) }
                if step % 8 == 7 { try log.applyRetention(now: testNow) }
            }
        }
        if life.isFenced { return (life, false) }
        try life.check(log, "before closing")
        var isClosed = false
        try life.attempt {
            try log.close()
            isClosed = true
        }
        return (life, isClosed)
    }

    @Test(
        "is refused or put off and nothing else: the same log goes on, nothing is lost, doubled or out of order",
        arguments: [1, 2, 3] as [UInt64], [0, 40])
    func everywhere(seed: UInt64, partialBytes: Int) throws {
        let whole = SimulatedFileSystem(directories: ["/data"])
        let finished = try #require(try Self.live(on: whole, seed: seed))
        #expect(finished.isClosed)
        for change in 0..<whole.changeCount {
            let disk = SimulatedFileSystem(directories: ["/data"])
            disk.inject(.partialWrite(byteCount: partialBytes, errorNumber: 28), atChange: change)
            guard let (life, isClosed) = try Self.live(on: disk, seed: seed) else { continue }
            let met = disk.trace.first { $0.hasFault }
            let label = "seed \(seed) change \(change): \(met.map { "\($0)" } ?? "none")"
            let isSync = [.syncData, .syncDirectory].contains(met?.kind)
            if case .fenced = life.log.refusal { #expect(isSync, "\(label): fenced") }
            disk.killProcess()
            let reopened = try PartitionLog.openTest(
                "/data", fileSystem: disk, config: Self.config,
                recovery: isClosed ? .clean : .unclean(recoveryPoint: life.log.recoveryPoint),
                logStartOffset: life.log.logStartOffset)
            #expect(reopened.damagedRanges.isEmpty, "\(label)")
            if isSync, life.log.endOffset < life.values.count { continue }
            try life.check(reopened, label)
            if let last = life.lastBatch, last.offset >= reopened.logStartOffset {
                let again = try reopened.put(last.batch)[0]
                #expect(again.isDuplicate && again.baseOffset == last.offset, "\(label)")
            }
        }
    }
}
