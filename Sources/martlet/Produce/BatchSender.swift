// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes

/// Sends batches: of each partition one at a time and in order.
struct BatchSender {
    /// What became of a batch.
    struct Receipt: Sendable {
        var partition: Int32
        var recordCount: Int32
        var byteCount: Int
        /// Where it stood in the input, in words.
        var origin: String
        /// Nil when the broker was told not to answer.
        var baseOffset: Offset?
        var failure: KafkaClientError?
    }

    private let cluster: KafkaCluster
    private let target: ProduceTarget
    private let isVerbose: Bool
    private var tasks: ThrowingTaskGroup<Receipt, any Error>
    private var busy: Set<Int32> = []
    private var output = StandardOutput()
    private(set) var summary: ProduceSummary

    init(
        cluster: KafkaCluster, target: ProduceTarget, isVerbose: Bool, tasks: ThrowingTaskGroup<Receipt, any Error>
    ) {
        self.cluster = cluster
        self.target = target
        self.isVerbose = isVerbose
        self.tasks = tasks
        self.summary = ProduceSummary(topic: target.topic, isConfirmed: target.acks != .none)
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
            var receipt = Receipt(
                partition: ready.partition, recordCount: ready.batch.header.recordCount,
                byteCount: ready.batch.header.sizeInBytes, origin: ready.origin)
            do {
                receipt.baseOffset = try await cluster.produce(ready.batch, to: partition, acks: acks).baseOffset
            } catch let error as KafkaClientError {
                receipt.failure = error
            }
            return receipt
        }
    }

    /// Waits until everything is written. Throws `ProduceFailure` for the first batch that was not.
    mutating func drain() async throws {
        while !self.busy.isEmpty { try await self.receive() }
    }

    private mutating func receive() async throws {
        guard let receipt = try await self.tasks.next() else { return }
        guard let failure = receipt.failure else { return try self.note(receipt) }
        // What else is on its way is waited for, so that the count of what was written is right.
        self.busy.remove(receipt.partition)
        while !self.busy.isEmpty, let other = try await self.tasks.next() {
            if other.failure == nil { try self.note(other) }
            self.busy.remove(other.partition)
        }
        throw ProduceFailure(cause: failure, lost: receipt.origin, writtenBefore: self.summary.records)
    }

    private mutating func note(_ receipt: Receipt) throws {
        self.busy.remove(receipt.partition)
        self.summary.records += Int64(receipt.recordCount)
        self.summary.batches += 1
        self.summary.bytes += Int64(receipt.byteCount)
        guard self.isVerbose else { return }
        for index in 0..<Int64(receipt.recordCount) {
            let offset = receipt.baseOffset.map { "\($0 + index)" } ?? "?"
            self.output.print("\(receipt.partition)@\(offset)")
        }
        try self.output.flush()
    }
}
