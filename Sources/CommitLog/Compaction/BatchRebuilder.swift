// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore

/// Makes the batches that a cleaning writes in place of those from which it took records. Does no IO.
///
/// Owned by one cleaning, on one thread: it keeps the contexts of the codecs.
final class BatchRebuilder {
    private let contexts = CompressionContexts()
    private var plain = ByteBuffer()

    /// The records of a batch, inflated. Throws as `Decompressor.decompress` does.
    func inflate(_ batch: BatchReader.Batch) throws(RecordError) -> ByteBuffer? {
        guard let codec = batch.header.codec else {
            throw .unknownCodec(bits: Int8(truncatingIfNeeded: batch.header.attributes & 7))
        }
        // What lies uncompressed in the window need not be copied.
        if codec == .none { return nil }
        return try self.contexts.decompressor.decompress(batch.records, codec: codec)
    }

    /// What the control batch says about its transaction; nil for other control records.
    func outcome(of batch: BatchReader.Batch) throws(RecordError) -> EndTransactionMarker.Outcome? {
        var records = try RecordBatch(parsing: ByteBuffer(bytes: batch.bytes)).records()
        return try records.next().flatMap { EndTransactionMarker($0) }?.outcome
    }

    /// The header of a batch whose records have all gone. It says of offsets, producer and epoch what it said before.
    func emptied(_ old: RecordBatchHeader) -> (header: RecordBatchHeader, bytes: ByteBuffer) {
        var header = old
        header.attributes &= ~(RecordBatchHeader.Attribute.codecMask | RecordBatchHeader.Attribute.hasDeleteHorizon)
        header.baseTimestamp = -1
        header.recordCount = 0
        return self.finished(header, records: ByteBuffer())
    }

    /// A batch of what stays of another one. Offsets, producer, epoch and codec are those of the old one; so are the
    /// bytes of the records unless the batch gets a horizon, which is the base of their timestamps then.
    func rebuilt(
        _ old: RecordBatchHeader, records: UnsafeRawBufferPointer, _ rebuild: CompactionFilter.Rebuild
    ) throws(RecordError) -> (header: RecordBatchHeader, bytes: ByteBuffer) {
        var header = old
        header.recordCount = rebuild.count
        if old.timestampType == .createTime { header.maxTimestamp = rebuild.maxTimestamp }
        self.plain.clear()
        if let horizon = rebuild.newHorizon {
            header.attributes |= RecordBatchHeader.Attribute.hasDeleteHorizon
            header.baseTimestamp = horizon
            try self.writeMoved(records, of: old, rebuild, horizon: horizon)
        } else {
            for range in rebuild.kept { self.plain.writeBytes(UnsafeRawBufferPointer(rebasing: records[range])) }
        }
        guard let codec = old.codec, codec != .none else { return self.finished(header, records: self.plain) }
        var compressed = ByteBuffer()
        let result: Result<Void, RecordError> = self.plain.withUnsafeReadableBytes { bytes in
            do throws(RecordError) {
                return .success(
                    try self.contexts.compressor.compress(bytes, codec: codec, appendingTo: &compressed))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        return self.finished(header, records: compressed)
    }

    /// Writes the records that stay with timestamps that are relative to the horizon.
    private func writeMoved(
        _ records: UnsafeRawBufferPointer, of old: RecordBatchHeader, _ rebuild: CompactionFilter.Rebuild,
        horizon: Int64
    ) throws(RecordError) {
        var spans = RecordSpans(records, header: old)
        var ranges = rebuild.kept[...]
        while let span = try spans.next() {
            while let range = ranges.first, range.upperBound <= span.range.lowerBound { ranges.removeFirst() }
            guard let range = ranges.first, range.lowerBound <= span.range.lowerBound else { continue }
            span.write(to: &self.plain, timestampDelta: (old.baseTimestamp &+ span.timestampDelta) &- horizon)
        }
    }

    private func finished(
        _ header: RecordBatchHeader, records: ByteBuffer
    ) -> (header: RecordBatchHeader, bytes: ByteBuffer) {
        var header = header
        header.batchLength = Int32(clamping: records.readableBytes + RecordBatchHeader.minimumBatchLength)
        header.crc = records.withUnsafeReadableBytes { header.checksum(of: $0) }
        return (header, records)
    }
}
