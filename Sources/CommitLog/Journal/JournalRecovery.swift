// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Logging
import NIOCore
import Synchronization

/// What the journal held when its data directory was opened after a crash. The logs take from it what they lack.
final class JournalRecovery: Sendable {
    /// Whose entries.
    private struct Key: Hashable {
        var topicID: TopicID
        var partition: Int32
    }

    /// A piece of a log that lies in the journal, whole and with the right checksum.
    struct Entry: Sendable {
        var header: JournalEntryHeader
        var file: any LogFile
        /// Where the piece begins in the file.
        var position: Int64
    }

    private let entries: [Key: [Entry]]
    /// Bytes of all pieces.
    let byteCount: Int64

    /// Reads the files that are in use, with every byte of them.
    ///
    /// What is no entry is stepped over to the next block: it is the commit that a crash tore, which nobody was told of,
    /// or the end.
    init(
        _ paths: [String], from fileSystem: any FileSystem, logger: Logger?
    ) throws(FileSystemError) {
        var found: [Key: [Entry]] = [:]
        var total: Int64 = 0
        for path in paths {
            let file = try fileSystem.open(path, .read)
            var scan = JournalScan(file: file, size: try file.size())
            guard try scan.begin() else { continue }
            while let (header, position) = try scan.next() {
                found[Key(topicID: header.topicID, partition: header.partition), default: []].append(
                    Entry(header: header, file: file, position: position))
                total += Int64(header.pieceByteCount)
            }
        }
        // One log's entries may be spread over files; all of them were written in the order of their offsets.
        self.entries = found.mapValues { $0.sorted { $0.header.baseOffset < $1.header.baseOffset } }
        self.byteCount = total
        if total > 0 {
            logger?.info(
                "the journal holds what was acknowledged last",
                metadata: ["partitions": "\(found.count)", "bytes": "\(total)"])
        }
    }

    /// Gives a log back what it lacks. Returns the bytes that were appended; the log is to be flushed then.
    func replay(into log: PartitionLog, topicID: TopicID?, now: Int64) throws(LogError) -> Int {
        guard let topicID,
            let entries = self.entries[Key(topicID: topicID, partition: log.topicPartition.partition.rawValue)]
        else { return 0 }
        var byteCount = 0
        for entry in entries where entry.header.endOffset > log.endOffset {
            let bytes = try LogSlice(
                file: entry.file, position: entry.position, byteCount: Int(entry.header.pieceByteCount),
                startOffset: entry.header.baseOffset
            ).bytes()
            do throws(LogError) {
                byteCount += try log.replay(bytes, path: entry.file.path, now: now)
            } catch {
                guard case .malformed = error else { throw error }
                // Of a commit that nobody was told of, a part may be there and the part before it not.
                log.logger?.warning(
                    "the rest of the journal does not fit to a log and is left out",
                    metadata: ["partition": "\(log.topicPartition)", "error": "\(error)"])
                break
            }
        }
        return byteCount
    }
}

/// A walk over the entries of a journal file.
struct JournalScan {
    private let file: any LogFile
    private let size: Int64
    private var nonce: UInt64 = 0
    private var position = JournalFormat.blockByteCount

    /// - Parameter size: bytes to look at.
    init(file: any LogFile, size: Int64) {
        self.file = file
        self.size = size
    }

    /// Reads the header of the file; false when the file is not in use.
    mutating func begin() throws(FileSystemError) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = try bytes.read(from: self.file, at: 0)
        let header = bytes.withUnsafeBytes {
            JournalFileHeader(parsing: UnsafeRawBufferPointer(rebasing: $0[..<count]))
        }
        guard let header else { return false }
        self.nonce = header.nonce
        return true
    }

    /// The next entry that is whole, and where its piece begins; nil at the end.
    mutating func next() throws(FileSystemError) -> (JournalEntryHeader, position: Int64)? {
        var bytes = [UInt8](repeating: 0, count: JournalEntryHeader.byteCount)
        while self.position <= self.size - Int64(JournalEntryHeader.byteCount) {
            let start = self.position
            let count = try bytes.read(from: self.file, at: start)
            let header = bytes.withUnsafeBytes {
                JournalEntryHeader(parsing: UnsafeRawBufferPointer(rebasing: $0[..<count]), nonce: self.nonce)
            }
            if let header, try self.isIntact(header, at: start) {
                self.position += JournalEntryHeader.entryByteCount(pieceByteCount: Int64(header.pieceByteCount))
                return (header, start + Int64(JournalEntryHeader.byteCount))
            }
            self.position = JournalFormat.roundUp(start + 1)
        }
        return nil
    }

    private func isIntact(_ header: JournalEntryHeader, at position: Int64) throws(FileSystemError) -> Bool {
        let count = JournalEntryHeader.byteCount + Int(header.pieceByteCount)
        guard position + Int64(count) <= self.size else { return false }
        var entry = [UInt8](repeating: 0, count: count)
        guard try entry.read(from: self.file, at: position) == count else { return false }
        return entry.withUnsafeBytes { JournalEntryHeader.isIntact($0) }
    }
}

extension [UInt8] {
    /// Fills the array from a file; how many bytes there were.
    mutating func read(from file: any LogFile, at position: Int64) throws(FileSystemError) -> Int {
        var result: Result<Int, FileSystemError> = .success(0)
        self.withUnsafeMutableBytes { buffer in
            do throws(FileSystemError) {
                result = .success(try file.read(into: buffer, at: position))
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }
}
