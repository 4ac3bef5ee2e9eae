// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import ServiceKit

/// This service's own view of the users: a copy, made from their events, of what it needs of them. An order can be placed
/// while the user service is away. The price: for a moment after somebody signed up they are not known here.
public struct KnownUsers: Sendable {
    private let database: DatabasePool

    /// The view in this database.
    public init(_ database: DatabasePool) { self.database = database }

    /// The tables.
    public static func registerMigrations(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("known-users-1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE known_users (
                        id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, asOfMs INTEGER NOT NULL
                    ) WITHOUT ROWID
                    """)
        }
    }

    /// The user as they are known here, nil when they are not.
    public func find(_ id: UUID) async throws -> KnownUser? {
        try await self.database.read { db in
            guard
                let row = try Row.fetchOne(
                    db, sql: "SELECT name, email FROM known_users WHERE id = ?", arguments: [id.uuidString])
            else { return nil }
            var user = KnownUser(id: id, name: row["name"], email: row["email"])
            let states = try Row.fetchAll(
                db, sql: "SELECT state, COUNT(*) AS number FROM orders WHERE userID = ? GROUP BY state",
                arguments: [id.uuidString])
            for states in states {
                let state: String = states["state"]
                let number: Int = states["number"]
                // Who was shipped was paid, and who was paid was placed.
                user.orders.placed += number
                if state != Order.State.placed.rawValue { user.orders.paid += number }
                if state == Order.State.shipped.rawValue { user.orders.shipped += number }
            }
            return user
        }
    }

    static func isKnown(_ id: UUID, in db: Database) throws -> Bool {
        try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM known_users WHERE id = ?)", arguments: [id.uuidString]) ?? false
    }

    /// Takes in what an event says. Events of one user come in order, but one that failed comes again later, when newer
    /// ones have been here: what is older than the view changes nothing.
    @Sendable public func handleUserEvent(_ event: Event, in db: Database) throws {
        guard event.type == UserEvents.signedUp || event.type == UserEvents.changed else { return }
        let user = try event.data(as: UserEvents.UserData.self)
        guard !user.name.isEmpty else { throw EventRejected("user \(user.id) has no name") }
        try db.execute(
            sql: """
                INSERT INTO known_users (id, name, email, asOfMs) VALUES (?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, asOfMs = excluded.asOfMs
                WHERE excluded.asOfMs >= asOfMs
                """,
            arguments: [user.id.uuidString, user.name, user.email, event.occurredAt.millisecondsSince1970])
    }
}
