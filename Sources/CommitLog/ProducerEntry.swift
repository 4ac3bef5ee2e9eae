// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// What a log remembers of one idempotent producer (KIP-98): its epoch and its last batches.
///
/// Invariants: all batches are of `epoch`, in the order of their sequences, at most `batchesMax` of them.
struct ProducerEntry: Sendable, Hashable {
    /// A producer has at most this many requests in flight, so this many batches may come again.
    static let batchesMax = 5

    struct Batch: Sendable, Hashable {
        var baseSequence: Int32
        var lastSequence: Int32
        var lastOffset: Int64
        var offsetDelta: Int32
        /// The largest timestamp of the batch, in milliseconds since 1970.
        var timestamp: Int64

        var baseOffset: Int64 { self.lastOffset - Int64(self.offsetDelta) }
    }

    let producerID: Int64
    var epoch: Int16
    var batches: [Batch] = []
    /// The largest timestamp of the last batch, in milliseconds since 1970.
    var lastTimestamp: Int64
    /// When the log last heard of the producer, in wall-clock milliseconds; not on disk.
    var lastAppendMs: Int64
    /// The epoch of the transaction coordinator that wrote the last marker, -1 without one.
    var coordinatorEpoch: Int32 = -1
    /// The first offset of the transaction that is open, -1 without one.
    var transactionFirstOffset: Int64 = -1

    /// The sequence of the last record, -1 when none is known.
    var lastSequence: Int32 { self.batches.last?.lastSequence ?? -1 }
}

/// What becomes of a batch of an idempotent producer.
enum ProducerVerdict: Sendable, Hashable {
    case append
    /// The batch was appended before, and this is what is remembered of it.
    case duplicate(ProducerEntry.Batch)
    case reject(AppendError)
}

extension ProducerEntry {
    /// Judges a batch against what is known of its producer; `entry` is nil for a producer that is not known.
    ///
    /// | the producer is | the batch has | verdict |
    /// | --- | --- | --- |
    /// | any | no sequence | out of order |
    /// | unknown | any sequence | append: its records may have been deleted |
    /// | known | an older epoch | invalid producer epoch |
    /// | known | a newer epoch, sequence 0 | append |
    /// | known | a newer epoch, another sequence | out of order |
    /// | known | the sequences of a remembered batch | duplicate, with its offsets |
    /// | known | sequences before all remembered | duplicate, offsets forgotten |
    /// | known | the sequence after the last (0 after 2,147,483,647) | append |
    /// | known | anything else | out of order |
    static func judge(_ batch: RecordBatchHeader, against entry: ProducerEntry?) -> ProducerVerdict {
        let who = "producer \(batch.producerID)"
        guard batch.baseSequence >= 0 else {
            return .reject(.outOfOrderSequence(message: "\(who) sent a batch without a sequence"))
        }
        guard let entry else { return .append }
        if batch.producerEpoch < entry.epoch {
            return .reject(
                .invalidProducerEpoch(
                    message: "\(who) wrote with epoch \(batch.producerEpoch), but its current epoch is \(entry.epoch): "
                        + "another instance of it has taken over"
                ))
        }
        if batch.producerEpoch > entry.epoch {
            if batch.baseSequence == 0 { return .append }
            return .reject(
                .outOfOrderSequence(
                    message:
                        "\(who) began its epoch \(batch.producerEpoch) with sequence \(batch.baseSequence) instead of 0"
                ))
        }
        if let known = entry.batches.last(where: {
            $0.baseSequence == batch.baseSequence && $0.lastSequence == batch.lastSequence
        }) {
            return .duplicate(known)
        }
        let last = entry.lastSequence
        let expected = last == Int32.max ? 0 : last + 1
        if batch.baseSequence == expected { return .append }
        if let oldest = entry.batches.first, self.distance(from: batch.lastSequence, to: oldest.baseSequence) > 0 {
            return .reject(
                .duplicateSequence(
                    message:
                        "\(who) sent sequences \(batch.baseSequence) to \(batch.lastSequence) again, which are older "
                        + "than the last \(entry.batches.count) batches that are remembered: they are in the log already"
                ))
        }
        return .reject(
            .outOfOrderSequence(
                message: "\(who) with epoch \(batch.producerEpoch) sent sequence \(batch.baseSequence), "
                    + "but the next one is \(expected): records before it were lost or are still to come"
            ))
    }

    /// How far ahead `to` is of `from` on the circle of 2^31 sequences; negative when it is behind.
    private static func distance(from: Int32, to: Int32) -> Int32 {
        let steps = (Int64(to) - Int64(from)) & 0x7fff_ffff
        return Int32(steps < 1 << 30 ? steps : steps - (1 << 31))
    }

    /// Takes note of a batch that is in the log. A newer epoch forgets the batches of the one before.
    mutating func add(_ batch: RecordBatchHeader, appendedMs: Int64) {
        if batch.producerEpoch != self.epoch {
            self.epoch = batch.producerEpoch
            self.batches.removeAll(keepingCapacity: true)
        }
        self.lastTimestamp = batch.maxTimestamp
        self.lastAppendMs = max(self.lastAppendMs, appendedMs)
        if batch.isControl {
            self.transactionFirstOffset = -1
            return
        }
        if batch.isTransactional, self.transactionFirstOffset < 0 { self.transactionFirstOffset = batch.baseOffset }
        if self.batches.count == Self.batchesMax { self.batches.removeFirst() }
        self.batches.append(
            Batch(
                baseSequence: batch.baseSequence, lastSequence: batch.lastSequence, lastOffset: batch.lastOffset,
                offsetDelta: batch.lastOffsetDelta, timestamp: batch.maxTimestamp
            ))
    }
}
