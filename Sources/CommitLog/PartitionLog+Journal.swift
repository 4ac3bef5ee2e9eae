// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Logging
import NIOCore
import Synchronization

// What a `JournalLane` does with a log, and what a start takes back from the journal.

extension PartitionLog {
    /// What has to become durable for everything appended so far to be.
    struct CommitWork: Sendable {
        var pieces: [UndurablePieces.Piece]
        /// The offset after the last piece.
        var endOffset: Int64
        /// The pieces go on where what is durable ends, so that they will do.
        var isWhole: Bool

        var byteCount: Int64 { self.pieces.reduce(0) { $0 + $1.byteCount } }
    }

    /// What there is to make durable; nil when there is nothing. Throws `fenced` or `closed`.
    func beginCommit() throws(LogError) -> CommitWork? {
        try self.writer.withLock { writer throws(LogError) in
            try self.checkWritable()
            let durable = self.flushedOffset
            guard writer.endOffset > durable else { return nil }
            let pieces = writer.undurable.take()
            return CommitWork(
                pieces: pieces, endOffset: writer.endOffset, isWhole: pieces.first?.baseOffset == durable)
        }
    }

    /// Takes note that the pieces are on stable storage outside of the segments. Fails when the log was fenced meanwhile.
    func finishCommit(_ work: CommitWork) -> Result<Void, LogError> {
        self.writer.withLock { writer in
            if let refusal = self.refusal { return .failure(refusal) }
            writer.undurable.remove(upTo: work.endOffset)
            self.atomicFlushedOffset.max(work.endOffset, ordering: .releasing)
            return .success(())
        }
    }

    /// Appends what a piece from the journal has and the log has not. Returns how many bytes that was.
    ///
    /// Batches before the end of the log are left out, so a piece may be replayed again and again. The log is to be
    /// flushed afterwards. Throws `malformed` when the piece is not what was appended, or begins after the end of the
    /// log; then nothing more of the journal fits.
    func replay(_ piece: ByteBuffer, path: String, now: Int64) throws(LogError) -> Int {
        var rest = piece
        var byteCount = 0
        while rest.readableBytes > 0 {
            let batch: RecordBatch
            do throws(RecordError) {
                batch = try RecordBatch(parsing: rest)
            } catch {
                throw .malformed(path: path, reason: "a batch of \(self.topicPartition) cannot be read: \(error)")
            }
            let header = batch.header
            guard header.nextOffset > header.baseOffset, batch.verifyChecksum() else {
                throw .malformed(
                    path: path, reason: "the batch at offset \(header.baseOffset) of \(self.topicPartition) is damaged")
            }
            rest.moveReaderIndex(forwardBy: header.sizeInBytes)
            if header.nextOffset <= self.endOffset { continue }
            guard header.baseOffset == self.endOffset else {
                throw .malformed(
                    path: path,
                    reason: "\(self.topicPartition) ends at offset \(self.endOffset), and the journal goes on at "
                        + "\(header.baseOffset)")
            }
            let results = self.append(
                [PreparedBatch(trusting: batch)], leaderEpoch: header.partitionLeaderEpoch, now: now, isReplay: true)
            if case .failure(let error) = results[0] {
                if case .storage(let error) = error { throw error }
                throw .malformed(path: path, reason: "\(self.topicPartition) does not take its batch back: \(error)")
            }
            byteCount += header.sizeInBytes
        }
        return byteCount
    }
}
