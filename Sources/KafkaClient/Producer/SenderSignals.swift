// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// What happened, for the sender: it takes all of it at once, and sleeps while there is nothing.
final class SenderSignals: Sendable {
    enum Signal: Sendable {
        /// A lane has a full batch, or an open one that it had not before.
        case lane(ProducerLane)
        /// Somebody waits for this topic's partitions, or for more of them.
        case topic(String)
        /// Somebody waits for memory, or for everything to be sent.
        case sendEverything
        case answered(ProduceAnswer)
        /// A connection to this node has ended.
        case disconnected(Int32)
        case topicDescribed(String, Result<TopicDescription, KafkaClientError>)
        case leadersKnown([String], Result<[TopicDescription], KafkaClientError>)
        case identity(Result<ProducerIdentity, KafkaClientError>)
        /// The time for which a timer was set has come.
        case timer(Int64)
        case close
        case cancel
    }

    private struct State {
        var signals: [Signal] = []
        var sleeper: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func post(_ signal: Signal) {
        let sleeper = self.state.withLock { state in
            state.signals.append(signal)
            return state.sleeper.take()
        }
        sleeper?.resume()
    }

    /// Waits until there is something, and takes it. For one task at a time; `cancel` is what ends a long wait.
    nonisolated(nonsending) func next() async -> [Signal] {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isReady = self.state.withLock { state in
                guard state.signals.isEmpty else { return true }
                state.sleeper = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return self.state.withLock { state in
            defer { state.signals = [] }
            return state.signals
        }
    }
}
