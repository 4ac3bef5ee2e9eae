// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

// Up to the recovery point a start after a crash need not look. It moves when all batches before it are on stable storage.
// Indexes and snapshots are written then, too, but they need not be safe: they are believed as far as the batches agree.

extension PartitionLog {
    /// Bytes that may have to be read after a crash before it pays to sync indexes and snapshots: with thousands of
    /// partitions that write little, the syncs would cost more than they save.
    public static let recoveryIntervalBytes: Int64 = 4 << 20

    /// Flushes, and moves the recovery point to the end of the log when more than `recoveryIntervalBytes` were appended
    /// since it moved, or if `force` is set. Returns the recovery point, for the caller to write to the data directory's
    /// checkpoint.
    ///
    /// Throws `full` where there is no room for indexes and snapshot; the recovery point then stays where it is, and the
    /// log goes on.
    public func advanceRecoveryPoint(force: Bool = false) throws(LogError) -> Int64 {
        let move = try self.prepareRecoveryPoint(minimumBytes: force ? 0 : Self.recoveryIntervalBytes)
        try self.finishRecoveryPoint(move)
        return self.recoveryPoint
    }

    /// Bytes that may have to be read of each of so many logs before it pays to move their recovery points: less where
    /// there are many, as a start reads all of them.
    static func recoveryIntervalBytes(logCount: Int) -> Int64 {
        min(max(self.recoveryIntervalBytes * 64 / Int64(max(logCount, 1)), 256 << 10), self.recoveryIntervalBytes)
    }

    /// Bytes that would have to be read if the broker died now.
    public var bytesToRecover: Int64 { self.writer.withLock { $0.bytesAfterRecoveryPoint } }

    /// What is being made of a recovery point.
    struct RecoveryPointMove {
        var offset: Int64
        /// Bytes appended between the old one and this.
        var byteCount: Int64
    }

    /// The first step of moving the recovery point: writes indexes, leader epochs and a snapshot, and syncs nothing, so
    /// that appends wait for moments only. Nil where it does not pay.
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

    /// The last step: syncs the batches, while appends go on, and moves the recovery point.
    func finishRecoveryPoint(_ move: RecoveryPointMove?) throws(LogError) {
        try self.flush()
        guard let move else { return }
        self.writer.withLock { writer in
            self.atomicRecoveryPoint.max(move.offset, ordering: .releasing)
            writer.bytesAfterRecoveryPoint -= move.byteCount
        }
    }
}
