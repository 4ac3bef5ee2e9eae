// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import SimulatedIO
import Testing

extension LogFile {
    func write(_ bytes: [UInt8], at position: Int64) throws {
        try bytes.withUnsafeBytes { try self.write([$0], at: position) }
    }

    func readAll() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(try self.size()))
        let count = try bytes.withUnsafeMutableBytes { try self.read(into: $0, at: 0) }
        return Array(bytes.prefix(count))
    }
}

/// What holds for every file system, the machine's own one included, while nothing fails.
@Suite struct SimulatedFileSystemTests {
    @Test("reads see what was written, zeros where nothing was, and end with the file")
    func readAndWrite() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let file = try disk.open("/data/0.log", .create)
        try file.write([1, 2, 3], at: 0)
        try [UInt8]([4, 5]).withUnsafeBytes { first in
            try [UInt8]([6]).withUnsafeBytes { second in try file.write([first, second], at: 5) }
        }
        try file.write([9], at: 1)
        #expect(try file.readAll() == [1, 9, 3, 0, 0, 4, 5, 6])
        var buffer = [UInt8](repeating: 0xff, count: 4)
        #expect(try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 6) } == 2)
        #expect(buffer == [5, 6, 0xff, 0xff])
        #expect(try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 8) } == 0)
        try file.truncate(to: 2)
        try file.truncate(to: 4)
        #expect(try file.readAll() == [1, 9, 0, 0])
        #expect(file.descriptor == nil)
    }

    @Test("the open modes make, keep, empty or refuse")
    func openModes() throws {
        let disk = SimulatedFileSystem(directories: ["data"])
        #expect(throws: FileSystemError.self) { try disk.open("data/a", .read) }
        #expect(throws: FileSystemError.self) { try disk.open("data/a", .readWrite) }
        #expect(throws: FileSystemError.self) { try disk.open("missing/a", .create) }
        try disk.open("data/a", .create).write([1], at: 0)
        #expect(try disk.open("data/a", .create).readAll() == [1])
        #expect(try disk.open("/data/a", .readWrite).readAll() == [1])
        let reader = try disk.open("data/a", .read)
        #expect(throws: FileSystemError.self) { try reader.write([1], at: 0) }
        _ = try disk.open("data/a", .createEmpty)
        #expect(try reader.size() == 0)
    }

    @Test("names are listed, renamed over others and removed, and open files read on")
    func names() throws {
        let disk = SimulatedFileSystem(directories: ["d", "d/sub"])
        let old = try disk.open("d/a", .create)
        try old.write([1], at: 0)
        try disk.open("d/b", .create).write([2], at: 0)
        #expect(try disk.list("d") == ["a", "b", "sub"])
        try disk.rename("d/b", to: "d/a")
        #expect(try disk.list("d") == ["a", "sub"])
        #expect(disk.contents(of: "d/a") == [2])
        #expect(try old.readAll() == [1])
        try disk.rename("d/a", to: "d/sub/c")
        #expect(throws: FileSystemError.self) { try disk.removeDirectory("d/sub") }
        #expect(throws: FileSystemError.self) { try disk.removeFile("d/sub") }
        try disk.removeFile("d/sub/c")
        try disk.removeDirectory("d/sub")
        #expect(try disk.list("d") == [])
        #expect(try disk.status("d/sub") == nil)
        #expect(try disk.status("d")?.isDirectory == true)
    }

    @Test("a renamed directory takes its files along")
    func renamedDirectory() throws {
        let disk = SimulatedFileSystem(directories: ["d", "d/topic-0"])
        try disk.open("d/topic-0/0.log", .create).write([1], at: 0)
        try disk.createDirectory("d/topic-0")
        try disk.rename("d/topic-0", to: "d/topic-0.x-delete")
        #expect(disk.contents(of: "d/topic-0.x-delete/0.log") == [1])
        #expect(throws: FileSystemError.self) { try disk.createDirectory("d/topic-0.x-delete/0.log") }
    }

    @Test("the modification time is the wall clock's at the last write")
    func modificationTime() throws {
        let clock = VirtualClock(wallMs: 10)
        let disk = SimulatedFileSystem(directories: ["d"], clock: clock)
        let file = try disk.open("d/a", .create)
        clock.advance(by: .milliseconds(5))
        try file.write([1, 2], at: 0)
        clock.advance(by: .milliseconds(5))
        #expect(try disk.status("d/a") == FileStatus(size: 2, modificationTimeMs: 15))
    }

    @Test("a lock has one holder, until the holder lets go or its process ends")
    func locks() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        var lock = try disk.lock("d/.lock")
        #expect(lock != nil)
        #expect(try disk.lock("d/.lock") == nil)
        lock = nil
        let second = try disk.lock("d/.lock")
        #expect(second != nil)
        disk.killProcess()
        let third = try disk.lock("d/.lock")
        #expect(third != nil)
        withExtendedLifetime(second) {}
    }

    @Test("a full disk takes what fits and says ENOSPC")
    func capacity() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        disk.capacityBytes = 4
        let file = try disk.open("d/a", .create)
        try file.write([1, 2, 3], at: 0)
        #expect(try disk.freeSpace("d") == 1)
        let error = #expect(throws: FileSystemError.self) { try file.write([4, 5, 6], at: 3) }
        #expect(error?.errorNumber == 28)
        #expect(try file.readAll() == [1, 2, 3, 4])
        try file.write([9, 9], at: 0)
        disk.capacityBytes = nil
        try file.write([5], at: 4)
        #expect(try file.readAll() == [9, 9, 3, 4, 5])
    }

    @Test("calls are counted and traced, changes apart from reads")
    func trace() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try file.write([1, 2], at: 7)
        _ = try file.size()
        try file.syncData()
        try disk.rename("d/a", to: "d/b")
        #expect(disk.operationCount == 5)
        #expect(disk.changeCount == 4)
        #expect(
            disk.trace.map(\.description) == [
                "open d/a", "write d/a at 7, 2 bytes", "size d/a", "syncData d/a", "rename d/a to d/b",
            ])
        disk.clearTrace()
        #expect(disk.trace == [])
    }

    @Test("a copy is another machine")
    func copy() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try file.write([1], at: 0)
        let other = disk.copy()
        try file.write([2], at: 0)
        #expect(other.contents(of: "d/a") == [1])
        try other.open("d/a", .readWrite).write([3], at: 0)
        #expect(disk.contents(of: "d/a") == [2])
    }
}
