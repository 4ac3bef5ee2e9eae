// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Synchronization

/// Counts the bytes of requests that are received or being served on all connections. Past the limit (the config
/// `queued.max.request.bytes`) a connection with a request under way is not read from; one without may always send a small
/// one, so that everybody gets on.
///
/// A request of more than `freeBytes` is promised room before the rest of it is read, or waits: many large requests that
/// arrive at a time would otherwise take as much memory as there are connections. Who waits is served in the order of
/// asking. With no other large one under way any request is promised room, so that none waits for ever for being too large,
/// nor for small ones of which there are always some, such as fetches that wait for records.
final class RequestBudget: Sendable {
    /// Bytes: requests up to this size need no promise. Most are.
    let freeBytes: Int

    /// Names a request that waits for room.
    struct Ticket: Equatable {
        fileprivate let number: Int
    }

    private struct Waiter {
        let ticket: Ticket
        let byteCount: Int
        let whenPromised: @Sendable () -> Void
    }

    private let limit: Int
    private let used = Atomic<Int>(0)
    /// Of those, the bytes of large requests.
    private let usedByLarge = Atomic<Int>(0)
    /// How many wait: looked at after every release, so without taking the lock.
    private let waiterCount = Atomic<Int>(0)
    private let waiters = Mutex<(queue: CircularBuffer<Waiter>, next: Int)>((CircularBuffer(), 0))

    /// - Parameter limit: bytes; 0 or less for no limit, as Kafka's -1.
    init(limit: Int, freeBytes: Int = 64 << 10) {
        self.limit = limit > 0 ? limit : Int.max
        self.freeBytes = freeBytes
    }

    var isExhausted: Bool { self.used.load(ordering: .relaxed) >= self.limit }

    /// Whether a request waits for room that others were promised.
    var isWaitedFor: Bool { self.waiterCount.load(ordering: .relaxed) > 0 }

    /// Bytes that are counted now.
    var byteCount: Int { self.used.load(ordering: .relaxed) }

    /// The limit; nil without one.
    var byteCountMax: Int? { self.limit == .max ? nil : self.limit }

    /// Counts a request that is there, whatever the limit.
    func take(_ byteCount: Int) {
        if byteCount > self.freeBytes { self.usedByLarge.add(byteCount, ordering: .sequentiallyConsistent) }
        self.used.add(byteCount, ordering: .relaxed)
    }

    /// Counts a request no more, and promises room to those who wait for it. Takes its size as `take` or `promise` had it:
    /// not the sum of several.
    func release(_ byteCount: Int) {
        if byteCount == 0 { return }
        if byteCount > self.freeBytes { self.usedByLarge.subtract(byteCount, ordering: .sequentiallyConsistent) }
        self.used.subtract(byteCount, ordering: .sequentiallyConsistent)
        if self.waiterCount.load(ordering: .sequentiallyConsistent) > 0 { self.serveWaiters() }
    }

    /// Promises room for a large request, which is counted from then on and to be released.
    ///
    /// - Parameter whenPromised: called once, on any thread, when there is room; not if there is some at once.
    /// - Returns: nil if there is room, else what to `cancel`.
    func promise(_ byteCount: Int, whenPromised: @escaping @Sendable () -> Void) -> Ticket? {
        let ticket = self.waiters.withLock { waiters -> Ticket? in
            if waiters.queue.isEmpty, self.takeIfThereIsRoom(byteCount) { return nil }
            let ticket = Ticket(number: waiters.next)
            waiters.next &+= 1
            waiters.queue.append(Waiter(ticket: ticket, byteCount: byteCount, whenPromised: whenPromised))
            self.waiterCount.add(1, ordering: .sequentiallyConsistent)
            return ticket
        }
        // What was released between the look and the queueing told nobody.
        if ticket != nil { self.serveWaiters() }
        return ticket
    }

    /// Waits no more. False if room has been promised meanwhile: then it is to be released.
    func cancel(_ ticket: Ticket) -> Bool {
        let wasWaiting = self.waiters.withLock { waiters -> Bool in
            guard let index = waiters.queue.firstIndex(where: { $0.ticket == ticket }) else { return false }
            waiters.queue.remove(at: index)
            self.waiterCount.subtract(1, ordering: .sequentiallyConsistent)
            return true
        }
        // It may have stood before one that fits.
        if wasWaiting { self.serveWaiters() }
        return wasWaiting
    }

    private func serveWaiters() {
        var served: [Waiter] = []
        self.waiters.withLock { waiters in
            while let first = waiters.queue.first, self.takeIfThereIsRoom(first.byteCount) {
                waiters.queue.removeFirst()
                self.waiterCount.subtract(1, ordering: .sequentiallyConsistent)
                served.append(first)
            }
        }
        for waiter in served { waiter.whenPromised() }
    }

    /// To be called under the lock: nobody else promises meanwhile. What others take is there, whatever is decided here.
    private func takeIfThereIsRoom(_ byteCount: Int) -> Bool {
        let used = self.used.load(ordering: .sequentiallyConsistent)
        let isAlone = self.usedByLarge.load(ordering: .sequentiallyConsistent) <= 0
        guard isAlone || used <= self.limit - min(byteCount, self.limit) else { return false }
        self.take(byteCount)
        return true
    }
}
