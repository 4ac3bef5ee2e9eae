// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// An entry of one of the two indexes of a segment: fixed in size, its key growing strictly from entry to entry.
protocol SegmentIndexEntry: Sendable, Hashable {
    /// The size on disk.
    static var byteCount: Int { get }
    /// What is looked up.
    var key: Int64 { get }
    /// Reads an entry; nil for the zeros that a preallocated index file ends with, and for what cannot be an entry.
    init?(parsing bytes: UnsafeRawBufferPointer, baseOffset: Int64)
    func append(to bytes: inout [UInt8], baseOffset: Int64)
}

/// Says that the batch whose last offset is `offset` begins at byte `position` of the segment.
///
/// On disk: the offset relative to the segment's base in 32 bits, the position in 32 bits.
struct OffsetIndexEntry: SegmentIndexEntry {
    static let byteCount = 8

    var offset: Int64
    var position: Int64

    var key: Int64 { self.offset }

    init(offset: Int64, position: Int64) {
        self.offset = offset
        self.position = position
    }

    init?(parsing bytes: UnsafeRawBufferPointer, baseOffset: Int64) {
        let relative = bytes.bigEndian(at: 0, as: Int32.self)
        let position = bytes.bigEndian(at: 4, as: Int32.self)
        // The first entry is written after some bytes were, so position 0 is never in an index.
        guard relative >= 0, position > 0 else { return nil }
        self.init(offset: baseOffset &+ Int64(relative), position: Int64(position))
    }

    func append(to bytes: inout [UInt8], baseOffset: Int64) {
        bytes.appendBigEndian(Int32(truncatingIfNeeded: self.offset - baseOffset))
        bytes.appendBigEndian(Int32(truncatingIfNeeded: self.position))
    }
}

/// Says that no record before the batch that ends at `offset` has a timestamp above `timestamp`, and that batch has it.
///
/// On disk: the timestamp in 64 bits, the offset relative to the segment's base in 32 bits.
struct TimeIndexEntry: SegmentIndexEntry {
    static let byteCount = 12

    /// Milliseconds since 1970.
    var timestamp: Int64
    var offset: Int64

    var key: Int64 { self.timestamp }

    init(timestamp: Int64, offset: Int64) {
        self.timestamp = timestamp
        self.offset = offset
    }

    init?(parsing bytes: UnsafeRawBufferPointer, baseOffset: Int64) {
        let timestamp = bytes.bigEndian(at: 0, as: Int64.self)
        let relative = bytes.bigEndian(at: 8, as: Int32.self)
        guard timestamp >= 0, relative >= 0, timestamp != 0 || relative != 0 else { return nil }
        self.init(timestamp: timestamp, offset: baseOffset &+ Int64(relative))
    }

    func append(to bytes: inout [UInt8], baseOffset: Int64) {
        bytes.appendBigEndian(self.timestamp)
        bytes.appendBigEndian(Int32(truncatingIfNeeded: self.offset - baseOffset))
    }
}

/// An index of a segment: entries in a file, and those not written yet in memory.
///
/// Only the unwritten tail is in memory, a block of it at most, so that the indexes of thousands of partitions take
/// room in the page cache and not in the process. The file is opened when it is first needed. A value type: the
/// segment keeps it under its lock, and runs the file work of `Stored` outside of the lock.
struct SegmentIndex<Entry: SegmentIndexEntry>: Sendable {
    /// Unwritten entries are written when there are this many: a block of 4 KiB of the offset index.
    static var pendingMax: Int { 512 }

    /// The most unwritten entries kept while the disk has no room for them: 96 KiB at most. Past it every second one
    /// goes, and lookups walk twice as far.
    static var keptMax: Int { 8 * self.pendingMax }

    /// The entries in the file.
    struct Stored: Sendable {
        var file: (any LogFile)?
        var count = 0
        var last: Entry?
    }

    var stored: Stored
    private(set) var pending: [Entry] = []

    init(stored: Stored = Stored()) { self.stored = stored }

    var count: Int { self.stored.count + self.pending.count }
    var last: Entry? { self.pending.last ?? self.stored.last }
    var needsWrite: Bool { self.pending.count >= Self.pendingMax }

    /// Adds an entry; one whose key does not grow is left out.
    mutating func append(_ entry: Entry) {
        guard self.last.map({ $0.key < entry.key }) ?? true else { return }
        self.pending.append(entry)
    }

    /// Makes do with half of the unwritten entries when there are more than `keptMax`. The last one stays: of a time
    /// index it tells the largest timestamp.
    mutating func thinOut() {
        guard self.pending.count > Self.keptMax else { return }
        let last = self.pending.count - 1
        self.pending = self.pending.indices.filter { (last - $0) % 2 == 0 }.map { self.pending[$0] }
    }

    /// The last entry in memory whose key is not above `key`. `inMemory` is false when the answer is in the file.
    func lookup(_ key: Int64) -> (entry: Entry?, inMemory: Bool) {
        guard let first = self.pending.first, first.key <= key else { return (nil, self.stored.count == 0) }
        var low = 0
        var high = self.pending.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if self.pending[middle].key <= key { low = middle } else { high = middle - 1 }
        }
        return (self.pending[low], true)
    }

    /// The first `count` pending entries are in the file now.
    mutating func wrote(_ count: Int, file: any LogFile) {
        self.stored.file = file
        self.stored.count += count
        self.stored.last = self.pending[count - 1]
        self.pending.removeFirst(count)
    }
}

extension SegmentIndex.Stored {
    /// How many entries are read at a time.
    private static var blockCount: Int { 512 }

    /// Looks at an index file: the zeros and the half entry that a crash may leave at its end do not count.
    ///
    /// Logarithmic in the number of entries; whether they grow is not checked, and every use of an entry has to
    /// look whether it is true. A missing file is an empty index.
    static func open(
        _ path: String, baseOffset: Int64, on fileSystem: any FileSystem, mode: OpenMode = .read
    ) throws(FileSystemError) -> Self {
        let file: any LogFile
        do {
            file = try fileSystem.open(path, mode)
        } catch {
            if error.isNotFound { return Self() }
            throw error
        }
        var stored = Self(file: file, count: Int(clamping: try file.size() / Int64(Entry.byteCount)), last: nil)
        guard stored.count > 0 else { return stored }
        stored.last = try stored.entry(at: stored.count - 1, baseOffset: baseOffset)
        if stored.last == nil {
            // Entries are never all zero, so the first one that is marks where a preallocated file is unused.
            var low = 0
            var high = stored.count - 1
            while low < high {
                let middle = (low + high) / 2
                if try stored.entry(at: middle, baseOffset: baseOffset) == nil {
                    high = middle
                } else {
                    low = middle + 1
                }
            }
            stored.count = low
            stored.last = low > 0 ? try stored.entry(at: low - 1, baseOffset: baseOffset) : nil
        }
        return stored
    }

    /// One entry of the file, or nil when what is there is none.
    func entry(at index: Int, baseOffset: Int64) throws(FileSystemError) -> Entry? {
        try self.withEntries(in: index..<(index + 1), baseOffset: baseOffset) { count, entry in
            count > 0 ? entry(0) : nil
        }
    }

    /// The entries of a range: fewer where the file ends before, nil for what is none.
    func entries(in range: Range<Int>, baseOffset: Int64) throws(FileSystemError) -> [Entry?] {
        try self.withEntries(in: range, baseOffset: baseOffset) { count, entry in
            (0..<count).map { entry($0) }
        } ?? []
    }

    /// The last entry whose key is not above `key`, found by halving; nil when there is none.
    func lookup(_ key: Int64, baseOffset: Int64) throws(FileSystemError) -> Entry? {
        var low = 0
        var high = self.count
        while high - low > Self.blockCount {
            let middle = (low + high) / 2
            guard let entry = try self.entry(at: middle, baseOffset: baseOffset) else { return nil }
            if entry.key <= key { low = middle } else { high = middle }
        }
        guard low < high else { return nil }
        return try self.withEntries(in: low..<high, baseOffset: baseOffset) { count, entry in
            var (first, last) = (0, count)
            while first < last {
                let middle = (first + last) / 2
                if let entry = entry(middle), entry.key <= key { first = middle + 1 } else { last = middle }
            }
            return first > 0 ? entry(first - 1) : nil
        }
    }

    /// Reads the entries of a range and gives how many there are, and each of them that is one.
    private func withEntries<Result>(
        in range: Range<Int>, baseOffset: Int64, _ body: (Int, (Int) -> Entry?) -> Result?
    ) throws(FileSystemError) -> Result? {
        guard let file = self.file else { return nil }
        let size = Entry.byteCount
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count * size, alignment: 8)
        defer { buffer.deallocate() }
        let count = try file.read(into: buffer, at: Int64(range.lowerBound) * Int64(size)) / size
        return body(count) { index in
            Entry(
                parsing: UnsafeRawBufferPointer(rebasing: buffer[index * size..<(index + 1) * size]),
                baseOffset: baseOffset)
        }
    }
}
