// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Glibc
import KafkaRecords
import KafkaTypes
import NIOCore

/// A directory that is removed with everything in it when the test is done with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/martlet-log-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no temporary directory can be made")
        self.path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { Self.remove(self.path) }

    private static func remove(_ path: String) {
        let fileSystem = POSIXFileSystem()
        for name in (try? fileSystem.list(path)) ?? [] {
            let child = path + "/" + name
            if (try? fileSystem.status(child))??.isDirectory == true {
                self.remove(child)
            } else {
                try? fileSystem.removeFile(child)
            }
        }
        try? fileSystem.removeDirectory(path)
    }
}

let testPartition = TopicPartition(topic: "orders", partition: 3)

/// Wall-clock milliseconds at which tests begin.
let testNow: Int64 = 1_800_000_000_000

/// What a test batch looks like.
struct BatchShape {
    var values: [String]
    var timestamps: [Int64]?
    var producerID: Int64 = -1
    var epoch: Int16 = 0
    var sequence: Int32 = -1
    var codec: CompressionCodec = .none
    var logAppendTime: Int64?
}

func makeBatch(_ shape: BatchShape) -> PreparedBatch {
    var options = RecordBatchBuilder.Options()
    options.producerID = shape.producerID
    options.producerEpoch = shape.producerID >= 0 ? shape.epoch : -1
    options.baseSequence = shape.sequence
    options.codec = shape.codec
    options.logAppendTime = shape.logAppendTime
    var builder = RecordBatchBuilder(options)
    for (index, value) in shape.values.enumerated() {
        try! builder.append(
            key: nil, value: ByteBuffer(string: value), timestamp: shape.timestamps?[index] ?? testNow + Int64(index))
    }
    return PreparedBatch(trusting: try! builder.finish())
}

/// A batch of records with these values.
func batch(_ values: String..., timestamp: Int64 = testNow) -> PreparedBatch {
    makeBatch(BatchShape(values: values, timestamps: values.map { _ in timestamp }))
}

/// One record of about so many bytes, none of which is zero.
func largeBatch(_ byteCount: Int, tag: String = "x", timestamp: Int64 = testNow) -> PreparedBatch {
    let value = tag + String(repeating: "v", count: max(byteCount - tag.utf8.count, 0))
    return makeBatch(BatchShape(values: [value], timestamps: [timestamp]))
}

func sequenced(_ count: Int, producer: Int64, epoch: Int16 = 0, from sequence: Int32) -> PreparedBatch {
    makeBatch(
        BatchShape(
            values: (0..<count).map { "p\(producer)-\(Int64(sequence) + Int64($0))" }, producerID: producer,
            epoch: epoch, sequence: sequence))
}

/// A record as tests compare them.
struct SeenRecord: Hashable, CustomStringConvertible {
    var offset: Int64
    var value: String
    var description: String { "\(self.offset)=\(self.value.prefix(24))" }
}

extension PartitionLog {
    static func openTest(
        _ directory: String, fileSystem: any FileSystem = POSIXFileSystem(), config: LogConfig = LogConfig(),
        recovery: Recovery = .clean, logStartOffset: Int64 = 0, now: Int64 = testNow
    ) throws -> PartitionLog {
        try PartitionLog.open(
            fileSystem: fileSystem, directory: directory, topicPartition: testPartition, config: config,
            recovery: recovery, logStartOffset: logStartOffset, now: now)
    }

    /// Appends batches one call each and expects all of them to be taken.
    @discardableResult
    func put(_ batches: PreparedBatch..., epoch: Int32 = 0, now: Int64 = testNow) throws -> [AppendResult] {
        try batches.map { try self.append([$0], leaderEpoch: epoch, now: now)[0].get() }
    }

    /// The batches of one read.
    func batches(
        from offset: Int64, maxBytes: Int = 1 << 20, atLeastOneBatch: Bool = true, upTo limit: Int64 = .max
    ) throws -> [RecordBatch] {
        var bytes = try self.read(
            from: offset, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch, upTo: limit
        ).bytes()
        var batches: [RecordBatch] = []
        while bytes.readableBytes >= RecordBatchHeader.byteCount, let batch = try? RecordBatch(parsing: bytes) {
            batches.append(batch)
            bytes.moveReaderIndex(forwardBy: batch.header.sizeInBytes)
        }
        return batches
    }

    /// All records from an offset to a limit, read as a consumer does: every batch checked, every offset once.
    func records(from offset: Int64, upTo limit: Int64 = .max, maxBytes: Int = 1 << 20) throws -> [SeenRecord] {
        var seen: [SeenRecord] = []
        var next = offset
        while true {
            let batches = try self.batches(from: next, maxBytes: maxBytes, upTo: limit)
            guard !batches.isEmpty else { return seen }
            for batch in batches {
                guard batch.verifyChecksum() else {
                    throw TestFailure("the batch at \(batch.header.baseOffset) is damaged")
                }
                var records = try batch.records()
                while let record = try records.next() {
                    guard record.offset >= next else { continue }
                    seen.append(SeenRecord(offset: record.offset, value: record.value.map { String(buffer: $0) } ?? ""))
                }
                next = batch.header.nextOffset
            }
        }
    }

    var values: [String] { get throws { try self.records(from: self.logStartOffset).map(\.value) } }
}

struct TestFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Whole-file access for tests that damage things.
enum RawFile {
    static func read(_ path: String) throws -> [UInt8] {
        let file = try POSIXFileSystem().open(path, .read)
        let size = Int(try file.size())
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return Array(bytes.prefix(count))
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try POSIXFileSystem().open(path, .createEmpty)
        try bytes.withUnsafeBytes { try file.write([$0], at: 0) }
    }

    static func flip(_ path: String, at position: Int, xor mask: UInt8 = 0x40) throws {
        var bytes = try self.read(path)
        bytes[position] ^= mask
        try self.write(bytes, to: path)
    }

    static func truncate(_ path: String, to size: Int) throws {
        try POSIXFileSystem().open(path, .readWrite).truncate(to: Int64(size))
    }

    static func exists(_ path: String) -> Bool { (try? POSIXFileSystem().status(path)) != .some(nil) }
}

/// The name of a segment's file.
func segmentFile(_ base: Int64, _ kind: String) -> String {
    let digits = String(base)
    return String(repeating: "0", count: 20 - digits.count) + digits + "." + kind
}
