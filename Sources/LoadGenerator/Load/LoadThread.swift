// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Runs tasks on the thread of an event loop, which sleeps until a record is due: a task of a producer is woken by the
/// timer of its own thread, and not by way of others.
final class LoadThread: TaskExecutor {
    let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Returns at this time of the clock, at once if it is past.
    func sleep(until time: Int64, now: Int64) async throws {
        guard time > now else { return }
        let timer = self.loop.scheduleTask(in: .nanoseconds(time - now)) {}
        try await withTaskCancellationHandler {
            try await timer.futureResult.get()
        } onCancel: {
            timer.cancel()
        }
    }
}
