// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import Synchronization

/// One consumer at work: reads its partitions until it is closed.
struct ConsumerTask {
    let consumer: KafkaConsumer
    let recorder: Recorder
    let errors: ErrorCounts
    /// Of the stamps that records carry; nil when they carry none.
    let run: UInt32?
    /// Where partitions end at which it begins anew; empty for a consumer that waits for more instead.
    let ends: [TopicPartition: Int64]
    let tally: LoadTally
    /// Nothing is taken before this time of the clock: what is there already would be read before anything counts.
    let start: Int64

    /// Reads until the consumer is closed. An error of the consumer ends it and is counted.
    func work() async throws {
        do {
            try await Task.sleep(for: .nanoseconds(max(0, self.start - MonotonicClock.now)))
            try await self.read()
        } catch let error as KafkaClientError {
            self.errors.add(error.errorCode?.name ?? "\(error.code)", error.message, 1)
        } catch is CancellationError {
            // Nobody waits for it any more; whoever cancelled it knows.
        }
    }

    private func read() async throws {
        let decompressor = Decompressor()
        var runs: [DueRun] = []
        for try await batch in self.consumer.batches {
            let now = MonotonicClock.now
            var (records, bytes) = (0, 0)
            runs.removeAll(keepingCapacity: true)
            if let run = self.run {
                try batch.forEachRecord(using: decompressor) { record in
                    guard let value = record.value else { return }
                    records += 1
                    bytes += value.count
                    guard let stamp = RecordStamp.read(value), stamp.run == run else { return }
                    if let last = runs.indices.last, runs[last].due == stamp.due {
                        runs[last].count += 1
                    } else {
                        runs.append(DueRun(due: stamp.due, count: 1))
                    }
                }
            } else {
                try batch.forEachRecord(using: decompressor) { record in
                    records += 1
                    bytes += record.value?.count ?? 0
                }
            }
            self.recorder.succeeded(runs, records: records, bytes: bytes, at: now)
            self.tally.received(records)
            if let end = self.ends[batch.partition], batch.next.rawValue >= end {
                try self.consumer.seek(batch.partition, to: .earliest)
            }
        }
    }
}
