// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Walks over the batches of a segment file, from one header to the next, with or without reading the records.
///
/// The file is hostile: whatever is not a batch is reported as such, with its place, and the walk stops there until it
/// is told where to go on. Memory is one window, whatever the sizes of the batches.
struct BatchScanner {
    enum Step {
        case batch(RecordBatchHeader, position: Int64)
        case damaged(position: Int64, Damage)
        case end
    }

    /// What is wrong at a place.
    struct Damage {
        var reason: String
        /// Where the next batch would begin if the length in the header were right; nil when it cannot be.
        var claimedEnd: Int64?
        /// The file ends before the batch does.
        var isTruncated: Bool
        /// It may well be a message in one of the formats before record batches, of which the log knows nothing.
        var isOldFormat = false
    }

    /// Enough for the headers of one stretch between two index entries.
    static let headerWindow = 8 << 10
    /// For reading everything.
    static let fullWindow = 1 << 20

    let file: any LogFile
    /// Where the walk ends.
    let end: Int64
    /// Where the next step looks.
    private(set) var position: Int64
    /// Byte ranges known to be damaged: they are stepped over. In ascending order.
    let skips: [Range<Int64>]
    private let window: ScanWindow

    init(
        file: any LogFile, from position: Int64, to end: Int64, skipping skips: [Range<Int64>] = [],
        window: ScanWindow = ScanWindow(byteCount: BatchScanner.headerWindow)
    ) {
        self.file = file
        self.position = position
        self.end = end
        self.skips = skips
        self.window = window
        window.reset()
    }

    /// The next batch. With `verifyingChecksum` all of its bytes are read and its CRC is compared.
    mutating func next(verifyingChecksum: Bool = false) throws(FileSystemError) -> Step {
        for skip in self.skips where skip.contains(self.position) { self.position = skip.upperBound }
        guard self.position < self.end else { return .end }
        let position = self.position
        guard let bytes = try self.bytes(at: position, count: RecordBatchHeader.byteCount) else {
            let reason = "\(self.end - position) bytes are left, a batch header takes \(RecordBatchHeader.byteCount)"
            return .damaged(position: position, Damage(reason: reason, claimedEnd: nil, isTruncated: true))
        }
        let header: RecordBatchHeader
        do throws(RecordError) {
            header = try RecordBatchHeader(parsing: bytes)
        } catch {
            return .damaged(
                position: position,
                Damage(
                    reason: error.description, claimedEnd: nil, isTruncated: false,
                    isOldFormat: self.isOldFormat(bytes, error)))
        }
        let batchEnd = position + Int64(header.sizeInBytes)
        guard batchEnd <= self.end else {
            let reason = "a batch of \(header.sizeInBytes) bytes does not fit in the \(self.end - position) left"
            return .damaged(position: position, Damage(reason: reason, claimedEnd: nil, isTruncated: true))
        }
        if verifyingChecksum, try self.checksum(at: position, size: header.sizeInBytes) != header.crc {
            let reason = "the checksum of the batch is wrong"
            return .damaged(
                position: position, Damage(reason: reason, claimedEnd: batchEnd, isTruncated: false))
        }
        self.position = batchEnd
        return .batch(header, position: position)
    }

    private func isOldFormat(_ bytes: UnsafeRawBufferPointer, _ error: RecordError) -> Bool {
        guard case .unsupportedMagic(0...1) = error else { return false }
        // The length stands where it does in a batch, and the smallest message takes 14 bytes after it.
        let length = bytes.bigEndian(at: 8, as: Int32.self)
        return length >= 14 && self.position + 12 + Int64(length) <= self.end
    }

    /// Whether a place is known to be damaged.
    func skips(_ position: Int64) -> Bool { self.skips.contains { $0.contains(position) } }

    /// Goes on at another place.
    mutating func seek(to position: Int64) { self.position = position }

    /// The header at a place if there is a whole one, without moving.
    func peek(at position: Int64) throws(FileSystemError) -> RecordBatchHeader? {
        guard let bytes = try self.bytes(at: position, count: RecordBatchHeader.byteCount) else { return nil }
        return try? RecordBatchHeader(parsing: bytes)
    }

    /// Whether a whole batch with the right checksum lies at a place.
    func validBatch(at position: Int64) throws(FileSystemError) -> RecordBatchHeader? {
        guard let header = try self.peek(at: position), position + Int64(header.sizeInBytes) <= self.end,
            try self.checksum(at: position, size: header.sizeInBytes) == header.crc
        else { return nil }
        return header
    }

    /// The CRC-32C of a batch from its attributes on; nil when the file ends before.
    private func checksum(at position: Int64, size: Int) throws(FileSystemError) -> UInt32? {
        var next = position + Int64(RecordBatchHeader.checksummedFrom)
        let end = position + Int64(size)
        var checksum: UInt32 = 0
        while next < end {
            guard let ahead = try self.window.bytes(at: next, atLeast: 1, of: self.file, end: self.end) else {
                return nil
            }
            let bytes = UnsafeRawBufferPointer(rebasing: ahead.prefix(Int(end - next)))
            checksum = crc32c(bytes, seed: checksum)
            next += Int64(bytes.count)
        }
        return checksum
    }

    private func bytes(at position: Int64, count: Int) throws(FileSystemError) -> UnsafeRawBufferPointer? {
        guard position >= 0, position <= self.end - Int64(count) else { return nil }
        return try self.window.bytes(at: position, atLeast: count, of: self.file, end: self.end)
    }
}

// MARK: - Behind the damage

extension BatchScanner {
    /// The most bytes whose checksum is computed in search of a batch: bytes made to look like headers everywhere must
    /// not make a start take hours.
    static let searchBytesMax: Int64 = 4 << 30

    enum SearchResult {
        case found(RecordBatchHeader, position: Int64)
        case nothing
        /// The search was given up.
        case undecided
    }

    /// Looks for the first whole batch with the right checksum whose base offset is not below `minimumOffset`, byte by
    /// byte. Linear in the bytes left, except where they look like headers.
    func search(from start: Int64, minimumOffset: Int64) throws(FileSystemError) -> SearchResult {
        var position = start
        var budget = Self.searchBytesMax
        while position <= self.end - Int64(RecordBatchHeader.byteCount) {
            guard
                let bytes = try self.window.bytes(
                    at: position, atLeast: RecordBatchHeader.byteCount, of: self.file, end: self.end)
            else { return .nothing }
            let last = bytes.count - RecordBatchHeader.byteCount
            var candidate: RecordBatchHeader?
            var index = 0
            while index <= last {
                if bytes[index + 16] == 2,
                    let header = try? RecordBatchHeader(parsing: UnsafeRawBufferPointer(rebasing: bytes[index...])),
                    header.isPlausible, header.baseOffset >= minimumOffset,
                    position + Int64(index) + Int64(header.sizeInBytes) <= self.end
                {
                    candidate = header
                    break
                }
                index += 1
            }
            position += Int64(index)
            if let candidate {
                budget -= Int64(candidate.sizeInBytes)
                if budget < 0 { return .undecided }
                if try self.checksum(at: position, size: candidate.sizeInBytes) == candidate.crc {
                    return .found(candidate, position: position)
                }
                position += 1
            }
        }
        return .nothing
    }

    /// The same for a batch that ends where its header claims, or goes up to `end`: the bytes of another batch may share
    /// its last sector.
    func looksUnwritten(
        from position: Int64, claimedEnd: Int64?, to end: Int64
    ) throws(FileSystemError) -> Bool {
        if try self.looksUnwritten(position..<end) { return true }
        guard let claimedEnd, claimedEnd > position, claimedEnd < end else { return false }
        return try self.looksUnwritten(position..<claimedEnd)
    }

    /// Whether a batch looks as if a part of it had never been written: a crash loses what was not synced in whole
    /// sectors, or in the part of one that a write touched, and they read as zeros. Bit rot does not do that.
    func looksUnwritten(_ range: Range<Int64>) throws(FileSystemError) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            let end = min((position / Self.sectorByteCount + 1) * Self.sectorByteCount, range.upperBound)
            // The first bytes of a batch are the upper ones of an offset: zeros that mean nothing.
            let isTelling = position > range.lowerBound || end - position >= 8
            if isTelling, try self.isZero(position..<end) { return true }
            position = end
        }
        return false
    }

    /// What disks write as a whole.
    private static var sectorByteCount: Int64 { 512 }

    private func isZero(_ range: Range<Int64>) throws(FileSystemError) -> Bool {
        let count = Int(range.upperBound - range.lowerBound)
        guard let bytes = try self.window.bytes(at: range.lowerBound, atLeast: count, of: self.file, end: self.end)
        else { return true }
        return bytes.prefix(count).allSatisfy { $0 == 0 }
    }
}

extension RecordBatchHeader {
    /// Whether a producer or a broker could have written this header. Used when the bytes may be anything.
    fileprivate var isPlausible: Bool {
        self.attributes & ~0x7f == 0 && self.codec != nil && self.partitionLeaderEpoch >= -1 && self.producerID >= -1
            && self.producerEpoch >= -1 && self.baseSequence >= -1
    }
}

/// A piece of a file in memory, moved along by a scanner. One can serve many scanners one after another.
// Safe to hand from thread to thread: whoever makes one or borrows it from `CheckWindows` is its only user meanwhile.
final class ScanWindow: @unchecked Sendable {
    private let buffer: UnsafeMutableRawBufferPointer
    private var start: Int64 = 0
    private var count = 0

    init(byteCount: Int) {
        self.buffer = .allocate(byteCount: max(byteCount, 1_024), alignment: 16)
    }

    deinit { self.buffer.deallocate() }

    /// Forgets what it holds: another file comes.
    func reset() { self.count = 0 }

    /// The bytes from `position` on, at least so many and not past `end`; nil when the file has fewer. Valid until the
    /// next call. `count` is never more than a sector or a header.
    func bytes(
        at position: Int64, atLeast count: Int, of file: any LogFile, end: Int64
    ) throws(FileSystemError) -> UnsafeRawBufferPointer? {
        if position < self.start || position + Int64(count) > self.start + Int64(self.count) {
            let wanted = Int(min(Int64(self.buffer.count), end - position))
            guard wanted >= count else { return nil }
            self.count = 0
            self.count = try file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: self.buffer[..<wanted]), at: position)
            self.start = position
            guard self.count >= count else { return nil }
        }
        let first = Int(position - self.start)
        let last = Int(min(Int64(self.count), end - self.start))
        return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(self.buffer)[first..<last])
    }
}
