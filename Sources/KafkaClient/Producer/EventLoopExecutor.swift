// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Keeps a task on an event loop, and with it an actor that lives there.
///
/// The actor's own executor is not enough: a task that is woken from a continuation begins on the executor that it
/// prefers, which is a thread of the global pool if it has no preference, and changes to that of the actor from there.
final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop
    private let serial: any SerialExecutor

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.serial = eventLoop.executor
    }

    /// For actors.
    var unownedSerial: UnownedSerialExecutor { self.serial.asUnownedSerialExecutor() }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.eventLoop.execute {
            job.runSynchronously(isolatedTo: self.unownedSerial, taskExecutor: self.asUnownedTaskExecutor())
        }
    }
}
