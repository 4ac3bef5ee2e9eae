// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB

/// The events that this service has handled.
///
/// Kafka delivers at least once: after a crash or a rebalance a replica reads again what another one has handled. An
/// event's id goes into the inbox in the transaction that has its effect, so an event takes effect once, however often it
/// comes.
public enum Inbox {
    /// How many ids are removed in one transaction, so that handlers need not wait for long.
    static let prunedMax = 1000

    /// Notes the event; false when it has been handled before and must not take effect again.
    public static func admit(_ event: Event, in db: Database) throws -> Bool {
        try db.execute(
            sql: "INSERT OR IGNORE INTO inbox VALUES (?, ?)",
            arguments: [event.id.uuidString, Date().millisecondsSince1970])
        return db.changesCount == 1
    }

    /// Forgets events that were handled before `date`; returns how many, at most ``prunedMax``. What is older than the
    /// retention of its topic cannot be read again.
    static func prune(before date: Date, in db: Database) throws -> Int {
        try db.execute(
            sql: "DELETE FROM inbox WHERE eventID IN (SELECT eventID FROM inbox WHERE handledAtMs < ? LIMIT ?)",
            arguments: [date.millisecondsSince1970, Self.prunedMax])
        return db.changesCount
    }
}
