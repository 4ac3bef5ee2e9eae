// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Synchronization

/// What the services have promised: what was answered with success must be there at the end. What was asked for without
/// an answer, because a replica was killed, may be there or not.
final class Ledger: Sendable {
    struct Counts: Sendable {
        var users = 0
        var placed = 0
        var paid = 0
        var shipped = 0
        var failed = 0
    }

    private struct State {
        var counts = Counts()
        var users: [UUID] = []
        /// How far each order has come: 1 placed, 2 paid, 3 shipped.
        var orders: [UUID: Int] = [:]
        var open: [UUID] = []
        var poison: Set<String> = []
    }

    private let state = Mutex(State())

    var counts: Counts { self.state.withLock(\.counts) }
    var users: [UUID] { self.state.withLock(\.users) }
    var orders: [UUID: Int] { self.state.withLock(\.orders) }
    var poison: Set<String> { self.state.withLock(\.poison) }

    func signedUp(_ user: UUID) {
        self.state.withLock { state in
            state.users.append(user)
            state.counts.users += 1
        }
    }

    func placed(_ order: UUID) {
        self.state.withLock { state in
            state.orders[order] = 1
            state.open.append(order)
            state.counts.placed += 1
        }
    }

    /// The order has come to `stage`, 2 or 3.
    func advanced(_ order: UUID, to stage: Int) {
        self.state.withLock { state in
            guard let old = state.orders[order], old < stage else { return }
            state.orders[order] = stage
            if stage == 2 { state.counts.paid += 1 } else { state.counts.shipped += 1 }
        }
    }

    func failed() { self.state.withLock { $0.counts.failed += 1 } }

    func threw(_ poison: String) { self.state.withLock { _ = $0.poison.insert(poison) } }

    /// An order that is not shipped yet, and how far it has come. Nobody else is given it until it is put back.
    func takeOpenOrder(using generator: inout some RandomNumberGenerator) -> (id: UUID, stage: Int)? {
        self.state.withLock { state in
            guard let index = state.open.indices.randomElement(using: &generator) else { return nil }
            let order = state.open[index]
            state.open.swapAt(index, state.open.endIndex - 1)
            state.open.removeLast()
            return (order, state.orders[order] ?? 1)
        }
    }

    func putBack(_ order: UUID) {
        self.state.withLock { state in
            if state.orders[order] ?? 3 < 3 { state.open.append(order) }
        }
    }

    func randomUser(using generator: inout some RandomNumberGenerator) -> UUID? {
        self.state.withLock { $0.users.randomElement(using: &generator) }
    }
}
