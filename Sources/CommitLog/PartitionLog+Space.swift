// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

// What a log does where the disk is full: nothing was lost and nothing is unknown then, so it is not fenced.

extension LogError {
    /// It could not be done for want of room, and may be done when there is some.
    public var isFull: Bool {
        switch self {
        case .full: true
        case .storage(let error): error.isFull
        default: false
        }
    }
}

extension PartitionLog {
    /// Does the writer's work on the disk: where there is no room for it, it throws `full`; any other failure fences the
    /// log. For work that can be done again, from the beginning, when there is room.
    func fencingUnlessFull<Result>(_ work: () throws(FileSystemError) -> Result) throws(LogError) -> Result {
        do {
            return try work()
        } catch {
            if error.isFull { throw .full(self.topicPartition, error) }
            throw self.fence(error)
        }
    }

    /// The same for work that has errors of both kinds.
    func fencingUnlessFull(_ work: () throws(LogError) -> Void) throws(LogError) {
        do {
            try work()
        } catch {
            guard case .storage(let failure) = error else { throw error }
            if failure.isFull { throw .full(self.topicPartition, failure) }
            throw self.fence(failure)
        }
    }

    /// Writes a snapshot that nobody waits for, without syncing it. Where there is no room for it, the producers are
    /// found by an older one and the batches behind that.
    func writeSnapshotIfRoom(_ writer: inout Writer) throws(LogError) {
        do throws(LogError) {
            try self.fencingUnlessFull { () throws(LogError) in try self.writeSnapshot(&writer, sync: false) }
        } catch {
            guard error.isFull else { throw error }
            let offset = writer.endOffset
            // Half of it may be there, and what was there before under that name is not.
            try? self.fileSystem.removeFile(self.directory + "/" + SegmentFileName(offset, .snapshot).name)
            writer.snapshots.removeAll { $0 == offset }
        }
    }

    /// Removes the files of deleted segments now, without waiting for `file.delete.delay.ms`: for a disk that has no room
    /// left. Readers that have them open read on. Throws `storage` when the disk fails; the next call goes on.
    public func freeDeletedSegments() throws(LogError) {
        try self.writer.withLock { writer throws(LogError) in try self.removeDeletedFiles(&writer, now: .max) }
    }
}
