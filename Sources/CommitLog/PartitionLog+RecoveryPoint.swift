// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

// Up to the recovery point a start after a crash need not look. It moves when everything before it is on stable storage,
// indexes and a snapshot included: alone, or with the recovery points of many other logs at the price of one sync.

extension PartitionLog {
    /// Bytes that may have to be read after a crash before it pays to sync indexes and snapshots: with thousands of
    /// partitions that write little, the syncs would cost more than they save.
    public static let recoveryIntervalBytes: Int64 = 4 << 20

    /// Flushes, and moves the recovery point to the end of the log when more than `recoveryIntervalBytes` were appended
    /// since it moved, or if `force` is set: then indexes, leader epochs and a producer snapshot are on stable storage
    /// as well. Returns the recovery point, for the caller to write to the data directory's checkpoint.
    ///
    /// Also closes the files of segments that nobody reads. To be called every minute or so. Throws `full` where there
    /// is no room for all that; the recovery point then stays where it is, and the log goes on.
    public func advanceRecoveryPoint(force: Bool = false) throws(LogError) -> Int64 {
        // The long part of it without the writer's lock.
        try self.flush()
        return try self.withSyncingAndWriter { writer throws(LogError) in
            try self.checkWritable()
            try self.flush(&writer)
            let segments = self.shared.withLock { $0.segments }
            for segment in segments.dropLast() { segment.releaseIdleFiles() }
            guard writer.endOffset > self.recoveryPoint,
                force || writer.bytesAfterRecoveryPoint >= Self.recoveryIntervalBytes
            else { return self.recoveryPoint }
            try self.writeEverythingElse(&writer, syncing: true)
            self.atomicRecoveryPoint.store(writer.endOffset, ordering: .releasing)
            writer.bytesAfterRecoveryPoint = 0
            return writer.endOffset
        }
    }

    /// Bytes that may have to be read after a crash before it pays to move the recovery point with those of many others.
    static let bulkRecoveryIntervalBytes: Int64 = 256 << 10

    /// Bytes that would have to be read if the broker died now.
    public var bytesToRecover: Int64 { self.writer.withLock { $0.bytesAfterRecoveryPoint } }

    /// What is being made of a recovery point.
    struct RecoveryPointMove {
        var offset: Int64
        /// Bytes appended between the old one and this.
        var byteCount: Int64
    }

    /// The first step of moving the recovery point with those of others: writes indexes, leader epochs and a snapshot,
    /// and syncs nothing, so that appends wait for moments only. Nil where it does not pay.
    ///
    /// Also closes the files of segments that nobody reads. Throws `full` where there is no room.
    func prepareRecoveryPoint(minimumBytes: Int64) throws(LogError) -> RecoveryPointMove? {
        try self.writer.withLock { writer throws(LogError) in
            try self.checkWritable()
            let segments = self.shared.withLock { $0.segments }
            for segment in segments.dropLast() { segment.releaseIdleFiles() }
            let byteCount = writer.bytesAfterRecoveryPoint
            guard writer.endOffset > self.recoveryPoint, byteCount >= minimumBytes else { return nil }
            try self.writeEverythingElse(&writer, syncing: false)
            return RecoveryPointMove(offset: writer.endOffset, byteCount: byteCount)
        }
    }

    /// The last step, after the whole file system was synced: syncs the batches, which tells whether they really are
    /// safe, and moves the recovery point. Indexes and snapshots that are not are found out when they are read.
    func finishRecoveryPoint(_ move: RecoveryPointMove?) throws(LogError) {
        try self.flush()
        guard let move else { return }
        self.writer.withLock { writer in
            self.atomicRecoveryPoint.max(move.offset, ordering: .releasing)
            writer.bytesAfterRecoveryPoint -= move.byteCount
        }
    }
}
