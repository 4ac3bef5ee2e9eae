// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

@Suite("Disks that fail")
struct FaultTests {
    @Test("a failed write fences the log for good: nothing more is appended, and reads go on")
    func failedWrite() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        try log.put(batch("a"), batch("b"))
        disk.inject(.partialWrite(byteCount: 30, errorNumber: 5)) { $0.kind == .write }
        let results = log.append([batch("c"), batch("d")], leaderEpoch: 0, now: testNow)
        for result in results {
            guard case .failure(.storage(.fenced(testPartition, let reason))) = result else {
                Issue.record("\(result)")
                continue
            }
            #expect(reason.contains("errno 5"))
        }
        #expect(throws: AppendError.self) { try log.put(batch("e")) }
        #expect(throws: LogError.self) { try log.flush() }
        #expect(throws: LogError.self) { try log.close() }
        #expect(log.endOffset == 2)
        disk.killProcess()
        let reopened = try PartitionLog.openTest("/data", fileSystem: disk, recovery: .unclean(recoveryPoint: 0))
        #expect(try reopened.values == ["a", "b"])
        try reopened.put(batch("c"))
        #expect(try reopened.values == ["a", "b", "c"])
    }

    @Test("reads go on after a failed write and a failed sync")
    func readsGoOn() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        try log.put(batch("a"), batch("b"))
        disk.inject(.inputOutputError) { $0.kind == .syncData }
        #expect(throws: LogError.self) { try log.flush() }
        #expect(log.flushedOffset == 0)
        // The next sync would succeed and prove nothing.
        #expect(throws: LogError.self) { try log.flush() }
        #expect(log.flushedOffset == 0)
        #expect(try log.values == ["a", "b"])
        guard case .fenced = log.refusal else {
            Issue.record("not fenced")
            return
        }
    }

    @Test("the name of a new segment is synced before anything in it counts as flushed")
    func newSegmentName() throws {
        var config = LogConfig()
        config.segmentBytes = 200
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        for index in 0..<6 { try log.put(batch("value \(index)")) }
        #expect(log.segmentCount > 2)
        disk.clearTrace()
        try log.flush()
        let kinds = disk.trace.map(\.kind)
        #expect(kinds.first == .syncDirectory)
        #expect(kinds.filter { $0 == .syncData }.count == log.segmentCount)
    }

    @Test("one call of append is one write for each segment, however many batches it has")
    func oneWrite() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let log = try PartitionLog.openTest("/data", fileSystem: disk)
        disk.clearTrace()
        _ = log.append((0..<100).map { batch("\($0)") }, leaderEpoch: 0, now: testNow)
        #expect(disk.trace.map(\.kind) == [.write])
        disk.clearTrace()
        // Near the tail batches are found without a look at the disk, and read once.
        let found = try log.find(from: 80, maxBytes: 100, atLeastOneBatch: true, upTo: 90)
        #expect(disk.trace.isEmpty)
        #expect(try log.check(found, copyMax: 100).copy?.readableBytes == batch("80").bytes.readableBytes)
        #expect(disk.trace.map(\.kind) == [.read])
    }

    /// What a run left for the check after it.
    private struct Run {
        var acknowledged: [String] = []
        var sent: Set<String> = []
        var deletedBefore: Int64 = 0
        var wasClosed = false
        var recoveryPoint: Int64 = 0
    }

    private static let config: LogConfig = {
        var config = LogConfig()
        config.segmentBytes = 2_500
        config.indexIntervalBytes = 300
        config.fileDeleteDelayMs = 0
        return config
    }()

    /// Appends, flushes, rolls, deletes and closes until it is done or the disk stops it. Acknowledges what was
    /// flushed, as a broker does.
    private static func work(on disk: SimulatedFileSystem, seed: UInt64) -> Run {
        var run = Run()
        var generator = SeededGenerator(seed: seed)
        do {
            let log = try PartitionLog.openTest("/data", fileSystem: disk, config: self.config)
            var waiting: [String] = []
            for step in 0..<24 {
                let batches = (0..<Int.random(in: 1...3, using: &generator)).map { index in
                    largeBatch(Int.random(in: 1...900, using: &generator), tag: "\(step).\(index)-")
                }
                for batch in batches {
                    var records = try RecordBatch(parsing: batch.bytes).records()
                    let value = try records.next()!.value.map { String(buffer: $0) }!
                    run.sent.insert(value)
                    waiting.append(value)
                }
                for result in log.append(batches, leaderEpoch: Int32(step / 8), now: testNow) { _ = try result.get() }
                if Int.random(in: 0..<3, using: &generator) > 0 {
                    try log.flush()
                    run.acknowledged += waiting
                    waiting = []
                    log.advanceHighWatermark(to: log.flushedOffset)
                }
                if step % 6 == 5 { run.recoveryPoint = try log.advanceRecoveryPoint(force: true) }
                if step == 15 {
                    let offset = log.highWatermark / 2
                    // The checkpoint of log start offsets is the directory's business; here it is written at once.
                    run.deletedBefore = offset
                    try log.deleteRecords(before: offset)
                }
                if step % 8 == 7 { try log.applyRetention(now: testNow) }
            }
            try log.close()
            run.acknowledged += waiting
            run.wasClosed = true
        } catch {
            // The disk stopped it: that is what is tested.
        }
        return run
    }

    /// Opens what is left and checks it against what was acknowledged.
    private static func check(_ disk: SimulatedFileSystem, _ run: Run, _ label: String) throws {
        let recovery: PartitionLog.Recovery =
            run.wasClosed ? .clean : .unclean(recoveryPoint: run.recoveryPoint)
        let log = try PartitionLog.openTest(
            "/data", fileSystem: disk, config: self.config, recovery: recovery, logStartOffset: run.deletedBefore)
        #expect(log.damagedRanges.isEmpty, "\(label): \(log.damagedRanges)")
        let records = try log.records(from: log.logStartOffset)
        #expect(records.map(\.offset) == Array(log.logStartOffset..<log.endOffset), "\(label): offsets have gaps")
        // Offsets are positions in the order of sending, as every batch has one record.
        let acknowledged = run.acknowledged.enumerated().dropFirst(Int(log.logStartOffset))
        for (offset, value) in acknowledged {
            let index = offset - Int(log.logStartOffset)
            guard index < records.count else {
                Issue.record("\(label): offset \(offset) was acknowledged and is lost")
                return
            }
            #expect(records[index].value == value, "\(label): offset \(offset)")
        }
        #expect(records.allSatisfy { run.sent.contains($0.value) }, "\(label): something was never sent")
        #expect(log.logStartOffset <= max(run.deletedBefore, 0), "\(label): deleted too much")
        try log.put(batch("after"), epoch: 9)
        try log.flush()
        #expect(try log.records(from: log.endOffset - 1).map(\.value) == ["after"])
    }

    @Test(
        "power loss at every single step of append, flush, roll, delete and close loses nothing acknowledged",
        arguments: [1, 2, 3] as [UInt64])
    func powerLoss(seed: UInt64) throws {
        let whole = SimulatedFileSystem(directories: ["/data"])
        let finished = Self.work(on: whole, seed: seed)
        #expect(finished.wasClosed)
        for change in 0..<whole.changeCount {
            let disk = SimulatedFileSystem(directories: ["/data"])
            disk.inject(.powerLoss(afterByteCount: change * 37 % 1_500), atChange: change)
            let run = Self.work(on: disk, seed: seed)
            for loss in [PowerLoss.everything, .arbitrary, .arbitrary, .arbitrary, .nothing] {
                let copy = disk.copy()
                var generator = SeededGenerator(seed: seed &* 1_000 &+ UInt64(change) &+ 7)
                copy.crash(loss, using: &generator)
                try Self.check(copy, run, "seed \(seed) change \(change) \(loss)")
            }
        }
    }

    @Test("power loss at every step of a recovery leaves a log that recovers to the same")
    func powerLossInRecovery() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        disk.inject(.powerLoss(afterByteCount: 500), atChange: 70)
        let run = Self.work(on: disk, seed: 5)
        var generator = SeededGenerator(seed: 11)
        disk.crash(.arbitrary, using: &generator)
        for change in 0..<60 {
            let copy = disk.copy()
            copy.inject(.powerLoss(), atChange: copy.changeCount + change)
            _ = try? PartitionLog.openTest(
                "/data", fileSystem: copy, config: Self.config, recovery: .unclean(recoveryPoint: run.recoveryPoint),
                logStartOffset: run.deletedBefore)
            copy.clearFaults()
            copy.crash(.arbitrary, using: &generator)
            try Self.check(copy, run, "recovery change \(change)")
        }
    }

    @Test("an error at every single step is reported and loses nothing acknowledged", arguments: [5, 28] as [Int32])
    func errorEverywhere(errorNumber: Int32) throws {
        let whole = SimulatedFileSystem(directories: ["/data"])
        _ = Self.work(on: whole, seed: 4)
        for operation in 0..<whole.operationCount {
            let disk = SimulatedFileSystem(directories: ["/data"])
            disk.inject(.error(errorNumber), atOperation: operation)
            let run = Self.work(on: disk, seed: 4)
            disk.clearFaults()
            disk.killProcess()
            try Self.check(disk, run, "errno \(errorNumber) at operation \(operation)")
        }
    }
}
