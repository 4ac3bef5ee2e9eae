// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import SimulatedIO
import Testing

@testable import CommitLog

@Suite("A full disk under a data directory")
struct FullDiskDirectoryTests {
    private static let id = UUID128(high: 0x1234_5678_9abc_4def, low: 0x8edc_ba98_7654_3210)

    private static func partition(_ topic: String) -> TopicPartition { TopicPartition(topic: topic, partition: 0) }

    private static func new(_ topic: String) -> LogDirectory.NewPartition {
        LogDirectory.NewPartition(self.partition(topic), topicID: self.id, config: LogConfig())
    }

    /// A directory with the logs `kept` and `gone`, of three records each, on a disk that has just become full.
    private static func fullDirectory() throws -> (SimulatedFileSystem, LogDirectory) {
        let disk = SimulatedFileSystem()
        let directory = try LogDirectory.open(fileSystem: disk, path: "/data")
        for log in try directory.createLogs([self.new("kept"), self.new("gone")], now: testNow) {
            try log.put(batch("a"), batch("b"), batch("c"))
            try log.flush()
            log.advanceHighWatermark(to: 3)
        }
        try directory.checkpoint(force: true)
        disk.capacityBytes = 0
        return (disk, directory)
    }

    @Test("a partition can be deleted, and one of its name made later inherits nothing")
    func delete() throws {
        let (disk, directory) = try Self.fullDirectory()
        try directory.deleteLogs([Self.partition("gone")], deletionID: Self.id)
        try directory.removeDeletedDirectories()
        #expect(directory.log(Self.partition("gone")) == nil)
        #expect(try directory.partitions() == [Self.partition("kept")])
        #expect(throws: LogError.self) { try directory.createLogs([Self.new("gone")], now: testNow) }
        disk.capacityBytes = nil
        let made = try directory.createLogs([Self.new("gone")], now: testNow)
        #expect(made[0].endOffset == 0)
        disk.killProcess()
        let reopened = try LogDirectory.open(fileSystem: disk, path: "/data")
        let log = try reopened.openLog(Self.partition("gone"), config: LogConfig(), now: testNow)
        #expect(log.endOffset == 0 && log.damagedRanges.isEmpty)
    }

    @Test("a partition that was deleted on a full disk stays deleted after a crash, and its checkpoints with it")
    func deleteAndCrash() throws {
        let (disk, directory) = try Self.fullDirectory()
        try directory.deleteLogs([Self.partition("gone")], deletionID: Self.id)
        disk.killProcess()
        let reopened = try LogDirectory.open(fileSystem: disk, path: "/data")
        try reopened.removeDeletedDirectories()
        #expect(try reopened.partitions() == [Self.partition("kept")])
        disk.capacityBytes = nil
        #expect(try reopened.createLogs([Self.new("gone")], now: testNow)[0].endOffset == 0)
    }

    @Test("a shutdown that has no room is not marked clean, says so, and the next start recovers everything")
    func shutDown() throws {
        let (disk, directory) = try Self.fullDirectory()
        disk.capacityBytes = nil
        try directory.log(Self.partition("kept"))?.put(batch("d"))
        disk.capacityBytes = 0
        do {
            try directory.shutDown()
            Issue.record("it was clean")
        } catch {
            #expect(error.isFull, "\(error)")
        }
        // Still without room.
        let reopened = try LogDirectory.open(fileSystem: disk, path: "/data")
        #expect(!reopened.wasCleanShutdown)
        #expect(try reopened.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
        #expect(try reopened.log(Self.partition("kept"))?.values == ["a", "b", "c", "d"])
        #expect(try reopened.log(Self.partition("gone"))?.values == ["a", "b", "c"])
    }

    @Test("strays are set aside on a full disk")
    func strays() throws {
        let (disk, _) = try Self.fullDirectory()
        disk.killProcess()
        let reopened = try LogDirectory.open(fileSystem: disk, path: "/data")
        #expect(try reopened.setAsideLogs([Self.partition("gone")], strayID: Self.id).count == 1)
        #expect(try reopened.partitions() == [Self.partition("kept")])
    }

    // MARK: - The reserve

    @Test("the reserve takes real room, gives it back, and takes nothing where there is none")
    func reserve() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        disk.capacityBytes = 10 << 20
        let reserve = try DiskReserve(fileSystem: disk, directory: "/data")
        #expect(reserve.byteCount == 0)
        try reserve.resize(to: 1 << 20)
        #expect(try disk.freeSpace("/data") == 9 << 20)
        try reserve.resize(to: 256 << 10)
        #expect(try disk.freeSpace("/data") == (10 << 20) - (256 << 10))
        // Where there is not enough, half of what is missing, or half of that.
        try reserve.resize(to: (20 << 20) + (256 << 10))
        #expect(reserve.byteCount == (5 << 20) + (256 << 10))
        #expect(try disk.freeSpace("/data") == (10 << 20) - reserve.byteCount)
        try reserve.resize(to: 128 << 10)
        #expect(try DiskReserve(fileSystem: disk, directory: "/data").byteCount == 128 << 10)
        for left in [64, 32, 0] as [Int64] {
            #expect(reserve.give())
            #expect(reserve.byteCount == left << 10)
        }
        #expect(!reserve.give())
        // Until then the simulated disk may still bring the file back.
        try disk.syncDirectory("/data")
        #expect(try disk.freeSpace("/data") == 10 << 20)
        #expect(try disk.list("/data").isEmpty)
    }

    @Test("the reserve takes blocks of a real file system")
    func realReserve() throws {
        let directory = TemporaryDirectory()
        let reserve = try DiskReserve(fileSystem: POSIXFileSystem(), directory: directory.path)
        try reserve.resize(to: 3 << 20)
        let path = directory.path + "/" + DiskReserve.fileName
        #expect(try POSIXFileSystem().status(path)?.size == 3 << 20)
        try reserve.resize(to: 1 << 20)
        #expect(try POSIXFileSystem().status(path)?.size == 1 << 20)
        try reserve.resize(to: 0)
        #expect(try POSIXFileSystem().status(path) == nil)
    }

    @Test(
        "the plan holds 1/64 of the disk, 32 MiB at most, gives most of it when nearly nothing is left, and takes it back"
    )
    func plan() {
        let plan = DiskReserve.Plan(total: 256 << 20)
        #expect(plan.whole == 4 << 20 && plan.last == 1 << 20)
        #expect(DiskReserve.Plan(total: 1 << 40).whole == 32 << 20)
        #expect(DiskReserve.Plan(total: 0).whole == 0)
        let enough: Int64 = 70 << 20
        // Free, with nothing held: taken only where enough is left after it.
        #expect(plan.size(held: 0, free: 74 << 20, enough: enough) == 4 << 20)
        #expect(plan.size(held: 0, free: (74 << 20) - 1, enough: enough) == 1 << 20)
        #expect(plan.size(held: 0, free: 2 << 20, enough: enough) == 1 << 20)
        #expect(plan.size(held: 0, free: (2 << 20) - 1, enough: enough) == 0)
        #expect(plan.size(held: 1 << 20, free: 73 << 20, enough: enough) == 4 << 20)
        // Held, and ever less left.
        #expect(plan.size(held: 4 << 20, free: 2 << 20, enough: enough) == 4 << 20)
        #expect(plan.size(held: 4 << 20, free: (1 << 20) - 1, enough: enough) == 1 << 20)
        #expect(plan.size(held: 1 << 20, free: 0, enough: enough) == 1 << 20)
        #expect(plan.size(held: 0, free: 0, enough: enough) == 0)
        // The disk has become smaller.
        #expect(plan.size(held: 9 << 20, free: 2 << 20, enough: enough) == 4 << 20)
    }
}
