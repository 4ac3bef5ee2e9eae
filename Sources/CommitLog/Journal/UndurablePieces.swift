// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where the bytes lie that were appended to a log and are not known to be on stable storage. A value type without IO,
/// used by the log's writer.
///
/// What is appended next to one another in a file is one piece, until somebody takes the pieces to make them durable:
/// then a new piece begins, so that what was taken can be removed again as a whole.
struct UndurablePieces: Sendable {
    /// A stretch of a segment file: whole batches.
    struct Piece: Sendable {
        var file: any LogFile
        var position: Int64
        var byteCount: Int64
        /// The offset of the first record.
        var baseOffset: Int64
        /// The offset after the last record.
        var endOffset: Int64
    }

    private(set) var pieces: [Piece] = []
    private var isLastOpen = false

    /// Takes note of batches that were written.
    mutating func append(file: any LogFile, position: Int64, byteCount: Int64, baseOffset: Int64, endOffset: Int64) {
        if self.isLastOpen, let last = self.pieces.indices.last, self.pieces[last].file === file,
            self.pieces[last].position + self.pieces[last].byteCount == position,
            self.pieces[last].byteCount + byteCount <= Self.pieceByteCountMax
        {
            self.pieces[last].byteCount += byteCount
            self.pieces[last].endOffset = endOffset
        } else {
            self.pieces.append(
                Piece(
                    file: file, position: position, byteCount: byteCount, baseOffset: baseOffset, endOffset: endOffset))
            self.isLastOpen = true
        }
    }

    /// Bytes that a piece grows to at most; a single write may be larger. More is never worth journaling.
    private static let pieceByteCountMax: Int64 = 64 << 20

    /// All pieces, oldest first. What is appended from now on is not added to them.
    mutating func take() -> [Piece] {
        self.isLastOpen = false
        return self.pieces
    }

    /// Forgets the pieces before an offset, which are on stable storage.
    mutating func remove(upTo offset: Int64) {
        self.pieces.removeAll { $0.endOffset <= offset }
        if self.pieces.isEmpty { self.isLastOpen = false }
    }
}
