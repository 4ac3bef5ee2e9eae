// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import PrometheusText
import Synchronization

/// One fetch that is being answered: reads, and when there is too little, waits until a high watermark moves or its
/// time is over, and reads again.
///
/// It lives on the connection's event loop. Reads are tried there from memory; those that have to wait for the disk go
/// to the reader threads. Other threads only wake it.
///
/// | State      | Woken                        | Time over or connection closed                |
/// | ---------- | ---------------------------- | --------------------------------------------- |
/// | reading    | reads once more afterwards   | answers with this read if it has enough, else |
/// |            |                              | reads once more and answers                   |
/// | waiting    | reads                        | reads once more and answers                   |
/// | done       | nothing                      | nothing                                       |
final class FetchOperation: HighWatermarkObserver {
    private enum Phase {
        case reading
        case waiting
        case done
    }

    /// What only the event loop touches.
    private struct State {
        var phase = Phase.reading
        /// Woken while reading: what was read may be old.
        var isWoken = false
        var isTimeOver: Bool
        var isObserving = false
        var timer: BrokerTimer?
    }

    private let targets: [FetchTarget]
    private let limits: FetchReader.Limits
    private let maxWait: TimeAmount
    private let reader: FetchReader
    private let readers: WorkerPool
    private let clock: BrokerClock
    private let metrics: BrokerMetrics
    private let shard: Int
    private let promise: EventLoopPromise<FetchReader.Result>
    private let state: NIOLoopBoundBox<State>
    /// A wake-up is on its way to the event loop: more need not be sent.
    private let isWakeScheduled = Atomic(false)

    /// To be called on the event loop of the promise.
    ///
    /// - Parameters:
    ///   - maxWait: how long to wait for `minBytes`; zero or less answers with what there is.
    ///   - shard: of `metrics`.
    init(
        targets: [FetchTarget],
        limits: FetchReader.Limits,
        maxWait: TimeAmount,
        reader: FetchReader,
        readers: WorkerPool,
        clock: BrokerClock,
        metrics: BrokerMetrics,
        shard: Int,
        promise: EventLoopPromise<FetchReader.Result>
    ) {
        self.targets = targets
        self.limits = limits
        self.maxWait = maxWait
        self.reader = reader
        self.readers = readers
        self.clock = clock
        self.metrics = metrics
        self.shard = shard
        self.promise = promise
        let isTimeOver = maxWait <= .nanoseconds(0) || targets.isEmpty
        self.state = NIOLoopBoundBox(State(isTimeOver: isTimeOver), eventLoop: promise.futureResult.eventLoop)
    }

    private var eventLoop: any EventLoop { self.promise.futureResult.eventLoop }

    /// Begins, on the event loop; the promise is completed once, perhaps before this returns.
    func start() {
        self.read()
    }

    /// From any thread.
    func partitionChanged() {
        if self.isWakeScheduled.exchange(true, ordering: .acquiringAndReleasing) { return }
        self.eventLoop.execute {
            self.isWakeScheduled.store(false, ordering: .releasing)
            self.wake()
        }
    }

    /// No more waiting: the time is over, or the connection is gone. On the event loop.
    func finishNow() {
        self.state.value.isTimeOver = true
        self.wake()
    }

    private func wake() {
        switch self.state.value.phase {
        case .reading: self.state.value.isWoken = true
        case .waiting: self.read()
        case .done: break
        }
    }

    private func read() {
        self.state.value.phase = .reading
        self.state.value.isWoken = false
        let isTimeOver = self.state.value.isTimeOver
        if let result = self.reader.readCached(self.targets, limits: self.limits, evenTooLittle: isTimeOver) {
            return self.didRead(result)
        }
        let queuedAt = self.metrics.now
        let isAccepted = self.readers.submit {
            let takenAt = self.metrics.now
            defer {
                self.metrics.storage.readQueue.record(Int(takenAt &- queuedAt))
                self.metrics.storage.readDisk.record(Int(self.metrics.now &- takenAt))
            }
            let result = self.reader.read(self.targets, limits: self.limits, evenTooLittle: isTimeOver)
            self.eventLoop.execute { self.didRead(result) }
        }
        if !isAccepted { self.complete(.failure(BrokerShuttingDown())) }
    }

    private func didRead(_ result: FetchReader.Result) {
        if !result.isTooLittle {
            self.complete(.success(result))
        } else if self.state.value.isTimeOver {
            // While it was being looked up.
            self.read()
        } else if !self.state.value.isObserving {
            self.observe()
            // A record may have come between the read and the registration.
            self.read()
        } else if self.state.value.isWoken {
            self.read()
        } else {
            self.state.value.phase = .waiting
        }
    }

    private func observe() {
        self.state.value.isObserving = true
        self.metrics.waitingFetches.add(1, shard: self.shard)
        self.forEachPartition { $0.addObserver(self) }
        self.state.value.timer = self.clock.schedule(in: self.maxWait, on: self.eventLoop) { self.finishNow() }
    }

    private func complete(_ result: Result<FetchReader.Result, any Error>) {
        if case .done = self.state.value.phase { return }
        self.state.value.phase = .done
        self.state.value.timer?.cancel()
        if self.state.value.isObserving {
            self.metrics.waitingFetches.add(-1, shard: self.shard)
            self.forEachPartition { $0.removeObserver(self) }
        }
        self.promise.completeWith(result)
    }

    private func forEachPartition(_ body: (Partition) -> Void) {
        for target in self.targets {
            let key = target.key
            let found = self.reader.topics.partition(name: key.topic, id: key.topicID, index: key.partition)
            if case .success((_, let partition)) = found { body(partition) }
        }
    }
}
