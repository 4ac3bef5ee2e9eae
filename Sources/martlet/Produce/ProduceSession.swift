// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads input, collects batches and sends them, several partitions at a time.
///
/// A partition has one batch on its way while the next one is collected. When the input pauses everything is sent, so a
/// line that a person types is there at once.
struct ProduceSession {
    /// Batches on their way, of all partitions.
    static let batchesInFlightMax = 8

    let cluster: KafkaCluster
    let target: ProduceTarget
    let isVerbose: Bool

    func run(_ reader: InputReader, parser: RecordParser) async throws {
        try await self.withSender { sender in
            var batcher = self.makeBatcher()
            var splitter = LineSplitter()
            var lineNumber = 0
            func take(_ line: ByteBuffer) throws -> ReadyBatch? {
                lineNumber += 1
                do {
                    guard let record = try parser.record(line: line) else { return nil }
                    return try batcher.append(record, now: now)
                } catch let error as JSONReader.Malformed {
                    throw CommandFailure("line \(lineNumber) is not the JSON of a record: \(error)")
                } catch let error as RecordError {
                    throw CommandFailure("line \(lineNumber) does not fit into a batch: \(error)")
                }
            }
            var now = Self.now()
            reading: while true {
                switch try await reader.next(patience: batcher.isEmpty ? nil : self.target.linger) {
                case .bytes(let bytes):
                    now = Self.now()
                    splitter.append(bytes)
                    while let line = try splitter.nextLine() {
                        if let ready = try take(line) { try await sender.send(ready) }
                    }
                case .idle:
                    for ready in try batcher.finishAll() { try await sender.send(ready) }
                    // Nothing else is to be done, and whoever types wants to know what became of the line.
                    try await sender.drain()
                case .end:
                    break reading
                }
            }
            if let line = splitter.lastLine(), let ready = try take(line) { try await sender.send(ready) }
            for ready in try batcher.finishAll() { try await sender.send(ready) }
        }
    }

    func run(files: [String], parser: RecordParser) async throws {
        try await self.withSender { sender in
            var batcher = self.makeBatcher()
            for file in files {
                let record = parser.record(file: try await InputReader.contents(of: file))
                if let ready = try batcher.append(record, now: Self.now()) { try await sender.send(ready) }
            }
            for ready in try batcher.finishAll() { try await sender.send(ready) }
        }
    }

    /// Where records without a key begin is left to chance, so that short inputs do not all go to partition 0.
    private func makeBatcher() -> ProduceBatcher {
        ProduceBatcher(self.target, firstPartition: Int32.random(in: 0..<self.target.partitionCount))
    }

    private func withSender(_ body: (inout BatchSender) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: BatchSender.Receipt.self) { tasks in
            var sender = BatchSender(
                cluster: self.cluster, target: self.target, isVerbose: self.isVerbose, tasks: tasks)
            do {
                try await body(&sender)
                try await sender.drain()
            } catch let error as KafkaClientError {
                throw ProduceFailure(error: error, writtenBefore: sender.recordsWritten)
            }
        }
    }

    /// Milliseconds since 1970.
    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Sends batches: of each partition one at a time and in order.
struct BatchSender {
    struct Receipt: Sendable {
        var partition: Int32
        var recordCount: Int32
        var baseOffset: Offset?
    }

    private let cluster: KafkaCluster
    private let target: ProduceTarget
    private let isVerbose: Bool
    private var tasks: ThrowingTaskGroup<Receipt, any Error>
    private var busy: Set<Int32> = []
    private var output = StandardOutput()
    private(set) var recordsWritten: Int64 = 0

    init(
        cluster: KafkaCluster, target: ProduceTarget, isVerbose: Bool, tasks: ThrowingTaskGroup<Receipt, any Error>
    ) {
        self.cluster = cluster
        self.target = target
        self.isVerbose = isVerbose
        self.tasks = tasks
    }

    /// Begins to send the batch, once its partition is free. Throws the error of an earlier batch, too.
    mutating func send(_ ready: ReadyBatch) async throws {
        while self.busy.contains(ready.partition) || self.busy.count >= ProduceSession.batchesInFlightMax {
            try await self.receive()
        }
        self.busy.insert(ready.partition)
        let (cluster, acks) = (self.cluster, self.target.acks)
        let partition = TopicPartition(topic: self.target.topic, partition: PartitionIndex(ready.partition))
        self.tasks.addTask {
            let produced = try await cluster.produce(ready.batch, to: partition, acks: acks)
            return Receipt(
                partition: ready.partition, recordCount: ready.batch.header.recordCount,
                baseOffset: produced.baseOffset)
        }
    }

    /// Waits until everything is written.
    mutating func drain() async throws {
        while !self.busy.isEmpty { try await self.receive() }
    }

    private mutating func receive() async throws {
        guard let receipt = try await self.tasks.next() else { return }
        self.busy.remove(receipt.partition)
        self.recordsWritten += Int64(receipt.recordCount)
        guard self.isVerbose else { return }
        for index in 0..<Int64(receipt.recordCount) {
            let offset = receipt.baseOffset.map { "\($0 + index)" } ?? "?"
            self.output.print("\(receipt.partition)@\(offset)")
        }
        try self.output.flush()
    }
}

/// Writing stopped in the middle.
struct ProduceFailure: CommandLineFailure {
    var error: KafkaClientError
    var writtenBefore: Int64

    func report() -> FailureReport {
        var report = self.error.report()
        if self.writtenBefore > 0 { report.message += " (\(self.writtenBefore) records were written before)" }
        return report
    }
}
