// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Logging
import Synchronization

extension LogDirectory {
    /// Flushes all logs, moves their recovery points as far as it pays, and writes all three checkpoints. To be called
    /// every minute or so, and when `bytesToRecover` has become large. Logs that fail are fenced and keep their old
    /// recovery points; the others go on.
    ///
    /// No writer waits for a sync meanwhile. Costs an fdatasync for each log that is behind.
    public func checkpoint(force: Bool = false) throws(LogError) {
        // In their order, so that a test can have the same again.
        let logs = self.logs.sorted { $0.key < $1.key }
        let minimumBytes = force ? 0 : PartitionLog.recoveryIntervalBytes(logCount: logs.count)
        var moves: [TopicPartition: PartitionLog.RecoveryPointMove] = [:]
        var failures = CheckpointFailures()
        for (partition, log) in logs {
            failures.run(partition) { () throws(LogError) in
                moves[partition] = try log.prepareRecoveryPoint(minimumBytes: minimumBytes)
            }
        }
        self.journal.prepareToFlush(logs.count { $0.value.syncedOffset < $0.value.endOffset })
        for (partition, log) in logs {
            failures.run(partition) { () throws(LogError) in try log.finishRecoveryPoint(moves[partition]) }
        }
        failures.report(to: self.logger)
        try self.changes.withLock { _ throws(LogError) in try self.writeCheckpoints(OffsetCheckpoint.allCases) }
    }

    /// Bytes that a start would have to read if the broker died now. Linear in the number of logs.
    public var bytesToRecover: Int64 { self.logs.values.reduce(0) { $0 + $1.bytesToRecover } }

    /// Writes the log start offsets down, so that deleted records stay deleted: before DeleteRecords is answered.
    public func checkpointLogStartOffsets() throws(LogError) {
        try self.changes.withLock { _ throws(LogError) in try self.writeCheckpoints([.logStartOffset]) }
    }

    /// Closes all logs, writes the checkpoints and, if every log was closed in order, the marker that lets the next
    /// start skip recovery. Gives the lock back. Throws the first error; everything that can be closed is closed.
    public func shutDown() throws(LogError) {
        let logs = self.logs
        // Nothing of a log that was not opened is known to be in order.
        let unopened = try self.partitions().contains { logs[$0] == nil }
        var failure: LogError?
        var syncsEach = logs.count < Self.bulkCount
        if !syncsEach {
            // Asked once beforehand, so that every log knows whether it has to sync its own files.
            syncsEach = (try? self.fileSystem.syncEverything(self.path)) != true
        }
        for (partition, log) in logs {
            do throws(LogError) {
                try log.close(syncing: syncsEach)
            } catch {
                self.logger?.error(
                    "a log was not closed in order", metadata: ["partition": "\(partition)", "error": "\(error)"])
                failure = failure ?? error
            }
        }
        defer { self.state.withLock { $0.lock = nil } }
        if !syncsEach {
            _ = try disk { () throws(FileSystemError) in try self.fileSystem.syncEverything(self.path) }
        }
        try self.changes.withLock { _ throws(LogError) in try self.writeCheckpoints(OffsetCheckpoint.allCases) }
        if let failure { throw failure }
        if unopened { return }
        try SmallFile.replace(
            Self.cleanShutdownFileName, in: self.path, with: #"{"version":0,"brokerEpoch":-1}"#, on: self.fileSystem)
    }

    /// Writes checkpoints with what the logs say now, and what was said before for the logs not opened. The caller
    /// holds `changes`.
    func writeCheckpoints(_ checkpoints: [OffsetCheckpoint]) throws(LogError) {
        let (logs, known) = self.state.withLock { ($0.logs, $0.checkpoints) }
        for checkpoint in checkpoints {
            var offsets = known[checkpoint] ?? [:]
            for (partition, log) in logs {
                let offset =
                    switch checkpoint {
                    case .recoveryPoint: log.recoveryPoint
                    case .logStartOffset: log.logStartOffset
                    case .highWatermark: log.highWatermark
                    }
                // Kafka's default where nothing is said is 0, too.
                if offset > 0 || checkpoint != .logStartOffset { offsets[partition] = offset }
            }
            try checkpoint.write(offsets, in: self.path, to: self.fileSystem)
        }
    }
}

/// The logs whose recovery points stay where they are.
private struct CheckpointFailures {
    private var failed: [TopicPartition: LogError] = [:]

    mutating func run(_ partition: TopicPartition, _ work: () throws(LogError) -> Void) {
        do throws(LogError) { try work() } catch { self.failed[partition] = error }
    }

    func report(to logger: Logger?) {
        var withoutRoom: [TopicPartition] = []
        for (partition, error) in self.failed {
            // Deleted meanwhile.
            if case .closed = error { continue }
            if error.isFull {
                withoutRoom.append(partition)
            } else {
                logger?.error(
                    "the recovery point stays where it is",
                    metadata: ["partition": "\(partition)", "error": "\(error)"])
            }
        }
        if let first = withoutRoom.min() {
            logger?.warning(
                "no room on the disk: recovery points stay where they are, and a crash would make the next start slower",
                metadata: ["partition": "\(first)", "partitions": "\(withoutRoom.count)"])
        }
    }
}
