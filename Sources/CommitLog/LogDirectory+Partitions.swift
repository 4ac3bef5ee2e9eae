// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
import Logging
import Synchronization

extension LogDirectory {
    /// A partition to be made.
    public struct NewPartition: Sendable {
        /// The partition, whose name becomes that of its directory.
        public var partition: TopicPartition
        /// The topic it belongs to, for `partition.metadata`.
        public var topicID: TopicID
        /// What its log is told about the topic.
        public var config: LogConfig

        /// A partition to be made.
        public init(_ partition: TopicPartition, topicID: TopicID, config: LogConfig) {
            self.partition = partition
            self.topicID = topicID
            self.config = config
        }
    }

    /// Opens the logs of all partitions that have a directory, one after another, and returns those that could not be
    /// opened. A caller with threads to spare calls `openLog` for each of `partitions()` instead.
    ///
    /// `now` is wall-clock milliseconds.
    public func openLogs(
        now: Int64, config: (TopicPartition) -> LogConfig
    ) throws(LogError) -> [(partition: TopicPartition, error: LogError)] {
        var failures: [(partition: TopicPartition, error: LogError)] = []
        var opened: [PartitionLog] = []
        for partition in try self.partitions() {
            do throws(LogError) {
                opened.append(try self.open(partition, config: config(partition), now: now))
            } catch {
                self.logger?.error(
                    "a log cannot be opened", metadata: ["partition": "\(partition)", "error": "\(error)"])
                failures.append((partition, error))
            }
        }
        try self.flushRecovered(opened)
        return failures
    }

    /// From so many partitions on, one sync of the whole file system is cheaper than some for each.
    static let bulkCount = 16

    /// Puts on stable storage what recoveries found in the page cache.
    private func flushRecovered(_ logs: [PartitionLog]) throws(LogError) {
        let dirty = logs.filter { $0.flushedOffset < $0.endOffset }
        if dirty.count >= Self.bulkCount {
            let ends = dirty.map(\.endOffset)
            if try disk({ () throws(FileSystemError) in try self.fileSystem.syncEverything(self.path) }) {
                for (log, end) in zip(dirty, ends) { log.markFlushed(upTo: end) }
                return
            }
        }
        for log in dirty { try log.flush() }
    }

    /// Opens the log of a partition whose directory is there: recovers it unless the last shutdown was clean, takes from
    /// the journal what it lacks, and sets its log start offset and high watermark to what the checkpoints say. What was recovered is on stable storage when
    /// this returns. May be called from many threads for different partitions.
    public func openLog(_ partition: TopicPartition, config: LogConfig, now: Int64) throws(LogError) -> PartitionLog {
        let log = try self.open(partition, config: config, now: now)
        if log.flushedOffset < log.endOffset { try log.flush() }
        return log
    }

    private func open(_ partition: TopicPartition, config: LogConfig, now: Int64) throws(LogError) -> PartitionLog {
        let (recoveryPoint, logStart, highWatermark) = self.state.withLock { state in
            (
                state.checkpoints[.recoveryPoint]?[partition] ?? 0, state.checkpoints[.logStartOffset]?[partition] ?? 0,
                state.checkpoints[.highWatermark]?[partition] ?? 0
            )
        }
        let path = self.directory(of: partition) + "/" + PartitionMetadataFile.name
        var topicID: TopicID?
        do throws(LogError) {
            if let text = try SmallFile.readText(path, from: self.fileSystem) {
                topicID = try PartitionMetadataFile.parse(text, path: path)
            }
        } catch {
            guard case .malformed = error else { throw error }
            self.logger?.error("a partition does not say whose it is", metadata: ["error": "\(error)"])
        }
        let log = try PartitionLog.open(
            fileSystem: self.fileSystem, directory: self.directory(of: partition), topicPartition: partition,
            topicID: topicID, config: config,
            recovery: self.wasCleanShutdown ? .clean : .unclean(recoveryPoint: recoveryPoint),
            logStartOffset: logStart, now: now, logger: self.logger)
        if let recovery = self.state.withLock({ $0.recovery }) {
            _ = try recovery.replay(into: log, topicID: topicID, now: now)
        }
        log.advanceHighWatermark(to: highWatermark)
        self.state.withLock { state in
            state.logs[partition] = log
            state.topicIDs[partition] = topicID
            for checkpoint in OffsetCheckpoint.allCases { state.checkpoints[checkpoint]?[partition] = nil }
        }
        return log
    }

    /// Makes the directories and empty logs of partitions; when this returns they survive a crash. Two syncs for each
    /// partition and one for all, or for many partitions one of the whole file system.
    ///
    /// Throws `partitionExists` when one of them is there already; those before it have been made then. `now` is
    /// wall-clock milliseconds.
    @discardableResult
    public func createLogs(_ partitions: [NewPartition], now: Int64) throws(LogError) -> [PartitionLog] {
        try self.changes.withLock { _ throws(LogError) in
            try self.forgetMissing(partitions.map(\.partition))
            var logs: [PartitionLog] = []
            for new in partitions {
                let directory = self.directory(of: new.partition)
                let exists = try disk { () throws(FileSystemError) in
                    if try self.fileSystem.status(directory) != nil { return true }
                    try self.fileSystem.createDirectory(directory)
                    return false
                }
                if exists { throw .partitionExists(new.partition) }
                try SmallFile.write(
                    Array(PartitionMetadataFile.text(new.topicID).utf8),
                    to: directory + "/" + PartitionMetadataFile.name, sync: false, on: self.fileSystem)
                let log = try PartitionLog.open(
                    fileSystem: self.fileSystem, directory: directory, topicPartition: new.partition,
                    topicID: new.topicID, config: new.config, recovery: .clean, now: now, logger: self.logger)
                logs.append(log)
            }
            try self.syncNew(logs)
            self.state.withLock { state in
                for (new, log) in zip(partitions, logs) {
                    state.logs[new.partition] = log
                    state.topicIDs[new.partition] = new.topicID
                }
            }
            return logs
        }
    }

    private func syncNew(_ logs: [PartitionLog]) throws(LogError) {
        if logs.count >= Self.bulkCount {
            if try disk({ () throws(FileSystemError) in try self.fileSystem.syncEverything(self.path) }) {
                for log in logs { log.markFlushed(upTo: log.endOffset) }
                return
            }
        }
        for log in logs {
            try disk { () throws(FileSystemError) in
                try self.fileSystem.open(log.directory + "/" + PartitionMetadataFile.name, .readWrite).syncData()
            }
            try log.syncNames()
        }
        try disk { () throws(FileSystemError) in try self.fileSystem.syncDirectory(self.path) }
    }

    /// Deletes partitions: closes their logs, renames their directories and syncs that, so that after a crash they do
    /// not come back. The bytes are freed by `removeDeletedDirectories`, which may take its time.
    ///
    /// `deletionID` makes the new names unique. Partitions that are not there are ignored.
    public func deleteLogs(_ partitions: [TopicPartition], deletionID: UUID128) throws(LogError) {
        try self.changes.withLock { _ throws(LogError) in
            for partition in partitions {
                let log = self.state.withLock { state in
                    state.topicIDs[partition] = nil
                    for checkpoint in OffsetCheckpoint.allCases { state.checkpoints[checkpoint]?[partition] = nil }
                    return state.logs.removeValue(forKey: partition)
                }
                log?.abandon()
                do throws(FileSystemError) {
                    try self.fileSystem.rename(
                        self.directory(of: partition),
                        to: self.path + "/" + Self.deletedName(partition, deletionID: deletionID))
                } catch {
                    if !error.isNotFound { throw .storage(error) }
                }
            }
            try disk { () throws(FileSystemError) in try self.fileSystem.syncDirectory(self.path) }
            try self.writeCheckpointsUnlessFull()
        }
    }

    /// Takes partitions that are gone out of the checkpoints on disk. Where there is no room for that, it is left to
    /// whoever makes a partition next: a deletion must be possible on a full disk, to make room.
    private func writeCheckpointsUnlessFull() throws(LogError) {
        do throws(LogError) {
            try self.writeCheckpoints(OffsetCheckpoint.allCases)
        } catch {
            guard error.isFull else { throw error }
            self.state.withLock { $0.checkpointsAreStale = true }
        }
    }

    /// Takes the directories of partitions that are not open out of the way, without deleting anything, and returns
    /// where they are now. They are never served again; what they hold can be looked at or deleted by hand.
    ///
    /// `strayID` makes the new names unique.
    public func setAsideLogs(_ partitions: [TopicPartition], strayID: UUID128) throws(LogError) -> [String] {
        try self.changes.withLock { _ throws(LogError) in
            let names = partitions.map { Self.movedName($0, id: strayID, suffix: Self.straySuffix) }
            try disk { () throws(FileSystemError) in
                for (partition, name) in zip(partitions, names) {
                    try self.fileSystem.rename(self.directory(of: partition), to: self.path + "/" + name)
                }
                try self.fileSystem.syncDirectory(self.path)
            }
            self.state.withLock { state in
                for partition in partitions {
                    for checkpoint in OffsetCheckpoint.allCases { state.checkpoints[checkpoint]?[partition] = nil }
                }
            }
            try self.writeCheckpointsUnlessFull()
            return names.map { self.path + "/" + $0 }
        }
    }

    /// Frees the space of all partitions that were deleted, in this run or before.
    public func removeDeletedDirectories() throws(LogError) {
        try disk { () throws(FileSystemError) in
            for name in try self.fileSystem.list(self.path) where Self.isDeletedName(name) {
                let directory = self.path + "/" + name
                for file in try self.fileSystem.list(directory) {
                    try SmallFile.remove(directory + "/" + file, from: self.fileSystem)
                }
                try self.fileSystem.removeDirectory(directory)
            }
        }
    }

    /// `topic-partition.<32 hexadecimal digits>-delete`, the topic shortened to what a file name may hold.
    static func deletedName(_ partition: TopicPartition, deletionID: UUID128) -> String {
        self.movedName(partition, id: deletionID, suffix: self.deleteSuffix)
    }

    private static func movedName(_ partition: TopicPartition, id: UUID128, suffix: String) -> String {
        let end = "-\(partition.partition).\(self.hexadecimal(id.high))\(self.hexadecimal(id.low))" + suffix
        return partition.topic.prefix(self.fileNameLengthMax - end.utf8.count) + end
    }

    /// Linux allows 255 bytes.
    private static let fileNameLengthMax = 255

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    static func isDeletedName(_ name: String) -> Bool {
        guard name.hasSuffix(self.deleteSuffix), let dot = name.lastIndex(of: ".") else { return false }
        let id = name[name.index(after: dot)...].dropLast(self.deleteSuffix.utf8.count)
        return id.utf8.count == 32 && id.allSatisfy(\.isHexDigit)
            && self.partition(ofDirectory: String(name[..<dot])) != nil
    }

    /// Takes partitions that are about to be made out of the checkpoints, where a crash during a deletion may have left
    /// them.
    private func forgetMissing(_ partitions: [TopicPartition]) throws(LogError) {
        let isStale = self.state.withLock { state in
            var isStale = state.checkpointsAreStale
            for partition in partitions where state.logs[partition] == nil {
                for checkpoint in OffsetCheckpoint.allCases
                where state.checkpoints[checkpoint]?.removeValue(forKey: partition) != nil {
                    isStale = true
                }
            }
            return isStale
        }
        guard isStale else { return }
        try self.writeCheckpoints(OffsetCheckpoint.allCases)
        self.state.withLock { $0.checkpointsAreStale = false }
    }
}
