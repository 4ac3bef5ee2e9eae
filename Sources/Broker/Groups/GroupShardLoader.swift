// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import GroupCoordinator
import KafkaRecords
import Logging
import NIOCore

/// Reads a partition of `__consumer_offsets` into a shard. Waits for the disk: never to be used on an event loop.
struct GroupShardLoader {
    /// Bytes that are read at a time.
    static let readBytesMax = 1 << 20

    let log: PartitionLog
    let logger: Logger

    /// Replays every committed record.
    ///
    /// Damage is stepped over: a group that lost a commit goes on from an older one, which is better than that all groups of
    /// the partition stand still. The log and this tell of it.
    ///
    /// - Throws: when the log cannot be read at all.
    func load() throws(LogError) -> GroupShard {
        var shard = GroupShard()
        let end = self.log.highWatermark
        var offset = self.log.logStartOffset
        while offset < end {
            let slice: LogSlice
            do throws(LogError) {
                slice = try self.log.read(
                    from: offset, maxBytes: Self.readBytesMax, atLeastOneBatch: true, upTo: end)
            } catch {
                guard case .corrupt = error, let next = self.endOfDamage(at: offset) else { throw error }
                self.report("records of groups are damaged and left out; commits in them are lost", offset, "\(error)")
                offset = next
                continue
            }
            let next = try self.replay(slice, from: offset, into: &shard)
            // Nothing more to read before the end: compaction left a gap there.
            guard next > offset else { break }
            offset = next
        }
        return shard
    }

    private func endOfDamage(at offset: Int64) -> Int64? {
        self.log.damagedRanges.first { $0.startOffset <= offset && offset < $0.endOffset }?.endOffset
    }

    /// - Returns: the offset after the last batch.
    private func replay(_ slice: LogSlice, from offset: Int64, into shard: inout GroupShard) throws(LogError) -> Int64 {
        var bytes = try slice.bytes()
        var next = offset
        while bytes.readableBytes > 0 {
            do {
                let batch = try RecordBatch(parsing: bytes)
                bytes.moveReaderIndex(forwardBy: batch.header.sizeInBytes)
                next = batch.header.baseOffset + Int64(batch.header.lastOffsetDelta) + 1
                if !batch.header.isControl { try self.replay(batch, into: &shard) }
            } catch {
                self.report("a batch of group records cannot be read and is left out", next, "\(error)")
                break
            }
        }
        return next
    }

    private func replay(_ batch: RecordBatch, into shard: inout GroupShard) throws(RecordError) {
        var records = try batch.records()
        while let record = try records.next() {
            guard let key = record.key else { continue }
            do {
                if let record = try CoordinatorRecord(key: key, value: record.value) { shard.replay(record) }
            } catch {
                self.report("a group record makes no sense and is left out", record.offset, "\(error)")
            }
        }
    }

    private func report(_ text: Logger.Message, _ offset: Int64, _ error: String) {
        self.logger.error(
            text,
            metadata: ["partition": "\(self.log.topicPartition)", "offset": "\(offset)", "error": "\(error)"]
        )
    }
}
