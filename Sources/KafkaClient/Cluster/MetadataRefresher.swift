// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Asks for topics, one request at a time, for all tasks that want to know about them.
///
/// A task whose topics are among those being asked for waits for that answer. The topics of all others are collected
/// meanwhile, and make up the next request: a thousand tasks that each want another topic cause two requests.
final class MetadataRefresher: Sendable {
    /// Topics by their names, with an error code where there is one.
    typealias Topics = [String: TopicDescription]

    private final class Batch: Sendable {
        let topics: Mutex<Set<String>>
        let work = SharedWork<Topics>()
        let predecessor: Batch?

        init(_ topics: Set<String>, after predecessor: Batch?) {
            self.topics = Mutex(topics)
            self.predecessor = predecessor
        }
    }

    private struct State {
        var running: Batch?
        var next: Batch?
    }

    private let state = Mutex(State())

    /// How many tasks wait for the request of another.
    var waitingCount: Int {
        self.state.withLock { ($0.running?.work.waitingCount ?? 0) + ($0.next?.work.waitingCount ?? 0) }
    }

    /// What the cluster says about these topics, and perhaps more. `isFresh` is false when the question was on its way
    /// before this call: then something that was done just before may not show yet. `request` asks the cluster; it is
    /// called by one task of those that share the answer.
    func topics(
        _ names: Set<String>, request: (Set<String>) async throws -> Topics
    ) async throws -> (topics: Topics, isFresh: Bool) {
        let (batch, isFresh) = self.batch(for: names)
        return (try await batch.work.run { try await self.run(batch, request) }, isFresh)
    }

    private func batch(for names: Set<String>) -> (batch: Batch, isFresh: Bool) {
        self.state.withLock { state in
            if let running = state.running {
                if running.topics.withLock({ names.isSubset(of: $0) }) { return (running, false) }
                if let next = state.next {
                    next.topics.withLock { $0.formUnion(names) }
                    return (next, true)
                }
                let next = Batch(names, after: running)
                state.next = next
                return (next, true)
            }
            if let next = state.next {
                next.topics.withLock { $0.formUnion(names) }
                return (next, true)
            }
            let first = Batch(names, after: nil)
            state.running = first
            return (first, true)
        }
    }

    private func run(_ batch: Batch, _ request: (Set<String>) async throws -> Topics) async throws -> Topics {
        if let predecessor = batch.predecessor, self.state.withLock({ $0.running === predecessor }) {
            do {
                _ = try await predecessor.work.run { try await self.run(predecessor, request) }
            } catch let error where !(error is CancellationError) {
                // Those who asked for that are told.
            }
        }
        let topics = self.state.withLock { state in
            state.running = batch
            if state.next === batch { state.next = nil }
            return batch.topics.withLock(\.self)
        }
        defer {
            self.state.withLock { state in
                if state.running === batch { state.running = nil }
            }
        }
        return try await request(topics)
    }
}
