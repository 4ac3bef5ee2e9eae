// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

/// A life of some partitions that commit through the journal, ended by the disk at any step.
@Suite("Power loss with a journal")
struct JournalPowerLossTests {
    /// What a run left for the check after it.
    private struct Run {
        /// For each partition, the values in the order in which they were sent.
        var sent: [[String]] = Array(repeating: [], count: partitionCount)
        /// How many of them were acknowledged.
        var acknowledged = Array(repeating: 0, count: partitionCount)
        var deletedBefore = Array(repeating: Int64(0), count: partitionCount)
        var wasCreated = false
        var finished = false
        var config = LogConfig()
    }

    private static let partitionCount = 3

    /// Odd seeds have a topic that may be compacted, where offsets may be missing.
    private static func config(seed: UInt64) -> LogConfig {
        var config = LogConfig()
        config.isCompacted = seed % 2 == 1
        config.segmentBytes = 4_000
        config.indexIntervalBytes = 400
        config.fileDeleteDelayMs = 0
        return config
    }

    /// Appends to some partitions, commits, rolls, checkpoints, deletes records and has journal files freed, until it is
    /// done or the disk stops it.
    private static func work(on disk: SimulatedFileSystem, seed: UInt64) -> Run {
        var run = Run(config: self.config(seed: seed))
        var generator = SeededGenerator(seed: seed)
        do {
            let directory = try JournaledDirectory(disk, config: self.config(seed: seed))
            let logs = try directory.create(self.partitionCount, config: self.config(seed: seed))
            run.wasCreated = true
            directory.maintain()
            for step in 0..<26 {
                try self.append(to: logs, step, &run, &generator)
                let chosen = logs.indices.filter { _ in Int.random(in: 0..<4, using: &generator) > 0 }
                directory.lane.commit(chosen.map { logs[$0] }) { index, outcome in
                    let partition = chosen[index]
                    guard case .success = outcome else { return }
                    // One record a batch, so an offset is a count.
                    run.acknowledged[partition] = Int(logs[partition].flushedOffset)
                    logs[partition].advanceHighWatermark(to: logs[partition].flushedOffset)
                }
                if step % 3 == 2 { directory.maintain() }
                if step % 9 == 8 { try directory.directory.checkpoint(force: true) }
                if step == 14 {
                    run.deletedBefore[0] = logs[0].highWatermark / 2
                    try logs[0].deleteRecords(before: run.deletedBefore[0])
                    try directory.directory.checkpointLogStartOffsets()
                }
                if step % 7 == 6 { try logs[0].applyRetention(now: testNow) }
            }
            directory.directory.journal.stop()
            try directory.directory.shutDown()
            run.finished = true
        } catch {
            // The disk stopped it: that is what is tested.
        }
        return run
    }

    private static func append(
        to logs: [PartitionLog], _ step: Int, _ run: inout Run, _ generator: inout SeededGenerator
    ) throws {
        for (index, log) in logs.enumerated() where Int.random(in: 0..<3, using: &generator) > 0 {
            let batches = (0..<Int.random(in: 1...2, using: &generator)).map { number in
                largeBatch(Int.random(in: 1...1_200, using: &generator), tag: "\(index).\(step).\(number)-")
            }
            for batch in batches {
                var records = try RecordBatch(parsing: batch.bytes).records()
                run.sent[index].append(try records.next()!.value.map { String(buffer: $0) }!)
            }
            for result in log.append(batches, leaderEpoch: Int32(step / 10), now: testNow) { _ = try result.get() }
        }
    }

    /// Opens what is left and checks it against what was acknowledged.
    private static func check(_ disk: SimulatedFileSystem, _ run: Run, _ label: String) throws {
        let directory = try JournaledDirectory(disk, config: run.config)
        guard run.wasCreated else { return }
        for index in 0..<self.partitionCount {
            let log = try #require(directory.directory.log(JournaledDirectory.partition(index)), "\(label)")
            #expect(log.damagedRanges.isEmpty, "\(label): \(log.damagedRanges)")
            let records = try log.records(from: log.logStartOffset)
            #expect(records.map(\.offset) == Array(log.logStartOffset..<log.endOffset), "\(label): gaps in \(index)")
            #expect(log.endOffset >= run.acknowledged[index], "\(label): \(index) lost what was acknowledged")
            #expect(log.logStartOffset <= run.deletedBefore[index], "\(label): deleted too much of \(index)")
            for record in records {
                let wasSent = Int(record.offset) < run.sent[index].count
                #expect(
                    wasSent && record.value == run.sent[index][Int(record.offset)], "\(label): \(index) \(record)")
            }
            try log.put(batch("after"), epoch: 9)
            try directory.commit([log])
            #expect(try log.records(from: log.endOffset - 1).map(\.value) == ["after"])
        }
    }

    @Test(
        "power loss at every single step of append, commit, roll, trim, checkpoint and shutdown loses nothing acknowledged",
        arguments: [1, 2] as [UInt64])
    func everyStep(seed: UInt64) throws {
        let whole = SimulatedFileSystem(directories: ["/data"])
        let finished = Self.work(on: whole, seed: seed)
        #expect(finished.finished)
        #expect(whole.trace.contains { $0.kind == .write && $0.path.contains(JournalFormat.filePrefix) })
        for change in 0..<whole.changeCount {
            let disk = SimulatedFileSystem(directories: ["/data"])
            disk.inject(.powerLoss(afterByteCount: change * 37 % 3_000), atChange: change)
            let run = Self.work(on: disk, seed: seed)
            for loss in [PowerLoss.everything, .arbitrary, .arbitrary, .nothing] {
                let copy = disk.copy()
                var generator = SeededGenerator(seed: seed &* 1_000 &+ UInt64(change) &+ 7)
                copy.crash(loss, using: &generator)
                try Self.check(copy, run, "seed \(seed) change \(change) \(loss)")
            }
        }
    }

    @Test("power loss at every step of taking the journal back leaves a directory that opens to the same")
    func inRecovery() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        disk.inject(.powerLoss(afterByteCount: 900), atChange: 160)
        let run = Self.work(on: disk, seed: 3)
        #expect(run.acknowledged.contains { $0 > 0 })
        var generator = SeededGenerator(seed: 12)
        disk.crash(.everything, using: &generator)
        for change in 0..<40 {
            let copy = disk.copy()
            copy.inject(.powerLoss(afterByteCount: change * 97), atChange: copy.changeCount + change)
            _ = try? JournaledDirectory(copy, config: run.config)
            copy.clearFaults()
            copy.crash(.arbitrary, using: &generator)
            try Self.check(copy, run, "recovery change \(change)")
        }
    }

    @Test("an error at every single step is reported and loses nothing acknowledged", arguments: [5, 28] as [Int32])
    func errorEverywhere(errorNumber: Int32) throws {
        let whole = SimulatedFileSystem(directories: ["/data"])
        _ = Self.work(on: whole, seed: 4)
        for operation in stride(from: 0, to: whole.operationCount, by: 2) {
            let disk = SimulatedFileSystem(directories: ["/data"])
            disk.inject(.error(errorNumber), atOperation: operation)
            let run = Self.work(on: disk, seed: 4)
            disk.clearFaults()
            disk.killProcess()
            try Self.check(disk, run, "errno \(errorNumber) at operation \(operation)")
        }
    }
}
