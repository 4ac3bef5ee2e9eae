// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Synchronization

/// One fetch that is being answered: reads, and when there is too little, waits until a high watermark moves or its
/// time is over, and reads again.
///
/// Reads happen on the reader threads, one at a time; it is woken from IO threads and, when its time is over, from the
/// connection's event loop.
///
/// | State      | Woken                        | Time over or connection closed |
/// | ---------- | ---------------------------- | ------------------------------ |
/// | reading    | reads once more afterwards   | answers with this read         |
/// | waiting    | reads                        | reads once more and answers    |
/// | done       | nothing                      | nothing                        |
final class FetchOperation: HighWatermarkObserver {
    private enum Phase {
        case reading(isWoken: Bool)
        case waiting
        case done
    }

    private struct State {
        var phase = Phase.reading(isWoken: false)
        var isTimeOver: Bool
        var isObserving = false
        var timer: Scheduled<Void>?
    }

    private let targets: [FetchTarget]
    private let limits: FetchReader.Limits
    private let maxWait: TimeAmount
    private let reader: FetchReader
    private let readers: WorkerPool
    private let promise: EventLoopPromise<FetchReader.Result>
    private let state: Mutex<State>

    /// - Parameter maxWait: how long to wait for `minBytes`; zero or less answers with what there is.
    init(
        targets: [FetchTarget],
        limits: FetchReader.Limits,
        maxWait: TimeAmount,
        reader: FetchReader,
        readers: WorkerPool,
        promise: EventLoopPromise<FetchReader.Result>
    ) {
        self.targets = targets
        self.limits = limits
        self.maxWait = maxWait
        self.reader = reader
        self.readers = readers
        self.promise = promise
        self.state = Mutex(State(isTimeOver: maxWait <= .nanoseconds(0) || targets.isEmpty))
    }

    /// Begins; the promise is completed some time later, once.
    func start() {
        self.submitRead()
    }

    func partitionChanged() {
        let mustRead = self.state.withLock { state in
            switch state.phase {
            case .reading:
                state.phase = .reading(isWoken: true)
                return false
            case .waiting:
                state.phase = .reading(isWoken: false)
                return true
            case .done: return false
            }
        }
        if mustRead { self.submitRead() }
    }

    /// No more waiting: the time is over, or the connection is gone.
    func finishNow() {
        let mustRead = self.state.withLock { state in
            state.isTimeOver = true
            if case .waiting = state.phase {
                state.phase = .reading(isWoken: false)
                return true
            }
            return false
        }
        if mustRead { self.submitRead() }
    }

    private func submitRead() {
        let isAccepted = self.readers.submit { self.read() }
        if !isAccepted { self.complete(.failure(BrokerShuttingDown())) }
    }

    /// Runs on a reader thread.
    private func read() {
        while true {
            let result = self.reader.read(self.targets, limits: self.limits)
            let isEnough = result.byteCount >= self.limits.minBytes || result.isUrgent
            enum Next { case answer, observe, readAgain, wait }
            let next: Next = self.state.withLock { state in
                if isEnough || state.isTimeOver { return .answer }
                if !state.isObserving {
                    state.isObserving = true
                    return .observe
                }
                if case .reading(isWoken: true) = state.phase {
                    state.phase = .reading(isWoken: false)
                    return .readAgain
                }
                state.phase = .waiting
                return .wait
            }
            switch next {
            case .answer: return self.complete(.success(result))
            case .observe: self.observe()  // and read once more: a record may have come in between
            case .readAgain: continue
            case .wait: return
            }
        }
    }

    private func observe() {
        self.forEachPartition { $0.addObserver(self) }
        let timer = self.promise.futureResult.eventLoop.scheduleTask(in: self.maxWait) { self.finishNow() }
        let isDone = self.state.withLock { state in
            state.timer = timer
            if case .done = state.phase { return true }
            return false
        }
        if isDone { timer.cancel() }
    }

    private func complete(_ result: Result<FetchReader.Result, any Error>) {
        let (isFirst, isObserving, timer) = self.state.withLock { state -> (Bool, Bool, Scheduled<Void>?) in
            if case .done = state.phase { return (false, false, nil) }
            state.phase = .done
            return (true, state.isObserving, state.timer)
        }
        guard isFirst else { return }
        timer?.cancel()
        if isObserving { self.forEachPartition { $0.removeObserver(self) } }
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
