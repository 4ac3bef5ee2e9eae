// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Tasks that wait until the partitions of a topic are known. However many wait for one, the cluster is asked once.
final class TopicLookups: Sendable {
    private struct State {
        var waiters: [String: [Waiter<Void>]] = [:]
        /// Why no topic will be looked up any more.
        var end: KafkaClientError?
    }

    private let state = Mutex(State())
    private let signals: SenderSignals

    init(signals: SenderSignals) { self.signals = signals }

    /// Has the topic described, anew if it was before.
    func wait(for topic: String) -> Waiter<Void> {
        let waiter = Waiter<Void>()
        let (isFirst, end) = self.state.withLock { state -> (Bool, KafkaClientError?) in
            guard state.end == nil else { return (false, state.end) }
            state.waiters[topic, default: []].append(waiter)
            return (state.waiters[topic]?.count == 1, nil)
        }
        if let end { waiter.settle(.failure(end)) }
        if isFirst { self.signals.post(.topic(topic)) }
        return waiter
    }

    func settle(_ topic: String, _ result: Result<Void, any Error>) {
        let waiters = self.state.withLock { $0.waiters.removeValue(forKey: topic) }
        for waiter in waiters ?? [] { waiter.settle(result) }
    }

    func close(_ error: KafkaClientError) {
        let waiters = self.state.withLock { state in
            state.end = error
            defer { state.waiters = [:] }
            return state.waiters.values.flatMap(\.self)
        }
        for waiter in waiters { waiter.settle(.failure(error)) }
    }
}
