// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Synchronization

/// The producer id, epoch and first sequence under which a batch is sent; all -1 without idempotence.
struct BatchStamp: Sendable, Hashable {
    var producerID: Int64 = -1
    var epoch: Int16 = -1
    var sequence: Int32 = -1
}

/// A sealed batch: the bytes that are sent, again if need be.
final class OutgoingBatch: Sendable {
    private enum Content {
        case records(RecordBatchBuilder)
        /// Compressed, with the stamp in its header.
        case encoded(RecordBatch)
        /// Acknowledged, or failed.
        case none
    }

    let owner: ProducerBatch
    /// Which records of the owner these are.
    let records: Range<Int32>
    /// Uncompressed, header included.
    let byteCount: Int
    /// What the owner has taken of the producer's memory; with the last piece it is given back.
    let reservedBytes: Int
    private let content: Mutex<Content>

    init(_ builder: consuming RecordBatchBuilder, owner: ProducerBatch, firstRecord: Int32 = 0, reservedBytes: Int) {
        self.owner = owner
        self.records = firstRecord..<firstRecord + builder.recordCount
        self.byteCount = builder.uncompressedSize
        self.reservedBytes = reservedBytes
        self.content = Mutex(.records(builder))
    }

    /// The bytes with this stamp: compressed the first time, and only stamped anew later. Linear in the size.
    func encode(_ stamp: BatchStamp, using compressor: Compressor) throws(RecordError) -> RecordBatch {
        try self.content.withLock { (content) throws(RecordError) in
            switch content {
            case .records(var builder):
                content = .none
                builder.options.producerID = stamp.producerID
                builder.options.producerEpoch = stamp.epoch
                builder.options.baseSequence = stamp.sequence
                let batch = try builder.finish(using: compressor)
                content = .encoded(batch)
                return batch
            case .encoded(let batch):
                let header = batch.header
                guard
                    header.producerID != stamp.producerID || header.producerEpoch != stamp.epoch
                        || header.baseSequence != stamp.sequence
                else { return batch }
                let stamped = batch.stamped(
                    producerID: stamp.producerID, epoch: stamp.epoch, baseSequence: stamp.sequence)
                content = .encoded(stamped)
                return stamped
            case .none:
                throw .emptyBatch
            }
        }
    }

    /// It was encoded before, and so it is most likely sent again.
    var isEncoded: Bool {
        self.content.withLock { content in
            if case .encoded = content { true } else { false }
        }
    }

    /// Frees the bytes.
    func discard() { self.content.withLock { $0 = .none } }

    /// The records in two halves, in their order; nil when there is only one, or the bytes cannot be read again.
    func halves(_ options: RecordBatchBuilder.Options) -> [OutgoingBatch]? {
        guard self.records.count > 1,
            case .encoded(let batch) = self.content.withLock({ $0 }), var records = try? batch.records()
        else { return nil }
        let middle = self.records.lowerBound + Int32(self.records.count / 2)
        var halves: [OutgoingBatch] = []
        for (first, end) in [(self.records.lowerBound, middle), (middle, self.records.upperBound)] {
            var builder = RecordBatchBuilder(options)
            for _ in first..<end {
                guard let record = try? records.next(),
                    (try? builder.append(
                        key: record.key, value: record.value, headers: Array(record.headers),
                        timestamp: record.timestamp)) != nil
                else { return nil }
            }
            // What the whole took is given back with the last piece of its owner.
            halves.append(
                OutgoingBatch(builder, owner: self.owner, firstRecord: first, reservedBytes: self.reservedBytes))
        }
        return halves
    }
}
