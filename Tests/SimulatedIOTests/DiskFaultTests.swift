// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import SimulatedIO
import Synchronization
import Testing

@Suite struct DiskFaultTests {
    private func diskWithFile() throws -> (SimulatedFileSystem, any LogFile) {
        let disk = SimulatedFileSystem(directories: ["d"])
        return (disk, try disk.open("d/a", .create))
    }

    @Test("the call with the number fails, and no other")
    func operationNumber() throws {
        let (disk, file) = try self.diskWithFile()
        disk.inject(.noSpace, atOperation: 2)
        try file.write([1], at: 0)
        let error = #expect(throws: FileSystemError.self) { try file.write([2], at: 0) }
        #expect(error?.errorNumber == 28)
        #expect(error?.operation == .write)
        #expect(error?.path == "d/a")
        #expect(disk.trace.map(\.hasFault) == [false, false, true])
        try file.write([3], at: 1)
        #expect(try file.readAll() == [1, 3])
    }

    @Test("reads do not count when the number is that of a change")
    func changeNumber() throws {
        let (disk, file) = try self.diskWithFile()
        disk.inject(.inputOutputError, atChange: 1)
        _ = try file.size()
        #expect(throws: FileSystemError.self) { try file.write([2], at: 0) }
        try file.write([3], at: 0)
    }

    @Test("a condition picks the calls, as many times as it is told")
    func condition() throws {
        let (disk, file) = try self.diskWithFile()
        disk.inject(.inputOutputError, times: 2) { $0.kind == .syncData && $0.path.hasSuffix("a") }
        try file.write([1], at: 0)
        #expect(throws: FileSystemError.self) { try file.syncData() }
        #expect(throws: FileSystemError.self) { try file.syncData() }
        try file.syncData()
        disk.inject(.inputOutputError, times: .max) { $0.kind == .read }
        #expect(throws: FileSystemError.self) { try file.readAll() }
        disk.clearFaults()
        #expect(try file.readAll() == [1])
    }

    @Test("a short write leaves its first bytes and throws")
    func shortWrite() throws {
        let (disk, file) = try self.diskWithFile()
        disk.inject(.partialWrite(byteCount: 2, errorNumber: 28), atChange: 1)
        #expect(throws: FileSystemError.self) { try file.write([1, 2, 3, 4], at: 0) }
        #expect(try file.readAll() == [1, 2])
    }

    @Test("what a failed sync gave up is not made durable by a later one that succeeds")
    func failedSync() throws {
        let (disk, file) = try self.diskWithFile()
        try disk.syncDirectory("d")
        try file.write([1], at: 0)
        try file.syncData()
        try file.write([2], at: 1)
        disk.inject(.inputOutputError) { $0.kind == .syncData }
        #expect(throws: FileSystemError.self) { try file.syncData() }
        try file.syncData()
        #expect(try file.readAll() == [1, 2])
        #expect(disk.durableContents(of: "d/a") == [1])
        var generator = SeededGenerator(seed: 1)
        disk.crash(.everything, using: &generator)
        #expect(disk.contents(of: "d/a") == [1])
    }

    @Test("a failed sync of a directory leaves its names in doubt")
    func failedDirectorySync() throws {
        let (disk, file) = try self.diskWithFile()
        disk.inject(.inputOutputError) { $0.kind == .syncDirectory }
        #expect(throws: FileSystemError.self) { try disk.syncDirectory("d") }
        try disk.syncDirectory("d")
        try file.syncData()
        var generator = SeededGenerator(seed: 1)
        disk.crash(.everything, using: &generator)
        #expect(try disk.list("d") == [])
    }

    @Test("when the power is out every call fails until the machine starts again")
    func powerLoss() throws {
        let (disk, file) = try self.diskWithFile()
        try disk.syncDirectory("d")
        disk.inject(.powerLoss(afterByteCount: 1), atChange: 2)
        #expect(throws: FileSystemError.self) { try file.write([1, 2], at: 0) }
        #expect(throws: FileSystemError.self) { try file.size() }
        #expect(throws: FileSystemError.self) { try disk.list("d") }
        var generator = SeededGenerator(seed: 1)
        disk.crash(.nothing, using: &generator)
        #expect(try disk.open("d/a", .read).readAll() == [1])
        #expect(throws: FileSystemError.self) { try file.size() }
    }

    @Test("before each change its number is told, and the disk is as it was without it")
    func beforeEachChange() throws {
        let (disk, file) = try self.diskWithFile()
        let seen = Mutex<[Int: [UInt8]?]>([:])
        disk.beforeEachChange { number in
            let content = disk.copy().contents(of: "d/a")
            seen.withLock { $0[number] = content }
        }
        try file.write([1], at: 0)
        _ = try file.size()
        try file.write([2], at: 1)
        disk.beforeEachChange(nil)
        try file.syncData()
        #expect(seen.withLock { $0 } == [1: [], 2: [1]])
    }

    @Test("damage changes the bytes that reads see and that a crash leaves")
    func damage() throws {
        let (disk, file) = try self.diskWithFile()
        try file.write([1, 2, 3], at: 0)
        try file.syncData()
        try disk.syncDirectory("d")
        disk.damage("d/a", at: 1, xor: 0x80)
        #expect(try file.readAll() == [1, 0x82, 3])
        var generator = SeededGenerator(seed: 1)
        disk.crash(using: &generator)
        #expect(disk.contents(of: "d/a") == [1, 0x82, 3])
    }
}
