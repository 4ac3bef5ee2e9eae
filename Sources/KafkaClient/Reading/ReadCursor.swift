// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// How far the reading of one partition has come, without any IO.
///
/// `offset` only grows. The partition is done when it reaches `end`.
struct ReadCursor: Sendable {
    enum Outcome {
        /// These batches, in order of their offsets; perhaps none.
        case batches([ReadBatch])
        /// Ask the cluster who leads the partition now.
        case moved(KafkaClientError)
    }

    let partition: TopicPartition
    var topicID: TopicID?
    private(set) var offset: Int64
    private let end: Int64?

    init(_ range: ReadRange) {
        self.partition = range.partition
        self.offset = range.start.rawValue
        self.end = range.end?.rawValue
    }

    var isDone: Bool {
        guard let end = self.end else { return false }
        return self.offset >= end
    }

    var position: FetchPosition {
        FetchPosition(partition: self.partition, topicID: self.topicID, offset: self.offset)
    }

    /// Takes what a Fetch brought and moves on.
    ///
    /// Throws what will not go away: an offset that is not there, a damaged batch, a refusal.
    mutating func received(
        _ fetched: FetchedPartition, configuration: ReadConfiguration
    ) throws(KafkaClientError) -> Outcome {
        switch fetched.errorCode {
        case .none:
            break
        case .offsetOutOfRange:
            return try self.outOfRange(fetched, configuration)
        case let code where code.isRetriable || code == .fencedLeaderEpoch || code == .unknownTopicID:
            return .moved(KafkaClientError(code, subject: "\(self.partition)"))
        default:
            throw KafkaClientError(fetched.errorCode, subject: "\(self.partition)")
        }
        let start = Offset(self.offset)
        var batches: [ReadBatch] = []
        var reader = BatchReader(fetched, verifiesChecksums: configuration.verifiesChecksums)
        var aborted = AbortedTransactions(configuration.isolation == .readCommitted ? fetched.aborted : [])
        while !self.isDone, let batch = try reader.next(position: self.offset) {
            let isHidden = aborted.isAborted(batch) || batch.header.isControl
            // A batch below the position is left over from before a compaction; a marker of a transaction is no record.
            if batch.header.lastOffset >= self.offset, !isHidden {
                batches.append(
                    ReadBatch(
                        partition: self.partition, batch: batch, start: start, end: self.end.map { Offset($0) }))
            }
            self.offset = max(self.offset, batch.header.nextOffset)
        }
        if fetched.records.readableBytes > 0, self.offset == start.rawValue {
            throw BatchReader.noProgress(fetched, at: start.rawValue)
        }
        return .batches(batches)
    }

    private mutating func outOfRange(
        _ fetched: FetchedPartition, _ configuration: ReadConfiguration
    ) throws(KafkaClientError) -> Outcome {
        if configuration.outOfRangePolicy == .skipToEarliest, fetched.logStartOffset > self.offset {
            self.offset = fetched.logStartOffset
            return .batches([])
        }
        var error = KafkaClientError(.offsetOutOfRange, subject: "\(self.partition)")
        error.message = "\(self.partition) has no offset \(self.offset)"
        if fetched.logStartOffset >= 0, fetched.highWatermark >= 0 {
            error.message += ": it has \(fetched.logStartOffset) up to \(fetched.highWatermark)"
        }
        throw error
    }
}
