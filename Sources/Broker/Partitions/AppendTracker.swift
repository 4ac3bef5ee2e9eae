// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Synchronization

/// Gathers the results of the appends of one request, which may be written by several IO threads, and tells
/// whoever waits for them when the last one is in.
final class AppendTracker: Sendable {
    typealias Outcome = Result<AppendResult, AppendError>

    private struct State {
        var results: [Outcome?]
        var missing: Int
    }

    private let state: Mutex<State>
    private let whenComplete: @Sendable ([Outcome]) -> Void

    /// - Parameters:
    ///   - count: how many appends will report; at least 1.
    ///   - whenComplete: called once, on the thread that reports last.
    init(count: Int, whenComplete: @escaping @Sendable ([Outcome]) -> Void) {
        self.state = Mutex(State(results: Array(repeating: nil, count: count), missing: count))
        self.whenComplete = whenComplete
    }

    /// Reports append number `index`, once each; from any thread.
    func complete(_ index: Int, _ outcome: Outcome) {
        let finished: [Outcome]? = self.state.withLock { state in
            precondition(state.results[index] == nil, "an append reports its result once")
            state.results[index] = outcome
            state.missing -= 1
            return state.missing == 0 ? state.results.compactMap { $0 } : nil
        }
        if let finished { self.whenComplete(finished) }
    }
}
