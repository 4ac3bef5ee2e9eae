// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import Synchronization

extension GroupConsumer {
    /// Sends heartbeats when the membership says so, until it has ended.
    func sendHeartbeats() async {
        while true {
            switch self.state.withLock({ $0.membership.step(nowMs: self.nowMs) }) {
            case .ended:
                return
            case .wait(let untilMs):
                await self.sleep(untilMs: untilMs)
            case .send(let request, let timeout):
                do {
                    let answer = try await self.coordination.carryOut(
                        request, of: self.configuration.groupID, timeout: timeout)
                    self.react { state in
                        state.membership.answered(answer, nowMs: self.nowMs, using: &state.generator)
                    }
                } catch {
                    // This task is never cancelled, and nothing else is thrown.
                    let error = error as? KafkaClientError ?? KafkaClientError(.connectionClosed, "\(error)")
                    self.react { state in
                        state.membership.failed(error, nowMs: self.nowMs, using: &state.generator)
                    }
                }
            }
        }
    }

    /// Lets something happen to the membership, and does what follows from it.
    func react(_ event: (inout State) -> MembershipReaction) {
        let (reaction, lost) = self.state.withLock { state in
            let reaction = event(&state)
            guard case .lose = reaction else { return (reaction, [TopicPartition]()) }
            // In the same moment, so that nothing of these partitions is committed under a new membership.
            let lost = state.offsets.reading
            state.offsets.end(lost)
            state.pending = []
            return (reaction, lost)
        }
        switch reaction {
        case .none:
            break
        case .reconcile(let reconciliation):
            self.continuation.yield(.reconcile(reconciliation))
        case .lose(let error):
            self.continuation.yield(.lost(lost, error))
        case .retry(let error):
            if error.errorCode != .coordinatorLoadInProgress {
                self.coordination.forgetCoordinator(of: self.configuration.groupID)
            }
            self.tell(.retrying(error))
        case .fail(let error):
            self.continuation.yield(.failed(error))
        }
    }

    // MARK: Waiting

    /// Returns at the time, or as soon as ``wake()`` is called, be it before.
    private func sleep(untilMs: Int64) async {
        let sleeper = self.state.withLock { state -> Task<Void, Never>? in
            guard !state.isWoken else { return nil }
            let duration = Duration.milliseconds(max(untilMs - self.nowMs, 0))
            // It ends early when it is cancelled, which is no error.
            let sleeper = Task { _ = try? await self.sleep(for: duration) }
            state.sleeper = sleeper
            return sleeper
        }
        await sleeper?.value
        self.state.withLock { state in
            state.sleeper = nil
            state.isWoken = false
        }
    }

    /// The membership has something new to say.
    func wake() {
        self.state.withLock { state in
            state.isWoken = true
            state.sleeper?.cancel()
        }
    }
}
