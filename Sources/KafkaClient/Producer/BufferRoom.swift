// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// The memory that batches may take, in bytes: who finds none left waits, in order of arrival.
///
/// Taking and giving back are one atomic operation each. While someone waits the number that is free is moved far below
/// zero: nobody can overtake then, and whoever gives something back sees that there is someone to give it to.
final class BufferRoom: Sendable {
    private struct Request {
        var bytes: Int
        var waiter: Waiter<Void>
    }

    /// More than any memory, and far from overflowing.
    private static let waitingBias = 1 << 60

    let total: Int
    private let free: Atomic<Int>
    private let requests = Mutex<[Request]>([])

    init(total: Int) {
        self.total = total
        self.free = Atomic(total)
    }

    /// The bytes that are taken.
    var taken: Int {
        let free = self.free.load(ordering: .relaxed)
        return self.total - (free < -Self.waitingBias / 2 ? free + Self.waitingBias : free)
    }

    /// Someone waits.
    var isExhausted: Bool { self.free.load(ordering: .relaxed) < 0 }

    /// Takes `bytes` if they are free and nobody waits.
    func reserve(_ bytes: Int) -> Bool {
        var free = self.free.load(ordering: .relaxed)
        while free >= bytes {
            let (isDone, now) = self.free.weakCompareExchange(
                expected: free, desired: free - bytes, ordering: .acquiringAndReleasing)
            if isDone { return true }
            free = now
        }
        return false
    }

    /// Gives back what `reserve` or `wait` took.
    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        if self.free.add(bytes, ordering: .acquiringAndReleasing).newValue < 0 { self.grant() }
    }

    /// A place in the queue for `bytes`, which is settled when they have been taken for it. Who gets `CancellationError`
    /// or another error from it has taken nothing.
    func wait(for bytes: Int) -> Waiter<Void> {
        let waiter = Waiter<Void>()
        self.requests.withLock { requests in
            if requests.isEmpty { self.free.subtract(Self.waitingBias, ordering: .acquiringAndReleasing) }
            requests.append(Request(bytes: bytes, waiter: waiter))
        }
        // What was given back since the caller looked is handed out here.
        self.grant()
        return waiter
    }

    /// Whoever waited and was cancelled, or waited too long, says so: others may come first now.
    func gaveUp() { self.grant() }

    private func grant() {
        self.requests.withLock { requests in
            guard !requests.isEmpty else { return }
            var served = 0
            for request in requests {
                if !request.waiter.isSettled {
                    let free = self.free.load(ordering: .acquiring) + Self.waitingBias
                    guard free >= request.bytes else { break }
                    // Nobody but this one takes while the bias is there. One that gives up meanwhile gets nothing.
                    self.free.subtract(request.bytes, ordering: .acquiringAndReleasing)
                    if !request.waiter.settle(.success(())) {
                        self.free.add(request.bytes, ordering: .acquiringAndReleasing)
                    }
                }
                served += 1
            }
            requests.removeFirst(served)
            if requests.isEmpty { self.free.add(Self.waitingBias, ordering: .acquiringAndReleasing) }
        }
    }
}
