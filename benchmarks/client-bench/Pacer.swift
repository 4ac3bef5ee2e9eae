// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Enqueues records at a fixed rate from a thread of its own, which sleeps in between as `rdkafka` does: what wakes late
/// does so in both. Others wait for the acknowledgements.
actor Pacer {
    private let executor: any SerialExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    /// The thread must be nobody else's.
    init(_ thread: any EventLoop) { self.executor = thread.executor }

    /// Nanoseconds from the time at which each record was due to its acknowledgement, the shortest first.
    func latencies(
        _ count: Int, perSecond: Int, to producer: KafkaProducer, _ record: @Sendable (Int) -> ProducerRecord
    ) async throws -> [Int64] {
        let start = Meter.now
        let interval = 1_000_000_000 / Int64(perSecond)
        return try await withThrowingTaskGroup(of: Int64.self) { tasks in
            for number in 0..<count {
                let due = start + Int64(number) * interval
                // As it is this thread's, so is everything here.
                self.sleep(until: due)
                let handle = try await producer.enqueue(record(number))
                tasks.addTask {
                    _ = try await handle.metadata
                    return Meter.now - due
                }
            }
            var latencies: [Int64] = []
            for try await latency in tasks { latencies.append(latency) }
            return latencies.sorted()
        }
    }

    private func sleep(until due: Int64) {
        while true {
            let left = due - Meter.now
            guard left > 0 else { return }
            var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
            // Interrupted or not, the clock is looked at again.
            nanosleep(&time, nil)
        }
    }
}
