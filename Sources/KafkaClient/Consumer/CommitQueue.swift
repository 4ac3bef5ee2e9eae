// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Which commits are to be made, without IO. `Waiter` is whoever wants to know how one came out.
///
/// Invariants:
/// - One commit is under way at a time, so that offsets are never committed out of order.
/// - Every request is taken back or handed out, at the end at the latest; again only if it was not carried out.
/// - The next commit on the interval is one interval after the last one was handed out.
struct CommitQueue<Waiter: Sendable>: Sendable {
    struct Request: Sendable {
        var id: Int
        /// What to commit; nil for everything that was processed.
        var positions: [TopicPartition: OffsetTracker.Position]?
        /// Nil when nobody waits: a failure is an event then.
        var waiter: Waiter?
    }

    enum Step: Sendable {
        /// Commit these, and say so by ``done()``. What was processed is to be committed if one of them asks for it, or
        /// `isDue` says that the interval is over.
        case commit([Request], isDue: Bool)
        /// Nothing is to be done before this time; nil: before another request comes.
        case wait(untilMs: Int64?)
    }

    /// In milliseconds; nil to commit only what is asked for.
    private let intervalMs: Int64?
    private var nextMs: Int64?
    private var waiting: [Request] = []
    private var isUnderWay = false
    private var isEnded = false
    private var lastID = 0

    init(intervalMs: Int64? = nil, nowMs: Int64 = 0) {
        // Of less than a millisecond nothing would be left, and it would be due again at once.
        self.intervalMs = intervalMs.map { max($0, 1) }
        self.nextMs = self.intervalMs.map { nowMs + $0 }
    }

    /// Another commit. Returns its number; nil when it is too late.
    mutating func add(_ positions: [TopicPartition: OffsetTracker.Position]?, waiter: Waiter?) -> Int? {
        guard !self.isEnded else { return nil }
        self.lastID += 1
        self.waiting.append(Request(id: self.lastID, positions: positions, waiter: waiter))
        return self.lastID
    }

    /// Takes a request back; does nothing when it is being carried out, or was.
    mutating func remove(_ id: Int) { self.waiting.removeAll { $0.id == id } }

    /// What to do now.
    mutating func step(nowMs: Int64) -> Step {
        guard !self.isUnderWay, !self.isEnded else { return .wait(untilMs: nil) }
        let isDue = self.nextMs.map { $0 <= nowMs } ?? false
        guard isDue || !self.waiting.isEmpty else { return .wait(untilMs: self.nextMs) }
        if isDue { self.nextMs = self.intervalMs.map { nowMs + $0 } }
        self.isUnderWay = true
        defer { self.waiting = [] }
        return .commit(self.waiting, isDue: isDue)
    }

    /// The commit that was handed out has come to its end; requests that it did not come to are handed out again.
    mutating func done(_ leftOver: [Request] = []) {
        self.isUnderWay = false
        self.waiting.insert(contentsOf: leftOver, at: 0)
    }

    /// No more commits; what waits is handed out for the last time.
    mutating func end() -> [Request] {
        self.isEnded = true
        defer { self.waiting = [] }
        return self.waiting
    }
}
