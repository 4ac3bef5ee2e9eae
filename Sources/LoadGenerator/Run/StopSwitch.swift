// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Somebody wants the run to end before its time.
final class StopSwitch: Sendable {
    private struct State {
        var pulledAt: Int64?
        var control: RunControl?
    }

    private let state = Mutex(State())

    var isPulled: Bool { self.state.withLock { $0.pulledAt != nil } }

    func pull(at time: Int64) {
        let control = self.state.withLock { state in
            state.pulledAt = state.pulledAt ?? time
            return state.control
        }
        control?.end(at: time)
    }

    /// What is ended by it from now on, at once if it was pulled before.
    func watch(_ control: RunControl) {
        let pulledAt = self.state.withLock { state in
            state.control = control
            return state.pulledAt
        }
        if let pulledAt { control.end(at: pulledAt) }
    }
}
