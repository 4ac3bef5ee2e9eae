// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes

/// How the journal lies on disk: files of a fixed size in the data directory, written from front to back and then used
/// again.
///
/// A file begins with a block that says that it is in use, and under which number (`nonce`). Behind it lie commits, each
/// beginning on a block boundary, so that no write touches a block that was synced before. A commit is one or more
/// entries, each a header and a piece of a partition's log as it lies in the segment. Numbers are in network byte order.
///
/// An entry counts when its checksum is right and it has the number of its file. What an earlier use of the file has
/// left has another number. The numbers are random: no producer can guess one and send records that look like entries.
enum JournalFormat {
    /// What a commit begins at a multiple of, in bytes: a page, the least that the system writes to a disk.
    static let blockByteCount: Int64 = 4_096

    /// Entries begin at a multiple of this many bytes.
    static let entryAlignment = 8

    /// Names of journal files are this and a number. No partition's directory can have such a name: those end in a dash
    /// and a number.
    static let filePrefix = "martlet-journal."

    static func fileName(_ number: Int) -> String { self.filePrefix + String(number) }

    /// The number of a journal file, or nil for names of other things.
    static func number(ofFile name: String) -> Int? {
        guard name.hasPrefix(self.filePrefix), let number = Int(name.dropFirst(self.filePrefix.count)), number >= 0,
            self.fileName(number) == name
        else { return nil }
        return number
    }

    static func roundUp(_ count: Int64) -> Int64 {
        (count + self.blockByteCount - 1) / self.blockByteCount * self.blockByteCount
    }
}

/// The first block of a journal file that is in use. A block of zeros stands for a file that is not.
struct JournalFileHeader: Hashable, Sendable {
    /// "MARTLETJ", and the version 1 of the format.
    private static let magic: UInt64 = 0x4d41_5254_4c45_544a
    private static let version: Int32 = 1
    private static let byteCount = 24

    /// The number of this use of the file, never 0.
    var nonce: UInt64

    init(nonce: UInt64) { self.nonce = nonce }

    /// Reads the first bytes of a file; nil when they do not say that it is in use.
    init?(parsing bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.byteCount, bytes.bigEndian(at: 0, as: UInt64.self) == Self.magic,
            bytes.bigEndian(at: 8, as: Int32.self) == Self.version,
            bytes.bigEndian(at: 20, as: UInt32.self) == crc32c(UnsafeRawBufferPointer(rebasing: bytes[0..<20]))
        else { return nil }
        self.nonce = bytes.bigEndian(at: 12, as: UInt64.self)
        guard self.nonce != 0 else { return nil }
    }

    /// The whole block.
    var block: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(JournalFormat.blockByteCount))
        bytes.appendBigEndian(Self.magic)
        bytes.appendBigEndian(Self.version)
        bytes.appendBigEndian(self.nonce)
        bytes.appendBigEndian(bytes.withUnsafeBytes { crc32c($0) })
        bytes.append(contentsOf: repeatElement(0, count: Int(JournalFormat.blockByteCount) - bytes.count))
        return bytes
    }
}

/// What stands before a piece of a log in the journal.
struct JournalEntryHeader: Hashable, Sendable {
    static let byteCount = 64
    /// "MJE1".
    private static let magic: UInt32 = 0x4d4a_4531
    /// The checksum covers everything behind itself, the piece of the log included.
    private static let checksummedFrom = 8

    /// That of the file.
    var nonce: UInt64
    var topicID: TopicID
    var partition: Int32
    /// Bytes of the piece.
    var pieceByteCount: Int32
    /// The offset of the first record of the piece.
    var baseOffset: Int64
    /// The offset after its last one.
    var endOffset: Int64

    /// The bytes that an entry with a piece of this size takes in a file.
    static func entryByteCount(pieceByteCount: Int64) -> Int64 {
        let alignment = Int64(JournalFormat.entryAlignment)
        return (Int64(self.byteCount) + pieceByteCount + alignment - 1) / alignment * alignment
    }

    /// Writes the header before a piece that lies behind it already. `entry` is both of them.
    func write(to entry: UnsafeMutableRawBufferPointer) {
        entry.storeBytes(of: Self.magic.bigEndian, toByteOffset: 0, as: UInt32.self)
        entry.storeBytes(of: self.nonce.bigEndian, toByteOffset: 8, as: UInt64.self)
        entry.storeBytes(of: self.topicID.high.bigEndian, toByteOffset: 16, as: UInt64.self)
        entry.storeBytes(of: self.topicID.low.bigEndian, toByteOffset: 24, as: UInt64.self)
        entry.storeBytes(of: self.partition.bigEndian, toByteOffset: 32, as: Int32.self)
        entry.storeBytes(of: self.pieceByteCount.bigEndian, toByteOffset: 36, as: Int32.self)
        entry.storeBytes(of: self.baseOffset.bigEndian, toByteOffset: 40, as: Int64.self)
        entry.storeBytes(of: self.endOffset.bigEndian, toByteOffset: 48, as: Int64.self)
        entry.storeBytes(of: 0, toByteOffset: 56, as: UInt64.self)
        let checksum = crc32c(UnsafeRawBufferPointer(rebasing: entry[Self.checksummedFrom...]))
        entry.storeBytes(of: checksum.bigEndian, toByteOffset: 4, as: UInt32.self)
    }

    /// Reads a header; nil unless it is one of the file with this number. The checksum is not looked at.
    init?(parsing bytes: UnsafeRawBufferPointer, nonce: UInt64) {
        guard bytes.count >= Self.byteCount, bytes.bigEndian(at: 0, as: UInt32.self) == Self.magic,
            bytes.bigEndian(at: 8, as: UInt64.self) == nonce
        else { return nil }
        self.nonce = nonce
        self.topicID = TopicID(
            high: bytes.bigEndian(at: 16, as: UInt64.self), low: bytes.bigEndian(at: 24, as: UInt64.self))
        self.partition = bytes.bigEndian(at: 32, as: Int32.self)
        self.pieceByteCount = bytes.bigEndian(at: 36, as: Int32.self)
        self.baseOffset = bytes.bigEndian(at: 40, as: Int64.self)
        self.endOffset = bytes.bigEndian(at: 48, as: Int64.self)
        // Longer pieces are never written, so whatever lies in a file, no more memory is taken for an entry.
        guard self.partition >= 0, (1...CommitCost.byteCountMax).contains(Int64(self.pieceByteCount)),
            self.baseOffset >= 0, self.endOffset > self.baseOffset,
            self.endOffset <= SegmentFileName.offsetLimit
        else { return nil }
    }

    init(topicID: TopicID, nonce: UInt64, partition: Int32, piece: UndurablePieces.Piece) {
        self.nonce = nonce
        self.topicID = topicID
        self.partition = partition
        self.pieceByteCount = Int32(piece.byteCount)
        self.baseOffset = piece.baseOffset
        self.endOffset = piece.endOffset
    }

    /// Whether the checksum of an entry, header and piece, is right.
    static func isIntact(_ entry: UnsafeRawBufferPointer) -> Bool {
        crc32c(UnsafeRawBufferPointer(rebasing: entry[Self.checksummedFrom...]))
            == entry.bigEndian(at: 4, as: UInt32.self)
    }
}
