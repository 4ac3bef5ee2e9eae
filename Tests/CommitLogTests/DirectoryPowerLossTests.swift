// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import SimulatedIO
import Synchronization
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
        let promise = try DirectoryLife.live(on: disk, seed: 1)
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

    /// The disk and what had been promised, right before a change.
    private struct Moment {
        var disk: SimulatedFileSystem
        var promise: DirectoryPromise
    }

    /// All moments of a life at which the power can go. What a call has begun is there at the next one, not yet
    /// synced, so that a loss tears it.
    private static func moments(seed: UInt64) throws -> (moments: [Moment], trace: [DiskOperation]) {
        let disk = Self.emptyDisk()
        let moments = Mutex<[Moment]>([])
        let last = try DirectoryLife.live(on: disk, seed: seed) { _, promise in
            let moment = Moment(disk: disk.copy(), promise: promise)
            moments.withLock { $0.append(moment) }
        }
        #expect(last.wasShutDown)
        return (moments.withLock { $0 }, disk.trace.filter(\.isChange))
    }

    /// The same for all parts of the test.
    private static let life = Result { try Self.moments(seed: Self.seed) }
    private static let seed: UInt64 = 1

    @Test("a power cut at any step loses nothing acknowledged and brings back nothing deleted", arguments: 0..<parts)
    func everyStep(part: Int) throws {
        let (moments, trace) = try Self.life.get()
        #expect(moments.count == trace.count && moments.count > 500)
        for change in stride(from: part, to: moments.count, by: Self.parts) {
            // Arbitrary losses include the extremes; now and then those by themselves.
            for loss in change % 4 == 1 ? [PowerLoss.arbitrary, .everything] : [.arbitrary] {
                let label = "seed \(Self.seed), before change \(change) (\(trace[change])), loss \(loss)"
                let moment = moments[change]
                try Self.check(
                    moment.disk, moment.promise, loss, seed: UInt64(change), label, goesOn: change % 4 == 0)
            }
        }
    }

    @Test("a power cut at any step of a recovery changes nothing about it", arguments: [120, 480])
    func everyStepOfRecovery(firstCut: Int) throws {
        let moment = try Self.moments(seed: 3).moments[firstCut]
        var generator = SeededGenerator(seed: UInt64(firstCut))
        moment.disk.crash(.arbitrary, using: &generator)
        let moments = Mutex<[SimulatedFileSystem]>([])
        let disk = moment.disk
        disk.beforeEachChange { _ in moments.withLock { $0.append(disk.copy()) } }
        _ = try Self.reopen(disk)
        disk.beforeEachChange(nil)
        for (change, disk) in moments.withLock({ $0 }).enumerated() {
            try Self.check(
                disk, moment.promise, .arbitrary, seed: UInt64(change), "cut \(firstCut), recovery change \(change)",
                goesOn: change % 8 == 0)
        }
    }

    /// The calls by which a directory, and not one of its logs, is kept.
    private static let directoryCalls: Set<FileSystemError.Operation> = [
        .createDirectory, .rename, .removeDirectory, .syncDirectory, .syncEverything,
    ]

    @Test("a disk that fails at a step of its directory loses nothing acknowledged", arguments: [5, 28] as [Int32])
    func errors(errorNumber: Int32) throws {
        let changes = try Self.life.get().trace.enumerated().filter { Self.directoryCalls.contains($0.element.kind) }
        // Each second one, with the two errors in turn: the logs' own calls have tests of their own.
        for (number, change) in changes.map(\.offset).enumerated() where number % 4 == (errorNumber == 5 ? 0 : 2) {
            let disk = Self.emptyDisk()
            disk.inject(.error(errorNumber), atChange: change)
            let (promise, error) = DirectoryLife.liveUntilError(on: disk, seed: Self.seed)
            let label = "errno \(errorNumber) at change \(change), which ended it with \(String(describing: error))"
            // Killed afterwards, or unplugged.
            for loss in [PowerLoss.nothing, .everything] {
                try Self.check(disk, promise, loss, seed: UInt64(change), label, goesOn: number % 8 < 2)
            }
        }
    }

    // MARK: - What must hold

    private static func reopen(_ disk: SimulatedFileSystem) throws -> LogDirectory {
        let directory = try LogDirectory.open(
            fileSystem: disk, path: DirectoryLife.path, journal: JournaledDirectory.options)
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
                found[partition] = []
            case .present, .deleting, .settingAside:
                #expect(id == promised.topicID, "\(label): \(partition) belongs to \(String(describing: id))")
                found[partition] = try self.compare(log, promised, "\(label): \(partition)")
            }
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

    @discardableResult
    private static func compare(
        _ log: PartitionLog, _ promised: DirectoryPromise.Partition, _ label: String
    ) throws -> [String] {
        #expect(log.damagedRanges.isEmpty, "\(label): \(log.damagedRanges)")
        #expect(log.endOffset >= promised.acknowledged, "\(label): acknowledged records are lost")
        let start = log.logStartOffset
        #expect(
            start >= promised.deletedBefore && start <= max(promised.mayStartAt, promised.deletedBefore),
            "\(label): begins at \(start)")
        guard log.endOffset <= Int64(promised.sent.count) else {
            Issue.record("\(label): ends at \(log.endOffset), but \(promised.sent.count) records were sent")
            return []
        }
        let records = try log.records(from: start)
        let expected = (start..<log.endOffset).map { SeenRecord(offset: $0, value: promised.sent[Int($0)]) }
        #expect(records == expected, "\(label): something was lost, doubled or never sent")
        #expect(log.highWatermark <= log.endOffset, "\(label)")
        return records.map(\.value)
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
        for log in directory.logs.values { try DirectoryLife.acknowledge(log, nil) }
        return more
    }
}
