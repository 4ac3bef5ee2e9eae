// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog

/// Decides which logs are compacted, and in which order: those that are due, the one with the largest dirty part first. A
/// log whose cleaning failed, or came to nothing, has to wait. A value type without IO.
struct CleaningSchedule<ID: Hashable & Sendable>: Sendable {
    /// Nanoseconds until a log whose cleaning failed is tried again: ten minutes. A damaged batch does not heal, and a
    /// full disk is not made emptier by filling it again and again.
    static var setbackNanoseconds: Int64 { 600 * 1_000_000_000 }

    private var postponed: [ID: Int64] = [:]

    /// The logs to clean now, in their order. `now` is in nanoseconds of the monotonic clock.
    mutating func due(_ candidates: [(id: ID, status: CompactionStatus)], now: Int64) -> [ID] {
        // Those that are gone, or whose time has come, need not be remembered.
        let present = Set(candidates.map(\.id))
        self.postponed = self.postponed.filter { $0.value > now && present.contains($0.key) }
        return candidates.filter { $0.status.isDue && self.postponed[$0.id] == nil }
            .sorted { $0.status.dirtyRatio > $1.status.dirtyRatio }.map(\.id)
    }

    /// The cleaning of a log came to nothing.
    mutating func postpone(_ id: ID, now: Int64) {
        self.postponed[id] = now + Self.setbackNanoseconds
    }
}
