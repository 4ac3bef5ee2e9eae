// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB

/// The right to publish from the outbox. One replica has it at a time, so that events of a subject stay in order.
///
/// It works like a baton, not like an office: whoever committed an event takes it, publishes until the outbox is empty,
/// and lays it down in the same transaction that finds nothing more. A replica that cannot have it need not wait for it:
/// its event was committed before it asked, so the holder sees it before it lays the baton down. That is how an event is
/// published at once, whichever replica it comes from, and nobody has to poll. The expiry is only there for holders that
/// died.
struct OutboxLease: Sendable {
    /// How long a holder may be silent. It renews the lease three times in this time.
    static let duration: TimeInterval = 9
    /// How many events are published and removed together.
    static let rowsMax = 500

    /// The replica that asks.
    let holder: String

    /// Takes the lease, or keeps it, and returns what is to be published next. Nil when there is nothing to publish (the
    /// lease is laid down then), or another replica is at it.
    func next(_ db: Database, now: Date) throws -> [OutboxRow]? {
        guard try self.renew(db, now: now) else { return nil }
        let rows = try OutboxRow.fetchAll(
            db, sql: "SELECT * FROM outbox ORDER BY id LIMIT ?", arguments: [Self.rowsMax])
        guard rows.isEmpty else { return rows }
        try self.release(db)
        return nil
    }

    /// Takes the lease, or extends it; false when another replica has it.
    func renew(_ db: Database, now: Date) throws -> Bool {
        try db.execute(
            sql: "UPDATE outbox_lease SET holder = :holder, untilMs = :until WHERE holder = :holder OR untilMs <= :now",
            arguments: [
                "holder": self.holder, "now": now.millisecondsSince1970,
                "until": now.addingTimeInterval(Self.duration).millisecondsSince1970,
            ])
        return db.changesCount == 1
    }

    /// Lays the lease down, if this replica has it.
    func release(_ db: Database) throws {
        try db.execute(
            sql: "UPDATE outbox_lease SET holder = '', untilMs = 0 WHERE holder = ?", arguments: [self.holder])
    }

    /// Removes what was published. Harmless when the lease was lost meanwhile: published is published.
    func remove(_ published: some Collection<OutboxRow>, _ db: Database) throws {
        let statement = try db.makeStatement(sql: "DELETE FROM outbox WHERE id = ?")
        for row in published { try statement.execute(arguments: [row.id]) }
    }
}
