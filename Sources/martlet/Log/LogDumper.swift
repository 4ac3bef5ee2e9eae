// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import NIOCore

/// Reads the files of a log and prints what is in them.
struct LogDumper {
    struct Options {
        var showsRecords = false
        /// Batches without any of these offsets are left out, and so are records outside; damage is always shown.
        var offsets: Range<Int64> = 0..<Int64.max
    }

    /// Indexes, snapshots and checkpoints are read at once: Kafka's indexes are 10 MiB by default.
    static let smallFileBytesMax: Int64 = 256 << 20

    private let options: Options
    private let fileSystem: any FileSystem
    private let format: ReportFormat
    private let progress: ProgressBar
    private let decompressor = Decompressor()
    private var output = StandardOutput()
    /// Of the files before.
    private var bytesBefore: Int64 = 0
    private(set) var damageCount = 0
    private var fileCount: Int64 = 0
    private var batchCount: Int64 = 0
    private var recordCount: Int64 = 0

    init(_ options: Options, fileSystem: any FileSystem, format: ReportFormat, progress: ProgressBar) {
        self.options = options
        self.fileSystem = fileSystem
        self.format = format
        self.progress = progress
    }

    /// Prints a file. Throws when the output cannot be written; a file that cannot be read is an entry that says so.
    mutating func dump(_ file: DumpFile, isOfGroups: Bool) throws {
        self.fileCount += 1
        if self.format == .text { self.output.print("\(file.path):") }
        do {
            let handle = try self.fileSystem.open(file.path, .read)
            let size = try handle.size()
            defer { self.bytesBefore += size }
            if file.kind == .log {
                try self.dumpSegment(handle, size: size, file, isOfGroups: isOfGroups)
            } else {
                guard size <= Self.smallFileBytesMax else {
                    return try self.print(.damage(at: 0, "\(size) bytes are too many for such a file"), file)
                }
                for entry in Self.entries(try Self.contents(handle, size: size), of: file) {
                    try self.print(entry, file)
                }
            }
        } catch let error as FileSystemError {
            try self.print(.damage(at: 0, "it cannot be read: \(error)"), file)
        }
    }

    /// Prints the sums, and all that was not printed yet.
    mutating func finish() throws {
        let summary = DumpEntry(
            "summary",
            [
                DumpField("files", .integer(self.fileCount)), DumpField("batches", .integer(self.batchCount)),
                DumpField("records", .integer(self.recordCount)), DumpField("bytes", .integer(self.bytesBefore)),
                DumpField("damaged", .integer(Int64(self.damageCount))),
            ])
        switch self.format {
        case .text: self.output.print(summary.line)
        case .json: self.write(summary, file: "")
        }
        try self.output.flush()
    }

    private mutating func print(_ entry: DumpEntry, _ file: DumpFile) throws {
        if entry.isDamage { self.damageCount += 1 }
        switch self.format {
        case .text: self.output.print(entry.line)
        case .json: self.write(entry, file: file.path)
        }
        try self.output.flushIfLarge()
    }

    private mutating func write(_ entry: DumpEntry, file: String) {
        // Taken out, so that there is one owner while it grows.
        var json = JSONWriter(self.output.buffer)
        self.output.buffer = ByteBuffer()
        entry.write(to: &json, file: file)
        json.endLine()
        self.output.buffer = json.buffer
    }

    // MARK: Segments

    private mutating func dumpSegment(
        _ handle: any LogFile, size: Int64, _ file: DumpFile, isOfGroups: Bool
    ) throws {
        var walk = SegmentWalk(file: handle, size: size)
        var nextOffset = file.baseOffset
        while true {
            let step = try walk.next()
            self.progress.update(self.bytesBefore + walk.position)
            switch step {
            case .batch(let batch, let position):
                self.batchCount += 1
                self.recordCount += Int64(batch.header.recordCount)
                // The offsets are not under the checksum.
                if batch.header.baseOffset < nextOffset {
                    let reason = "the batch begins at offset \(batch.header.baseOffset), and \(nextOffset) is the least"
                    try self.print(.damage(at: position, reason), file)
                }
                nextOffset = max(nextOffset, batch.header.nextOffset)
                guard self.isWanted(batch.header) else { continue }
                try self.print(.batch(batch.header, at: position), file)
                if self.options.showsRecords { try self.dumpRecords(batch, position, file, isOfGroups: isOfGroups) }
            case .corrupt(let header, let position, let computed):
                try self.print(.batch(header, at: position), file)
                try self.print(
                    .damage(
                        at: position, "the checksum of this batch is \(header.crc) and should be \(computed)",
                        length: Int64(header.sizeInBytes)), file)
            case .oldMessage(let magic, let offset, let position):
                let fields = [
                    DumpField("position", .integer(position)), DumpField("offset", .integer(offset)),
                    DumpField("magic", .integer(Int64(magic))),
                ]
                try self.print(DumpEntry("oldMessage", fields), file)
            case .damage(let position, let length, let reason):
                try self.print(.damage(at: position, reason, length: length), file)
            case .unused(let position, let length):
                let fields = [DumpField("position", .integer(position)), DumpField("length", .integer(length))]
                try self.print(DumpEntry("unused", fields), file)
            case .end:
                return
            }
        }
    }

    private func isWanted(_ header: RecordBatchHeader) -> Bool {
        header.lastOffset >= self.options.offsets.lowerBound && header.baseOffset < self.options.offsets.upperBound
    }

    private mutating func dumpRecords(
        _ batch: RecordBatch, _ position: Int64, _ file: DumpFile, isOfGroups: Bool
    ) throws {
        do {
            var records = try batch.records(using: self.decompressor)
            while let record = try records.next() {
                guard self.options.offsets.contains(record.offset) else { continue }
                if batch.header.isControl {
                    try self.print(.marker(record), file)
                } else {
                    try self.print(isOfGroups ? .groupRecord(record) : .record(record), file)
                }
            }
        } catch let error as RecordError {
            try self.print(.damage(at: position, "its records cannot be read: \(error)"), file)
        }
    }

    // MARK: Small files

    private static func contents(_ handle: any LogFile, size: Int64) throws(FileSystemError) -> ByteBuffer {
        var buffer = ByteBuffer()
        var failure: FileSystemError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(size)) { room in
            do throws(FileSystemError) {
                return try handle.read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<Int(size)]), at: 0)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return buffer
    }

    static func entries(_ bytes: ByteBuffer, of file: DumpFile) -> [DumpEntry] {
        switch file.kind {
        case .index: IndexEntries.offsets(bytes, baseOffset: file.baseOffset)
        case .timeIndex: IndexEntries.times(bytes, baseOffset: file.baseOffset)
        case .transactionIndex: IndexEntries.transactions(bytes)
        case .snapshot: IndexEntries.producers(bytes)
        case .checkpoint: IndexEntries.checkpoint(bytes, name: file.path.split(separator: "/").last ?? "")
        case .properties: IndexEntries.properties(bytes)
        case .log: []
        }
    }
}
