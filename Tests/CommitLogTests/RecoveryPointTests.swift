// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import SimulatedIO
import Testing

@testable import CommitLog

@Suite("The recovery points of many logs")
struct RecoveryPointTests {
    private static let count = CommitCost.bulkCount + 4

    private static func filled(_ disk: SimulatedFileSystem) throws -> (LogDirectory, [PartitionLog]) {
        let directory = try LogDirectory.open(fileSystem: disk, path: "/data")
        let logs = try directory.createLogs(
            (0..<Self.count).map {
                LogDirectory.NewPartition(
                    JournaledDirectory.partition($0), topicID: JournaledDirectory.topicID, config: LogConfig())
            }, now: testNow)
        for log in logs { try log.put(batch("a"), sequenced(2, producer: 3, from: 0)) }
        return (directory, logs)
    }

    @Test("they move together, without a sync while a writer waits, and a crash then finds nothing to read")
    func together() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let (directory, logs) = try Self.filled(disk)
        #expect(directory.bytesToRecover > 0)
        disk.clearTrace()
        try directory.checkpoint(force: true)
        #expect(disk.trace.filter { $0.kind == .syncEverything }.count == 1)
        let synced = disk.trace.filter { $0.kind == .syncData && $0.path.contains("/orders-") }.map(\.path)
        #expect(synced.count == Self.count)
        #expect(synced.allSatisfy { $0.hasSuffix(".log") })
        #expect(logs.allSatisfy { $0.recoveryPoint == 3 && $0.syncedOffset == 3 })
        #expect(directory.bytesToRecover == 0)
        var generator = SeededGenerator(seed: 1)
        disk.crash(.everything, using: &generator)
        let reopened = try LogDirectory.open(fileSystem: disk, path: "/data")
        #expect(try reopened.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
        for log in reopened.logs.values {
            #expect(log.recoveryPoint == 3)
            #expect(try log.values == ["a", "p3-0", "p3-1"])
            #expect(try log.put(sequenced(2, producer: 3, from: 0))[0].isDuplicate)
        }
    }

    @Test("what is appended while they move counts for the next time")
    func meanwhile() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let (directory, logs) = try Self.filled(disk)
        let move = try #require(try logs[0].prepareRecoveryPoint(minimumBytes: 0))
        try logs[0].put(batch("b"))
        let later = logs[0].bytesToRecover - move.byteCount
        try logs[0].finishRecoveryPoint(move)
        #expect(logs[0].recoveryPoint == 3)
        #expect(logs[0].bytesToRecover == later)
        #expect(later > 0)
        #expect(directory.bytesToRecover > later)
    }

    @Test("logs whose batches cannot be synced keep their recovery points, and the others' move")
    func failure() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let (directory, logs) = try Self.filled(disk)
        disk.inject(.inputOutputError) { $0.kind == .syncData && $0.path.contains("/orders-5/") }
        try logs[5].put(batch("late"))
        try directory.checkpoint(force: true)
        #expect(logs[5].recoveryPoint == 0)
        #expect(logs[5].refusal != nil)
        #expect(logs.indices.filter { $0 != 5 }.allSatisfy { logs[$0].recoveryPoint == 3 })
    }
}
