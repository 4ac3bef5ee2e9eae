// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore
import NIOPosix

/// Sends records at a fixed rate from tasks that share a thread, which sleeps until a record is due or was acknowledged: a
/// record wakes as many threads as it does in `rdkafka`.
struct Pacer {
    /// So many records may be on their way before one that is due has to wait, which counts as its latency.
    private static let tasks = 200

    private let thread: ThreadExecutor

    /// The thread must be nobody else's.
    init(_ thread: any EventLoop) { self.thread = ThreadExecutor(loop: thread) }

    /// Nanoseconds from the time at which each record was due to its acknowledgement, the shortest first.
    func latencies(
        _ count: Int, perSecond: Int, to producer: KafkaProducer, _ record: @escaping @Sendable (Int) -> ProducerRecord
    ) async throws -> [Int64] {
        // The tasks are there before the first record is due.
        let start = NIODeadline.now() + .milliseconds(20)
        let interval = 1_000_000_000 / Int64(perSecond)
        let thread = self.thread
        return try await withThrowingTaskGroup(of: [Int64].self) { group in
            for first in 0..<min(Self.tasks, count) {
                group.addTask(executorPreference: thread) {
                    var latencies: [Int64] = []
                    for number in stride(from: first, to: count, by: Self.tasks) {
                        let due = start + .nanoseconds(Int64(number) * interval)
                        try await thread.loop.scheduleTask(deadline: due) {}.futureResult.get()
                        _ = try await producer.send(record(number))
                        latencies.append((NIODeadline.now() - due).nanoseconds)
                    }
                    return latencies
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }.sorted()
        }
    }
}

/// Runs tasks on the thread of an event loop.
private final class ThreadExecutor: TaskExecutor {
    let loop: any EventLoop

    init(loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
