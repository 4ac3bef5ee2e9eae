// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import SimulatedIO
import Testing

/// What a loss of power keeps, may take, and must be seen to take now and then.
@Suite struct PowerLossTests {
    private static let seeds: Range<UInt64> = 0..<200

    /// Crashes copies of a disk, one for each seed, and gives what the closure reads from each.
    private func outcomes<Outcome: Hashable>(
        of disk: SimulatedFileSystem,
        _ loss: PowerLoss = .arbitrary,
        _ read: (SimulatedFileSystem) throws -> Outcome
    ) rethrows -> Set<Outcome> {
        try Set(
            Self.seeds.map { seed in
                var generator = SeededGenerator(seed: seed)
                let crashed = disk.copy()
                crashed.crash(loss, using: &generator)
                return try read(crashed)
            }
        )
    }

    @Test("what was synced, bytes and names, is there after every crash")
    func syncedSurvives() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        let bytes = [UInt8](repeating: 7, count: 3_000)
        try file.write(bytes, at: 0)
        try file.syncData()
        try disk.syncDirectory("d")
        #expect(self.outcomes(of: disk) { $0.contents(of: "d/a") } == [bytes])
    }

    @Test("bytes without a sync are lost, kept, torn at sectors or reordered")
    func unsyncedBytes() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try disk.syncDirectory("d")
        try file.write([UInt8](repeating: 1, count: 512), at: 0)
        try file.syncData()
        try file.write([UInt8](repeating: 2, count: 1_000), at: 512)
        try file.write([UInt8](repeating: 3, count: 600), at: 1_512)
        let seen = self.outcomes(of: disk) { $0.contents(of: "d/a") ?? [] }
        #expect(seen.allSatisfy { $0.prefix(512).allSatisfy { $0 == 1 } }, "what was synced stays")
        #expect(seen.contains { $0.count == 512 }, "all of it is lost")
        #expect(seen.contains { $0.count == 2_112 && !$0.contains(0) }, "all of it is kept")
        #expect(seen.contains { $0.count == 1_024 && $0.last == 2 }, "the first write is torn")
        #expect(seen.contains { $0.contains(3) && $0[512..<1_512].contains(0) }, "the second is kept, the first is not")
        #expect(seen.contains { $0.count == 2_112 && $0.last == 0 }, "the length is kept, the bytes are not")
        for content in seen {
            for sector in stride(from: 512, to: content.count, by: 512) {
                // A sector belongs to one write or two, but a single write reaches it whole or not at all.
                let twos = content[sector..<min(sector + 512, content.count)].count { $0 == 2 }
                #expect([0, 512, 1_512 - 1_024].contains(twos), "a sector is torn")
            }
        }
    }

    @Test("an overwrite without a sync leaves the old or the new sector, never a third thing")
    func overwrites() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try disk.syncDirectory("d")
        try file.write([1, 1, 1], at: 0)
        try file.syncData()
        try file.write([2, 2], at: 1)
        #expect(self.outcomes(of: disk) { $0.contents(of: "d/a") } == [[1, 1, 1], [1, 2, 2]])
    }

    @Test("a truncation without a sync may be undone")
    func truncation() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try disk.syncDirectory("d")
        try file.write([1, 2, 3], at: 0)
        try file.syncData()
        try file.truncate(to: 1)
        #expect(self.outcomes(of: disk) { $0.contents(of: "d/a") } == [[1, 2, 3], [1]])
    }

    @Test("a name without a sync of its directory may be missing, although its file was synced")
    func createdName() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try file.write([1], at: 0)
        try file.syncData()
        #expect(self.outcomes(of: disk) { $0.contents(of: "d/a") } == [nil, [1]])
    }

    @Test("a rename happens as a whole or not at all, and keeps what it replaced until then")
    func rename() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        for (name, byte) in [("a", UInt8(1)), ("b", 2)] {
            let file = try disk.open("d/\(name)", .create)
            try file.write([byte], at: 0)
            try file.syncData()
        }
        try disk.syncDirectory("d")
        try disk.rename("d/b", to: "d/a")
        let seen = self.outcomes(of: disk) { [$0.contents(of: "d/a"), $0.contents(of: "d/b")] }
        #expect(seen == [[[1], [2]], [[2], nil]])
        try disk.syncDirectory("d")
        #expect(self.outcomes(of: disk) { [$0.contents(of: "d/a"), $0.contents(of: "d/b")] } == [[[2], nil]])
    }

    @Test("a rename to another directory that neither synced happens in both or in none")
    func renameAcrossDirectories() throws {
        let disk = SimulatedFileSystem(directories: ["d", "e"])
        _ = try disk.open("d/a", .create)
        try disk.syncDirectory("d")
        try disk.rename("d/a", to: "e/a")
        let seen = try self.outcomes(of: disk) { [try $0.list("d").count, try $0.list("e").count] }
        #expect(seen == [[1, 0], [0, 1]])
    }

    @Test("one sync of everything makes all files and names durable, counts as one change, and can fail")
    func syncEverything() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        func write(_ byte: UInt8) throws {
            for name in ["a", "b"] { try disk.open("d/\(name)", .create).write([byte], at: 0) }
            try disk.createDirectory("d/sub\(byte)")
        }
        func seen() -> Set<[String]> {
            self.outcomes(of: disk, .everything) { crashed in
                let bytes = ["a", "b"].map { "\(crashed.contents(of: "d/\($0)") ?? [])" }
                return bytes + ((try? crashed.list("d")) ?? [])
            }
        }
        try write(1)
        let changes = disk.changeCount
        #expect(try disk.syncEverything("d"))
        #expect(disk.changeCount == changes + 1)
        #expect(disk.trace.last?.kind == .syncEverything)
        #expect(seen() == [["[1]", "[1]", "a", "b", "sub1"]])
        try write(2)
        disk.inject(.inputOutputError) { $0.kind == .syncEverything }
        #expect(throws: FileSystemError.self) { try disk.syncEverything("d") }
        // Each file tells that it was hit, once. What was given up is not made durable by a later sync.
        let file = try disk.open("d/a", .readWrite)
        #expect(throws: FileSystemError.self) { try file.syncData() }
        try file.syncData()
        #expect(throws: FileSystemError.self) { try disk.syncDirectory("d") }
        #expect(try disk.syncEverything("d"))
        #expect(seen() == [["[1]", "[1]", "a", "b", "sub1"]])
        #expect(throws: FileSystemError.self) { try disk.syncEverything("missing") }
    }

    @Test("a removed file may come back until its directory is synced")
    func removal() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try file.write([1], at: 0)
        try file.syncData()
        try disk.syncDirectory("d")
        try disk.removeFile("d/a")
        #expect(self.outcomes(of: disk) { $0.contents(of: "d/a") } == [[1], nil])
        try disk.syncDirectory("d")
        #expect(self.outcomes(of: disk) { $0.contents(of: "d/a") } == [nil])
    }

    @Test("the two extremes keep everything or only what was synced")
    func extremes() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try file.write([1], at: 0)
        try file.syncData()
        try file.write([2], at: 1)
        #expect(self.outcomes(of: disk, .nothing) { $0.contents(of: "d/a") } == [[1, 2]])
        #expect(self.outcomes(of: disk, .everything) { $0.contents(of: "d/a") } == [nil])
    }

    @Test("killing the process loses nothing, and makes nothing durable")
    func kill() throws {
        let disk = SimulatedFileSystem(directories: ["d"])
        let file = try disk.open("d/a", .create)
        try file.write([1], at: 0)
        disk.killProcess()
        #expect(throws: FileSystemError.self) { try file.write([2], at: 0) }
        #expect(disk.contents(of: "d/a") == [1])
        #expect(self.outcomes(of: disk, .everything) { $0.contents(of: "d/a") } == [nil])
    }

    @Test("one seed always gives one outcome", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func repeatable(seed: UInt64) throws {
        func run() throws -> [String: [UInt8]?] {
            var generator = SeededGenerator(seed: seed)
            let disk = SimulatedFileSystem(directories: ["d"])
            for index in 0..<20 {
                let file = try disk.open("d/\(index)", .create)
                try file.write(generator.bytes(count: 3_000), at: 0)
                if generator.oneIn(3) { try file.syncData() }
                if generator.oneIn(5) { try disk.syncDirectory("d") }
            }
            disk.crash(using: &generator)
            return Dictionary(uniqueKeysWithValues: try disk.list("d").map { ($0, disk.contents(of: "d/\($0)")) })
        }
        let first = try run()
        #expect(try run() == first, "seed \(seed)")
    }
}
