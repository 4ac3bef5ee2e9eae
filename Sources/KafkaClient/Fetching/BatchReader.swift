// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// Takes the batches out of what a Fetch brought of one partition, one by one. Answers are cut at their limit, wherever
/// that falls: the beginning of a batch at the end is left alone.
struct BatchReader: Sendable {
    private let partition: TopicPartition
    private let verifiesChecksums: Bool
    private var rest: ByteBuffer

    init(_ fetched: FetchedPartition, verifiesChecksums: Bool) {
        self.partition = fetched.partition
        self.rest = fetched.records
        self.verifiesChecksums = verifiesChecksums
    }

    /// The next whole batch, nil when there is none. Throws `malformedResponse` for a damaged one, and names
    /// `position`, the offset that is to be read next.
    mutating func next(position: Int64) throws(KafkaClientError) -> RecordBatch? {
        guard self.rest.readableBytes > 0 else { return nil }
        let batch: RecordBatch
        do throws(RecordError) {
            batch = try RecordBatch(parsing: self.rest)
        } catch {
            if case .truncated = error { return nil }
            throw KafkaClientError(
                .malformedResponse, "\(self.partition), after offset \(position): \(error)", cause: error)
        }
        if self.verifiesChecksums, !batch.verifyChecksum() {
            throw KafkaClientError(
                .malformedResponse,
                "\(self.partition): the batch at offset \(batch.header.baseOffset) is damaged, its checksum is wrong; to"
                    + " skip it, read from offset \(batch.header.nextOffset)")
        }
        self.rest.moveReaderIndex(forwardBy: batch.header.sizeInBytes)
        return batch
    }

    /// The error for bytes that brought nothing of the offset that was asked for.
    static func noProgress(_ fetched: FetchedPartition, at offset: Int64) -> KafkaClientError {
        KafkaClientError(
            .malformedResponse,
            "\(fetched.partition): \(fetched.records.readableBytes) bytes came for offset \(offset), and no whole batch"
                + " that has it")
    }
}
