// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords
public import KafkaTypes

/// A batch that a consumer was given. Its records lie where the socket's bytes were read to: nothing is copied, unless
/// it is compressed. Whoever keeps it keeps the whole answer that it came in, which does not count against
/// ``KafkaConsumerConfiguration/prefetchBytesMax`` once the next batch was asked for.
public struct ConsumedBatch: Sendable {
    /// Where it comes from.
    public let partition: TopicPartition
    /// The whole batch. It may begin before the position of the consumer: see ``start``.
    public let batch: RecordBatch
    /// Records before this offset are not wanted; ``records(using:)`` and ``forEachRecord(using:_:)`` leave them out.
    public let start: Offset
    /// The position after this batch. It may lie further than the last record: behind what compaction has removed,
    /// markers of transactions, and aborted records.
    public let next: Offset
    /// The end of the partition as the broker told it last. With read-committed, part of it may not be readable yet.
    public let highWatermark: Offset
    /// With read-committed: where what may be read ended then, the beginning of the first transaction that is open. Nil
    /// with read-uncommitted, where that is ``highWatermark``.
    public let lastStableOffset: Offset?
    /// How many offsets that may be read lay behind this batch: those up to ``lastStableOffset`` with read-committed,
    /// otherwise up to ``highWatermark``. Not negative; markers of transactions and aborted records count, too.
    public let lag: Int64
    /// Of the assignment or seek that it belongs to.
    let number: Int
    /// Of the leader that wrote the last record before ``next``, whether that is in this batch or not.
    private let epoch: LeaderEpoch
    /// Who leads the partition, as far as that is known.
    let leader: BrokerAddress?

    init(_ delivery: Fetcher.Delivery) {
        self.partition = delivery.partition
        self.batch = delivery.batch
        self.start = Offset(delivery.start)
        self.next = Offset(delivery.next)
        self.highWatermark = Offset(delivery.highWatermark)
        self.lastStableOffset = delivery.lastStableOffset.map { Offset($0) }
        self.lag = delivery.lag
        self.number = delivery.number
        self.epoch = delivery.epoch
        self.leader = delivery.leader
    }

    /// The epoch of the leader that wrote what lies before an offset of this batch.
    func leaderEpoch(upTo offset: Offset) -> LeaderEpoch {
        self.batch.leaderEpoch(upTo: offset.rawValue, behind: self.epoch)
    }

    /// Begins to read the records, in the order of their offsets. Costs nothing for an uncompressed batch; a compressed
    /// one is inflated here. Give the decompressor of your task, to make its contexts once.
    ///
    /// Throws `malformedResponse` when the records cannot be inflated.
    public func records(using decompressor: Decompressor? = nil) throws(KafkaClientError) -> BatchRecords {
        do throws(RecordError) {
            return BatchRecords(
                try self.batch.records(using: decompressor), partition: self.partition, from: self.start.rawValue)
        } catch {
            throw self.damaged(error)
        }
    }

    /// Calls `body` with every record, in the order of their offsets. The cheapest way: nothing is allocated, retained
    /// or copied per record, and what a record shows is valid only during the call.
    ///
    /// Throws what `body` throws, and `malformedResponse` when the records cannot be read.
    public func forEachRecord(
        using decompressor: Decompressor? = nil, _ body: (ConsumedRecordView) throws -> Void
    ) throws {
        let header = self.batch.header
        let start = self.start.rawValue
        let fixedTimestamp = header.timestampType == .logAppendTime ? header.maxTimestamp : nil
        do {
            try self.batch.forEachRecord(using: decompressor) { span in
                let offset = header.baseOffset &+ Int64(span.offsetDelta)
                guard offset >= start else { return }
                let timestamp = fixedTimestamp ?? (header.baseTimestamp &+ span.timestampDelta)
                try body(ConsumedRecordView(offset: offset, timestamp: timestamp, span: span))
            }
        } catch let error as RecordError {
            throw self.damaged(error)
        }
    }

    private func damaged(_ error: RecordError) -> KafkaClientError {
        BatchRecords.damaged(error, partition: self.partition, header: self.batch.header)
    }
}

/// One record where it lies in its batch. A view of memory that it does not keep alive: valid during the call that it
/// was given to, and not a moment longer.
public struct ConsumedRecordView {
    /// The position in the partition.
    public let offset: Int64
    /// Milliseconds since 1970, -1 if the producer gave none; with `LogAppendTime` the time of the append.
    public let timestamp: Int64
    private let span: RecordSpan

    init(offset: Int64, timestamp: Int64, span: RecordSpan) {
        self.offset = offset
        self.timestamp = timestamp
        self.span = span
    }

    /// Null and empty are two different keys.
    public var key: UnsafeRawBufferPointer? { self.span.key }
    /// Null is a tombstone in a compacted topic.
    public var value: UnsafeRawBufferPointer? { self.span.value }
    /// How many headers the record has. ``ConsumedBatch/records(using:)`` shows them.
    public var headerCount: Int { self.span.headerCount }
}

/// Reads the records of one batch that are wanted, without copying keys or values.
public struct BatchRecords: Sendable {
    private var records: RecordIterator
    private let partition: TopicPartition
    private let start: Int64

    init(_ records: RecordIterator, partition: TopicPartition, from start: Int64) {
        self.records = records
        self.partition = partition
        self.start = start
    }

    /// The next record, nil after the last. Throws `malformedResponse` when the bytes are not a record; it throws
    /// again then.
    public mutating func next() throws(KafkaClientError) -> Record? {
        do throws(RecordError) {
            while let record = try self.records.next() {
                if record.offset >= self.start { return record }
            }
            return nil
        } catch {
            throw Self.damaged(error, partition: self.partition, header: nil)
        }
    }

    static func damaged(
        _ error: RecordError, partition: TopicPartition, header: RecordBatchHeader?
    ) -> KafkaClientError {
        let place = header.map { " at offset \($0.baseOffset)" } ?? ""
        return KafkaClientError(
            .malformedResponse, "\(partition): the records of the batch\(place) cannot be read: \(error)", cause: error)
    }
}

/// A record that a consumer was given.
public struct ConsumedRecord: Sendable {
    /// Where it comes from.
    public let partition: TopicPartition
    /// Offset, timestamp, key, value and headers. Key and value are slices of the batch: whoever keeps them keeps the
    /// whole answer that they came in.
    public let record: Record
    /// The epoch of the leader that wrote it; `none` when the broker does not say.
    public let leaderEpoch: LeaderEpoch
    /// Of the assignment or seek that it belongs to.
    let number: Int
}
