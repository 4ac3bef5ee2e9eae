// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// A few threads for work that may block on the disk: reads of the log, and (with one thread) changes of metadata,
/// which then happen one after the other.
final class WorkerPool: Sendable {
    private let queue = WorkQueue<@Sendable () -> Void>()
    private let threads: [Thread]

    /// - Parameter threadCount: 1 makes the pool serial: work runs in the order it was submitted.
    init(name: String, threadCount: Int) {
        precondition(threadCount > 0)
        let queue = self.queue
        self.threads = (0..<threadCount).map { index in
            Thread(name: threadCount == 1 ? name : "\(name)-\(index)") {
                while let work = queue.takeFirst() { work() }
            }
        }
    }

    /// What waits for a thread.
    var queueLength: Int { self.queue.count }

    /// Runs `work` on one of the threads; false when the pool is closed.
    @discardableResult
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        self.queue.append(work)
    }

    /// Runs `work` on one of the threads and brings its result back to `eventLoop`.
    func run<Value: Sendable>(
        on eventLoop: any EventLoop,
        _ work: @escaping @Sendable () throws -> Value
    ) -> EventLoopFuture<Value> {
        let promise = eventLoop.makePromise(of: Value.self)
        let isAccepted = self.queue.append {
            promise.completeWith(Result { try work() })
        }
        if !isAccepted { promise.fail(BrokerShuttingDown()) }
        return promise.futureResult
    }

    /// Runs what is queued, then ends the threads and waits for them.
    func close() {
        self.queue.close()
        for thread in self.threads { thread.join() }
    }
}

/// The broker is draining: no new work is taken.
struct BrokerShuttingDown: Error, CustomStringConvertible {
    var description: String { "the broker is shutting down" }
}
