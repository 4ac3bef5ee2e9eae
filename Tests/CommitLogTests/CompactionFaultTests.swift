// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

@Suite("Compaction on disks that fail")
struct CompactionFaultTests {
    private static let config: LogConfig = {
        var config = LogConfig.compacted
        config.segmentBytes = 2_400
        config.deleteRetentionMs = 0
        return config
    }()

    /// Segments are small when they are written, so that several become one, and some vanish whole.
    private static let configOfWriter: LogConfig = {
        var config = Self.config
        config.segmentBytes = 600
        return config
    }()

    /// A disk with a log of several segments, the first of them cleaned before, and all that was written to it.
    private static func prepared(seed: UInt64) throws -> (disk: SimulatedFileSystem, model: KeyedModel) {
        let disk = SimulatedFileSystem(directories: ["/data"])
        var model = KeyedModel()
        var generator = SeededGenerator(seed: seed)
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: self.configOfWriter)
        for step in 0..<36 {
            var shape = KeyedShape(records: [], codec: CompressionCodec.allCases.randomElement(using: &generator)!)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let value = generator.oneIn(5) ? nil : "\(step)-" + String(repeating: "v", count: step * 3)
                shape.records.append(("k\(Int.random(in: 0..<8, using: &generator))", value))
            }
            try log.put(keyedBatch(shape))
            model.append(shape)
            if step == 17 {
                try log.seal()
                try log.clean()
            }
        }
        try log.seal()
        try log.close()
        disk.killProcess()
        return (disk, model)
    }

    private static func open(
        _ disk: SimulatedFileSystem, _ config: LogConfig = Self.config, _ recovery: PartitionLog.Recovery = .clean
    ) throws -> PartitionLog {
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: config, recovery: recovery)
        log.advanceHighWatermark(to: log.endOffset)
        return log
    }

    /// Checks what is left after a fault, by one of the ways to open it, and that the next cleaning works.
    private static func check(
        _ disk: SimulatedFileSystem, _ model: KeyedModel, way: Int, _ label: String
    ) throws {
        let end = Int64(model.records.count)
        var asDeleted = self.config
        asDeleted.isCompacted = false
        let ways: [(LogConfig, PartitionLog.Recovery)] = [
            (self.config, .clean), (self.config, .unclean(recoveryPoint: 0)),
            (asDeleted, .unclean(recoveryPoint: 0)), (asDeleted, .unclean(recoveryPoint: end)),
        ]
        let (config, recovery) = ways[way % ways.count]
        var log = try self.open(disk, config, recovery)
        #expect(log.endOffset == end, "\(label)")
        #expect(try model.problem(of: log) == nil, "\(label)")
        let names = try disk.list("/data")
        #expect(!names.contains { $0.hasSuffix(".cleaned") || $0.hasSuffix(".swap") }, "\(label): \(names)")
        #expect(names.filter { $0.hasSuffix(".log") }.count == log.segmentCount, "\(label)")
        disk.killProcess()
        log = try self.open(disk)
        try log.put(keyed("more=1"))
        try log.seal()
        try log.clean()
        var longer = model
        longer.append(KeyedShape(records: [("more", "1")]))
        #expect(try longer.problem(of: log) == nil, "\(label), cleaned again")
        #expect(log.segmentCount < 8, "\(label): \(log.segmentCount) segments")
    }

    @Test("power loss at every change of a cleaning leaves every last record, in order, once", arguments: 1...2)
    func powerLoss(seed: UInt64) throws {
        let (prepared, model) = try Self.prepared(seed: seed)
        let whole = prepared.copy()
        let log = try Self.open(whole)
        let before = whole.changeCount
        #expect(try log.clean().segmentsReplaced > 3)
        #expect(try model.problem(of: log) == nil)
        let changes = whole.changeCount - before
        #expect(changes > 40)
        // Which of several names a crash keeps is a matter of chance, so each step is crashed several times.
        let losses = [PowerLoss.everything, .nothing] + Array(repeating: .arbitrary, count: 6)
        for change in 0..<changes {
            let disk = prepared.copy()
            let log = try Self.open(disk)
            disk.inject(.powerLoss(afterByteCount: change * 53 % 700), atChange: disk.changeCount + change)
            #expect(throws: LogError.self, "seed \(seed) change \(change)") { try log.clean() }
            for (index, loss) in losses.enumerated() {
                let copy = disk.copy()
                var generator = SeededGenerator(seed: seed &* 100_000 &+ UInt64(change * losses.count + index))
                copy.crash(loss, using: &generator)
                try Self.check(copy, model, way: change + index, "seed \(seed) change \(change) \(loss)")
            }
        }
    }

    @Test("power loss at every change of an opening that finishes a swap leaves the same")
    func powerLossInRecovery() throws {
        let (prepared, model) = try Self.prepared(seed: 4)
        let disk = prepared.copy()
        let log = try Self.open(disk)
        // The first name given up for good: the swap is decided and not done.
        disk.inject(.powerLoss()) { $0.kind == .removeFile }
        #expect(throws: LogError.self) { try log.clean() }
        var generator = SeededGenerator(seed: 5)
        disk.crash(.arbitrary, using: &generator)
        #expect(try disk.list("/data").contains { $0.hasSuffix(".swap") })
        for change in 0..<24 {
            let copy = disk.copy()
            copy.inject(.powerLoss(), atChange: copy.changeCount + change)
            _ = try? Self.open(copy, Self.config, .unclean(recoveryPoint: 0))
            copy.clearFaults()
            copy.crash(.arbitrary, using: &generator)
            try Self.check(copy, model, way: change, "change \(change)")
        }
    }

    @Test("an error at every call of a cleaning is reported, and nothing is lost", arguments: [5, 28] as [Int32])
    func errors(errorNumber: Int32) throws {
        let (prepared, model) = try Self.prepared(seed: 6)
        let whole = prepared.copy()
        let first = try Self.open(whole)
        let before = whole.operationCount
        try first.clean()
        let operations = whole.operationCount - before
        var fenced = 0
        for operation in 0..<operations {
            let disk = prepared.copy()
            let log = try Self.open(disk)
            disk.inject(.error(errorNumber), atOperation: disk.operationCount + operation)
            let label = "errno \(errorNumber) at operation \(operation)"
            // What cannot be removed afterwards is no error: it goes with the next opening.
            do {
                try log.clean()
                #expect(disk.trace.last { $0.hasFault }?.kind == .removeFile, "\(label)")
            } catch let error as LogError {
                if case .fenced = error { fenced += 1 }
            }
            disk.clearFaults()
            // Readers see the same, whether the log is fenced or not.
            #expect(try model.problem(of: log) == nil, "\(label)")
            if log.refusal == nil {
                try log.clean()
                #expect(try model.problem(of: log) == nil, "\(label), cleaned again")
            }
            disk.killProcess()
            try Self.check(disk, model, way: operation, label)
        }
        #expect(fenced > 0 && fenced < operations / 2)
    }

    @Test("a disk without room for what is to be written is noticed before anything is")
    func noRoom() throws {
        let (disk, model) = try Self.prepared(seed: 7)
        let log = try Self.open(disk)
        disk.capacityBytes = 0
        let error = #expect(throws: LogError.self) { try log.clean() }
        #expect("\(error!)".contains("compaction needs"))
        #expect(log.refusal == nil)
        disk.capacityBytes = nil
        try log.clean()
        #expect(try model.problem(of: log) == nil)
    }

    @Test("a swap that Kafka left is finished, and a cleaning that it had not finished is removed")
    func kafkasLeftOvers() throws {
        let disk = SimulatedFileSystem(directories: ["/data"])
        var config = LogConfig.compacted
        config.segmentBytes = 200
        let log = try PartitionLog.openTest("/data", fileSystem: disk, config: config)
        for index in 0..<6 { try log.put(keyed("k\(index)=\(String(repeating: "v", count: 60))")) }
        try log.seal()
        try log.close()
        // What Kafka would have merged: the first two segments in one.
        let bytes = [Int64(0), 1].flatMap { disk.contents(of: "/data/" + segmentFile($0, "log"))! }
        func write(_ bytes: [UInt8], _ name: String) throws {
            let file = try disk.open("/data/" + name, .createEmpty)
            try bytes.withUnsafeBytes { try file.write([$0], at: 0) }
        }
        try write(bytes, segmentFile(0, "log") + ".swap")
        try write([1, 2, 3], segmentFile(4, "log") + ".cleaned")
        let reopened = try PartitionLog.openTest(
            "/data", fileSystem: disk, config: config, recovery: .unclean(recoveryPoint: 0))
        #expect(try reopened.keyedRecords().map(\.offset) == [0, 1, 2, 3, 4, 5])
        #expect(disk.contents(of: "/data/" + segmentFile(1, "log")) == nil)
        #expect(disk.contents(of: "/data/" + segmentFile(4, "log") + ".cleaned") == nil)
    }

    @Test("a compaction file that cannot be read does not stop a log, unless a swap may depend on it")
    func damagedNote() throws {
        let (disk, model) = try Self.prepared(seed: 8)
        #expect(disk.contents(of: "/data/compaction") != nil)
        disk.damage("/data/compaction", at: 0)
        #expect(try model.problem(of: Self.open(disk.copy(), Self.config, .unclean(recoveryPoint: 0))) == nil)
        var asDeleted = Self.config
        asDeleted.isCompacted = false
        #expect(try model.problem(of: Self.open(disk.copy(), asDeleted, .unclean(recoveryPoint: 0))) == nil)
        _ = try disk.open("/data/" + segmentFile(0, "log") + ".swap", .createEmpty)
        #expect(throws: LogError.self) { try Self.open(disk) }
    }
}
