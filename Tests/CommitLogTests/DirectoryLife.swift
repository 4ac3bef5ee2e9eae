// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Synchronization

@testable import CommitLog

/// What a data directory has been told to keep, and what it has promised. Whatever is under way when the disk stops
/// is noted before it begins, and as done only when the call has returned.
struct DirectoryPromise {
    enum Stage {
        /// It may be there or not, and holds at most what was sent.
        case creating
        case present
        /// It may be there, whole, or gone.
        case deleting
        case deleted
        /// It may be there under its name or out of the way, whole.
        case settingAside
        case setAside
    }

    struct Partition {
        var stage = Stage.creating
        var topicID: TopicID
        /// The value of each offset, whether or not it was acknowledged.
        var sent: [String] = []
        /// Offsets below this one must be there, unless they were deleted.
        var acknowledged: Int64 = 0
        /// Records before it were deleted, and that was acknowledged.
        var deletedBefore: Int64 = 0
        /// Deletions that were asked for, and retention, may have got this far.
        var mayStartAt: Int64 = 0
        /// The partition that had this name before, if the new one is not known to be made.
        var isRemade = false
    }

    var partitions: [TopicPartition: Partition] = [:]
    var hasMetaProperties = false
    var wasShutDown = false
}

/// A scripted life of a data directory: everything that a broker does to one, in an order that a seed varies.
final class DirectoryLife {
    static let path = "/var/data"
    /// Together they are enough for one sync of the whole file system to be cheaper than one for each.
    static let manyCount: Int32 = 16
    static let clusterID = "cluster"

    static func config(for partition: TopicPartition) -> LogConfig {
        var config = LogConfig()
        config.segmentBytes = 2_500
        config.indexIntervalBytes = 300
        config.fileDeleteDelayMs = 0
        config.retentionMs = -1
        if partition == self.retained { config.retentionBytes = 5_000 }
        return config
    }

    static let kept = TopicPartition(topic: "kept", partition: 0)
    static let trimmed = TopicPartition(topic: "kept", partition: 1)
    static let retained = TopicPartition(topic: "retained", partition: 0)
    static let deleted = TopicPartition(topic: "deleted", partition: 0)
    static let stray = TopicPartition(topic: "stray", partition: 0)
    static let many = (0..<DirectoryLife.manyCount).map { TopicPartition(topic: "many", partition: PartitionIndex($0)) }

    private let disk: SimulatedFileSystem
    private var generator: SeededGenerator
    private let shared = SharedPromise()
    private var ids: UInt64 = 0

    /// Read from where the disk is about to change.
    private final class SharedPromise: Sendable {
        let value = Mutex(DirectoryPromise())
    }

    private var promise: DirectoryPromise {
        get { self.shared.value.withLock { $0 } }
        set { self.shared.value.withLock { $0 = newValue } }
    }

    init(on disk: SimulatedFileSystem, seed: UInt64) {
        self.disk = disk
        self.generator = SeededGenerator(seed: seed)
    }

    /// The way into the journal of the directory that is open.
    private var lane: JournalLane?

    /// After this returns, the records of a log are acknowledged: by the journal if there is a way into it, by the
    /// segments if not.
    static func acknowledge(_ log: PartitionLog, _ lane: JournalLane?) throws {
        if let lane {
            var outcome: Result<Void, LogError> = .success(())
            lane.commit([log]) { outcome = $1 }
            try outcome.get()
        } else {
            try log.flush()
        }
        log.advanceHighWatermark(to: log.flushedOffset)
    }

    /// Lives to the end of the script and returns what stands then.
    ///
    /// - Parameter beforeEachChange: gets the number of each call that changes the disk, and what stands before it.
    static func live(
        on disk: SimulatedFileSystem, seed: UInt64,
        beforeEachChange: (@Sendable (Int, DirectoryPromise) -> Void)? = nil
    ) throws -> DirectoryPromise {
        let life = DirectoryLife(on: disk, seed: seed)
        let shared = life.shared
        disk.beforeEachChange { number in beforeEachChange?(number, shared.value.withLock { $0 }) }
        defer { disk.beforeEachChange(nil) }
        try life.script()
        return life.promise
    }

    /// Lives until the script is over or an error ends it, and returns what stands then.
    static func liveUntilError(
        on disk: SimulatedFileSystem, seed: UInt64
    ) -> (promise: DirectoryPromise, error: (any Error)?) {
        let life = DirectoryLife(on: disk, seed: seed)
        do {
            try life.script()
            return (life.promise, nil)
        } catch {
            return (life.promise, error)
        }
    }

    private func script() throws {
        try self.firstRun()
        // Killed, not unplugged: what was not acknowledged is still in the page cache.
        self.disk.killProcess()
        try self.secondRun()
        try self.thirdRun()
    }

    private func firstRun() throws {
        let directory = try self.open()
        try directory.writeMetaProperties(
            MetaProperties(clusterID: Self.clusterID, nodeID: 1, directoryID: self.nextID()))
        self.promise.hasMetaProperties = true
        try self.create([Self.kept, Self.trimmed, Self.retained, Self.deleted], in: directory)
        for _ in 0..<3 { try self.appendSomewhere(in: directory) }
        try directory.checkpoint(force: true)
        try self.delete([Self.deleted], in: directory)
        try self.create([Self.deleted], in: directory)
        try self.append(to: Self.deleted, in: directory)
        try self.create(Self.many, in: directory)
        for _ in 0..<2 { try self.appendSomewhere(in: directory) }
        try self.deleteRecords(in: directory)
        try self.applyRetention(in: directory)
        // Sixteen and more that nobody has flushed.
        for partition in Self.many { try self.append(to: partition, in: directory, acknowledges: false) }
    }

    private func secondRun() throws {
        let directory = try self.open()
        try directory.removeDeletedDirectories()
        try self.create([Self.stray], in: directory)
        try self.append(to: Self.stray, in: directory)
        for _ in 0..<3 { try self.appendSomewhere(in: directory) }
        try directory.log(Self.kept)?.roll(now: testNow)
        try self.append(to: Self.kept, in: directory)
        try directory.checkpoint()
        try self.applyRetention(in: directory)
        try self.delete([Self.many[0], Self.many[1]], in: directory)
        try self.create([Self.many[0]], in: directory)
        try self.append(to: Self.many[0], in: directory)
        try self.shutDown(directory)
    }

    private func thirdRun() throws {
        let directory = try self.open(leaving: Self.stray)
        try self.setAside(Self.stray, in: directory)
        for _ in 0..<3 { try self.appendSomewhere(in: directory) }
        try self.deleteRecords(in: directory)
        try directory.removeDeletedDirectories()
        try self.delete(Array(Self.many[2...]), in: directory)
        // Now that few are left, each is synced by itself.
        try self.append(to: Self.trimmed, in: directory)
        try self.shutDown(directory)
        self.promise.wasShutDown = true
    }

    // MARK: - Steps

    private func nextID() -> UUID128 {
        self.ids += 1
        return UUID128(high: 0x1234_5678_9abc_4def, low: 0x8000_0000_0000_0000 + self.ids)
    }

    private func open(leaving left: TopicPartition? = nil) throws -> LogDirectory {
        let directory = try LogDirectory.open(
            fileSystem: self.disk, path: Self.path, journal: JournaledDirectory.options)
        self.lane = nil
        guard let left else {
            let failures = try directory.openLogs(now: testNow) { Self.config(for: $0) }
            if let failure = failures.first { throw failure.error }
            try self.takeOpened(directory)
            directory.journal.onWork {}
            try directory.startJournal()
            self.lane = directory.journal.makeLane()
            return directory
        }
        for partition in try directory.partitions() where partition != left {
            _ = try directory.openLog(partition, config: Self.config(for: partition), now: testNow)
        }
        try self.takeOpened(directory)
        return directory
    }

    /// What was recovered is on stable storage when a directory has opened its logs.
    private func takeOpened(_ directory: LogDirectory) throws {
        for (partition, log) in directory.logs {
            let sent = self.promise.partitions[partition]?.sent.count ?? 0
            guard log.endOffset <= sent else {
                throw TestFailure("\(partition) ends at \(log.endOffset), and \(sent) records were sent")
            }
            self.promise.partitions[partition]?.sent.removeSubrange(Int(log.endOffset)...)
            self.promise.partitions[partition]?.acknowledged = log.endOffset
        }
    }

    private func create(_ partitions: [TopicPartition], in directory: LogDirectory) throws {
        var ids: [String: TopicID] = [:]
        for partition in partitions {
            let id = ids[partition.topic] ?? self.nextID()
            ids[partition.topic] = id
            let isRemade = self.promise.partitions[partition] != nil
            self.promise.partitions[partition] = DirectoryPromise.Partition(topicID: id, isRemade: isRemade)
        }
        try directory.createLogs(
            partitions.map {
                LogDirectory.NewPartition(
                    $0, topicID: ids[$0.topic] ?? .zero, config: Self.config(for: $0))
            }, now: testNow)
        for partition in partitions { self.promise.partitions[partition]?.stage = .present }
    }

    private func appendSomewhere(in directory: LogDirectory) throws {
        directory.journal.maintain()
        let partitions = directory.logs.keys.sorted()
        for _ in 0..<4 {
            guard let partition = partitions.randomElement(using: &self.generator) else { return }
            try self.append(to: partition, in: directory, acknowledges: !self.generator.oneIn(4))
        }
        // The logs with more than one segment are these.
        for partition in [Self.kept, Self.trimmed, Self.retained] { try self.append(to: partition, in: directory) }
    }

    private func append(to partition: TopicPartition, in directory: LogDirectory, acknowledges: Bool = true) throws {
        guard let log = directory.log(partition) else { throw TestFailure("\(partition) is not open") }
        let batches = (0..<Int.random(in: 1...2, using: &self.generator)).map { index in
            let values = (0..<Int.random(in: 1...3, using: &self.generator)).map { _ in
                let number = self.promise.partitions[partition]?.sent.count ?? 0
                let filler = String(repeating: "v", count: Int.random(in: 0..<300, using: &self.generator))
                let value = "\(partition)/\(self.ids).\(number)-\(filler)"
                self.promise.partitions[partition]?.sent.append(value)
                return value
            }
            return makeBatch(BatchShape(values: values))
        }
        for result in log.append(batches, leaderEpoch: Int32(self.ids), now: testNow) { _ = try result.get() }
        guard acknowledges else { return }
        try Self.acknowledge(log, self.lane)
        self.promise.partitions[partition]?.acknowledged = log.endOffset
    }

    private func deleteRecords(in directory: LogDirectory) throws {
        guard let log = directory.log(Self.trimmed) else { return }
        let offset = (log.logStartOffset + log.highWatermark + 1) / 2
        self.promise.partitions[Self.trimmed]?.mayStartAt = offset
        try log.deleteRecords(before: offset)
        try directory.checkpointLogStartOffsets()
        self.promise.partitions[Self.trimmed]?.deletedBefore = offset
    }

    private func applyRetention(in directory: LogDirectory) throws {
        for (partition, log) in directory.logs.sorted(by: { $0.key < $1.key }) {
            if partition == Self.retained {
                // At most so much, whichever segments it is: nothing past the high watermark goes.
                self.promise.partitions[partition]?.mayStartAt = log.highWatermark
            }
            try log.applyRetention(now: testNow)
            self.promise.partitions[partition]?.mayStartAt = log.logStartOffset
        }
    }

    private func delete(_ partitions: [TopicPartition], in directory: LogDirectory) throws {
        for partition in partitions { self.note(partition, .deleting, unless: .deleted) }
        try directory.deleteLogs(partitions, deletionID: self.nextID())
        for partition in partitions { self.promise.partitions[partition]?.stage = .deleted }
    }

    private func note(_ partition: TopicPartition, _ stage: DirectoryPromise.Stage, unless: DirectoryPromise.Stage) {
        if self.promise.partitions[partition]?.stage != unless { self.promise.partitions[partition]?.stage = stage }
    }

    private func setAside(_ partition: TopicPartition, in directory: LogDirectory) throws {
        self.promise.partitions[partition]?.stage = .settingAside
        _ = try directory.setAsideLogs([partition], strayID: self.nextID())
        self.promise.partitions[partition]?.stage = .setAside
    }

    private func shutDown(_ directory: LogDirectory) throws {
        let logs = directory.logs
        try directory.shutDown()
        for (partition, log) in logs { self.promise.partitions[partition]?.acknowledged = log.endOffset }
    }
}
