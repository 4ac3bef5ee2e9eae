// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import NIOCore

/// A batch that is ready to be sent.
struct ReadyBatch: Sendable {
    var partition: Int32
    var batch: RecordBatch
    /// The lines of the input that its records come from, counted from 1; others may lie between them. Nil for whole
    /// files.
    var lines: ClosedRange<Int>?
    /// The file that they are lines of; nil for the standard input.
    var source: String?

    /// `3 records of lines 1 to 5 of FILE`.
    var origin: String {
        let count = self.batch.header.recordCount
        var text = "\(count) record\(count == 1 ? "" : "s")"
        if let lines = self.lines {
            text +=
                lines.count == 1
                ? " of line \(lines.lowerBound)" : " of lines \(lines.lowerBound) to \(lines.upperBound)"
        }
        if let source = self.source { text += " of \(source)" }
        return text
    }
}

/// Collects records into one batch per partition, without any IO.
///
/// Batches of a partition carry consecutive sequence numbers, so they must be sent in the order in which they come out.
struct ProduceBatcher {
    private let target: ProduceTarget
    private let compressor = Compressor()
    private var builders: [RecordBatchBuilder]
    private var nextSequences: [Int32]
    /// Of the batches that are collected.
    private var lines: [ClosedRange<Int>?]
    /// Where records without a key go until its batch is full.
    private var stickyPartition: Int32 = 0

    init(_ target: ProduceTarget, firstPartition: Int32 = 0) {
        self.target = target
        var options = RecordBatchBuilder.Options()
        options.codec = target.codec
        if let identity = target.identity {
            options.producerID = identity.producerID.rawValue
            options.producerEpoch = identity.epoch.rawValue
        }
        self.builders = Array(repeating: RecordBatchBuilder(options), count: Int(target.partitionCount))
        self.nextSequences = Array(repeating: 0, count: Int(target.partitionCount))
        self.lines = Array(repeating: nil, count: Int(target.partitionCount))
        self.stickyPartition = firstPartition % target.partitionCount
    }

    /// Adds a record. Returns the batch that had to make room for it, to be sent before any later one.
    mutating func append(_ record: InputRecord, now: Int64) throws -> ReadyBatch? {
        let partition = try self.partition(of: record)
        let index = Int(partition)
        var ready: ReadyBatch?
        let size = RecordBatchBuilder.sizeUpperBound(key: record.key, value: record.value, headers: record.headers)
        if !self.builders[index].isEmpty, self.builders[index].uncompressedSize + size > self.target.batchBytes {
            ready = try self.finish(index)
        }
        try self.builders[index].append(
            key: record.key, value: record.value, headers: record.headers, timestamp: record.timestamp ?? now)
        if let line = record.line { self.lines[index] = (self.lines[index]?.lowerBound ?? line)...line }
        return ready
    }

    /// All batches that have records, in order of their partitions.
    mutating func finishAll() throws -> [ReadyBatch] {
        try self.builders.indices.compactMap { index in
            self.builders[index].isEmpty ? nil : try self.finish(index)
        }
    }

    var isEmpty: Bool { self.builders.allSatisfy(\.isEmpty) }

    private mutating func finish(_ index: Int) throws -> ReadyBatch {
        let count = self.builders[index].recordCount
        if self.target.identity != nil {
            let sequence = self.nextSequences[index]
            self.builders[index].options.baseSequence = sequence
            // After 2,147,483,647 comes 0.
            self.nextSequences[index] = Int32((Int64(sequence) + Int64(count)) & Int64(Int32.max))
        }
        if index == Int(self.stickyPartition) {
            self.stickyPartition = (self.stickyPartition + 1) % self.target.partitionCount
        }
        defer { self.lines[index] = nil }
        return ReadyBatch(
            partition: Int32(index), batch: try self.builders[index].finish(using: self.compressor),
            lines: self.lines[index])
    }

    private func partition(of record: InputRecord) throws -> Int32 {
        if let partition = record.partition ?? self.target.partition {
            guard (0..<self.target.partitionCount).contains(partition) else {
                throw CommandFailure(
                    "the topic \(self.target.topic) has no partition \(partition): it has"
                        + " \(self.target.partitionCount), from 0")
            }
            return partition
        }
        guard let key = record.key else { return self.stickyPartition }
        return KafkaRecords.partition(of: key, count: self.target.partitionCount).rawValue
    }
}
