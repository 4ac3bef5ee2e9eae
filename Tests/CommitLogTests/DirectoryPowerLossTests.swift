// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import MartletTestKit
import Testing

@testable import CommitLog

/// A power cut at every single call that changes something, during everything that is done to a data directory.
@Suite("Data directories and power cuts")
struct DirectoryPowerLossTests {
    private static let parts = 8

    private static func emptyDisk() -> SimulatedFileSystem { SimulatedFileSystem() }

    @Test("the scripted life ends in order when nothing happens, and goes through every kind of step")
    func wholeLife() throws {
        let disk = Self.emptyDisk()
        let promise = DirectoryLife.live(on: disk, seed: 1)
        #expect(promise.wasShutDown)
        #expect(promise.partitions.values.contains { $0.acknowledged > 20 && $0.mayStartAt > 0 })
        let kinds = Set(disk.trace.map(\.kind))
        for kind in [.write, .syncData, .syncDirectory, .syncEverything, .rename, .removeFile, .removeDirectory]
            as [FileSystemError.Operation]
        {
            #expect(kinds.contains(kind), "\(kind)")
        }
        for loss in PowerLoss.allCases {
            try Self.check(disk, promise, loss, seed: 1, "after the whole life")
        }
    }

    @Test("a power cut at any step loses nothing acknowledged and brings back nothing deleted", arguments: 0..<parts)
    func everyStep(part: Int) throws {
        let seed: UInt64 = 1
        let whole = Self.emptyDisk()
        #expect(DirectoryLife.live(on: whole, seed: seed).wasShutDown)
        let changes = whole.changes
        for change in stride(from: part, to: changes.count, by: Self.parts) {
            let disk = Self.emptyDisk()
            disk.inject(.powerLoss(afterByteCount: change * 37 % 700), atChange: change)
            let promise = DirectoryLife.live(on: disk, seed: seed)
            #expect(!promise.wasShutDown)
            // One of arbitrary losses and one of the two extremes for each cut.
            for loss in [PowerLoss.arbitrary, change % 3 == 0 ? .nothing : .everything] {
                let label = "change \(change) (\(changes[change])), loss \(loss)"
                try Self.check(disk, promise, loss, seed: UInt64(change), label, goesOn: change % 4 == 0)
            }
        }
    }

    @Test("a power cut at any step of a recovery changes nothing about it", arguments: [30, 200, 480, 700])
    func everyStepOfRecovery(firstCut: Int) throws {
        let disk = Self.emptyDisk()
        disk.inject(.powerLoss(afterByteCount: 300), atChange: firstCut)
        let promise = DirectoryLife.live(on: disk, seed: 3)
        var generator = SeededGenerator(seed: UInt64(firstCut))
        disk.crash(.arbitrary, using: &generator)
        for change in 0..<1_000 {
            let copy = disk.copy()
            copy.inject(.powerLoss(), atChange: copy.changeCount + change)
            let isOpen = (try? Self.reopen(copy)) != nil
            copy.clearFaults()
            try Self.check(
                copy, promise, .arbitrary, seed: UInt64(change), "cut \(firstCut), recovery change \(change)")
            if isOpen { return }
        }
        Issue.record("a recovery of more than 1,000 changes")
    }

    // MARK: - What must hold

    private static func reopen(_ disk: SimulatedFileSystem) throws -> LogDirectory {
        let directory = try LogDirectory.open(fileSystem: disk, path: DirectoryLife.path)
        let failures = try directory.openLogs(now: testNow) { DirectoryLife.config(for: $0) }
        if let failure = failures.first { throw TestFailure("\(failure.partition): \(failure.error)") }
        return directory
    }

    /// Cuts the power of a copy of the disk, opens what is left, compares it with what was promised, and goes on
    /// working with it, through one more cut that loses all that was not synced.
    private static func check(
        _ original: SimulatedFileSystem, _ promise: DirectoryPromise, _ loss: PowerLoss, seed: UInt64, _ label: String,
        goesOn: Bool = true
    ) throws {
        let disk = original.copy()
        var generator = SeededGenerator(seed: seed)
        disk.crash(loss, using: &generator)
        do {
            var directory = try self.reopen(disk)
            if promise.hasMetaProperties {
                #expect(try directory.metaProperties()?.clusterID == DirectoryLife.clusterID, "\(label)")
            }
            let found = try self.compare(directory, promise, on: disk, label)
            guard goesOn else { return }
            let more = try self.goOn(directory)
            // Recovery says that what it has found is on stable storage: so it is there after this, too.
            disk.crash(.everything, using: &generator)
            directory = try self.reopen(disk)
            for (partition, values) in found {
                let log = try #require(directory.log(partition), "\(label): \(partition) is gone after a second cut")
                #expect(try log.values == values + (more[partition] ?? []), "\(label): \(partition), second cut")
            }
        } catch {
            Issue.record("\(label): \(error)")
        }
    }

    /// Compares each partition with its promise, and returns what all of them hold.
    private static func compare(
        _ directory: LogDirectory, _ promise: DirectoryPromise, on disk: SimulatedFileSystem, _ label: String
    ) throws -> [TopicPartition: [String]] {
        var found: [TopicPartition: [String]] = [:]
        for (partition, log) in directory.logs {
            guard let promised = promise.partitions[partition] else {
                Issue.record("\(label): nobody made \(partition)")
                continue
            }
            let id = directory.topicID(of: partition)
            switch promised.stage {
            case .deleted, .setAside:
                Issue.record("\(label): \(partition) is back")
            case .creating:
                // Nothing was appended to it yet, and nothing of one that had the name before may show.
                #expect(log.endOffset == 0 && (id == nil || id == promised.topicID), "\(label): \(partition)")
            case .present, .deleting, .settingAside:
                #expect(id == promised.topicID, "\(label): \(partition) belongs to \(String(describing: id))")
                try self.compare(log, promised, "\(label): \(partition)")
            }
            found[partition] = try log.values
        }
        let strays = try disk.list(DirectoryLife.path).filter { $0.hasSuffix(LogDirectory.straySuffix) }
        for (partition, promised) in promise.partitions where directory.log(partition) == nil {
            switch promised.stage {
            case .present: Issue.record("\(label): \(partition) is gone")
            case .creating, .deleting, .deleted: break
            case .settingAside, .setAside:
                // Out of the way, but whole.
                let name = try #require(
                    strays.first { $0.hasPrefix("\(partition).") }, "\(label): \(partition) is gone")
                let path = DirectoryLife.path + "/" + name
                let log = try PartitionLog.openTest(path, fileSystem: disk, recovery: .unclean(recoveryPoint: 0))
                try self.compare(log, promised, "\(label): \(name)")
            }
        }
        return found
    }

    private static func compare(_ log: PartitionLog, _ promised: DirectoryPromise.Partition, _ label: String) throws {
        #expect(log.damagedRanges.isEmpty, "\(label): \(log.damagedRanges)")
        #expect(log.endOffset >= promised.acknowledged, "\(label): acknowledged records are lost")
        let start = log.logStartOffset
        #expect(
            start >= promised.deletedBefore && start <= max(promised.mayStartAt, promised.deletedBefore),
            "\(label): begins at \(start)")
        guard log.endOffset <= Int64(promised.sent.count) else {
            Issue.record("\(label): ends at \(log.endOffset), but \(promised.sent.count) records were sent")
            return
        }
        let records = try log.records(from: start)
        let expected = (start..<log.endOffset).map { SeenRecord(offset: $0, value: promised.sent[Int($0)]) }
        #expect(records == expected, "\(label): something was lost, doubled or never sent")
        #expect(log.highWatermark <= log.endOffset, "\(label)")
    }

    /// Work that an opened directory must be up to. Returns what it has acknowledged.
    private static func goOn(_ directory: LogDirectory) throws -> [TopicPartition: [String]] {
        var more: [TopicPartition: [String]] = [:]
        for (partition, log) in directory.logs {
            try log.put(batch("after"), epoch: 1_000)
            more[partition] = ["after"]
        }
        let id = UUID128(high: 1, low: 2)
        // A name that had another partition before, if there is one that is free.
        let names = [DirectoryLife.deleted] + DirectoryLife.many
        if let free = names.first(where: { directory.log($0) == nil }) {
            let new = LogDirectory.NewPartition(free, topicID: id, config: DirectoryLife.config(for: free))
            let log = try directory.createLogs([new], now: testNow)[0]
            guard log.endOffset == 0, log.logStartOffset == 0 else { throw TestFailure("\(free) is not made anew") }
            try log.put(batch("new"))
        }
        for log in directory.logs.values { try DirectoryLife.acknowledge(log, in: directory) }
        return more
    }
}

extension SimulatedFileSystem {
    /// The calls of the trace that change something, by the numbers that `inject(_:atChange:)` takes.
    fileprivate var changes: [DiskOperation] { self.trace.filter(\.isChange) }
}
