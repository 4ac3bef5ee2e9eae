// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// The end of a transaction in one partition: the one record of a control batch that the coordinator has the leader
/// write (KIP-98).
///
/// Key: version 0 and the outcome, 16 bits each. Value: version 0 in 16 bits and the coordinator's epoch in 32.
public struct EndTransactionMarker: Sendable, Equatable {
    /// How the transaction ended; the raw value is what the key stores.
    public enum Outcome: Int16, Sendable {
        case abort = 0
        case commit = 1
    }

    /// How the transaction ended.
    public var outcome: Outcome
    /// The epoch of the transaction coordinator that decided, so that one that was replaced is not heard.
    public var coordinatorEpoch: Int32

    /// A marker to be written.
    public init(outcome: Outcome, coordinatorEpoch: Int32) {
        self.outcome = outcome
        self.coordinatorEpoch = coordinatorEpoch
    }

    /// Reads the marker from the record of a control batch; nil for another kind of control record or a damaged one.
    public init?(_ record: Record) {
        guard var key = record.key, let keyVersion = key.readInteger(as: Int16.self), keyVersion >= 0,
            let outcome = key.readInteger(as: Int16.self).flatMap(Outcome.init(rawValue:)),
            var value = record.value, let valueVersion = value.readInteger(as: Int16.self), valueVersion >= 0,
            let coordinatorEpoch = value.readInteger(as: Int32.self)
        else { return nil }
        self.init(outcome: outcome, coordinatorEpoch: coordinatorEpoch)
    }

    /// The control batch for a producer's transaction; `timestamp` is in milliseconds since 1970.
    public func batch(
        producerID: Int64, producerEpoch: Int16, timestamp: Int64, baseOffset: Int64 = 0,
        partitionLeaderEpoch: Int32 = -1
    ) throws(RecordError) -> RecordBatch {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = baseOffset
        options.partitionLeaderEpoch = partitionLeaderEpoch
        options.producerID = producerID
        options.producerEpoch = producerEpoch
        options.isTransactional = true
        options.isControl = true
        var key = ByteBuffer()
        key.writeInteger(Int16(0))
        key.writeInteger(self.outcome.rawValue)
        var value = ByteBuffer()
        value.writeInteger(Int16(0))
        value.writeInteger(self.coordinatorEpoch)
        var builder = RecordBatchBuilder(options)
        try builder.append(key: key, value: value, timestamp: timestamp)
        return try builder.finish()
    }
}
