// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import ServiceKit

/// The users in this service's database. Every change is one transaction with the event that tells of it.
public struct UserStore: Sendable {
    private let database: DatabasePool
    private let outbox: Outbox

    /// Users in this database; events leave through this outbox.
    public init(_ database: DatabasePool, outbox: Outbox) {
        self.database = database
        self.outbox = outbox
    }

    /// What went wrong that a caller can do something about.
    public enum Problem: Error {
        /// Another user has that email.
        case emailTaken
    }

    /// The tables.
    public static func registerMigrations(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("users-1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE users (
                        id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
                        placed INTEGER NOT NULL DEFAULT 0, paid INTEGER NOT NULL DEFAULT 0,
                        shipped INTEGER NOT NULL DEFAULT 0
                    ) WITHOUT ROWID
                    """)
        }
    }

    // MARK: Requests

    /// A new user. Throws ``Problem/emailTaken``.
    public func signUp(name: String, email: String) async throws -> User {
        let user = User(id: UUID(), name: name, email: email)
        try await self.database.write { db in
            try Self.catchingTakenEmail {
                try db.execute(
                    sql: "INSERT INTO users (id, name, email) VALUES (?, ?, ?)",
                    arguments: [user.id.uuidString, user.name, user.email])
            }
            try self.tell(UserEvents.signedUp, of: user, in: db)
        }
        return user
    }

    /// Changes what is not nil; nil when there is no such user. Throws ``Problem/emailTaken``.
    public func change(_ id: UUID, name: String?, email: String?) async throws -> User? {
        try await self.database.write { db in
            guard var user = try Self.find(id, in: db) else { return nil }
            let old = user
            user.name = name ?? user.name
            user.email = email ?? user.email
            guard user != old else { return user }
            try Self.catchingTakenEmail {
                try db.execute(
                    sql: "UPDATE users SET name = ?, email = ? WHERE id = ?",
                    arguments: [user.name, user.email, id.uuidString])
            }
            try self.tell(UserEvents.changed, of: user, in: db)
            return user
        }
    }

    /// The user, nil when there is none.
    public func find(_ id: UUID) async throws -> User? {
        try await self.database.read { try Self.find(id, in: $0) }
    }

    // MARK: Events

    /// Counts orders. Adding one needs the inbox to be right, which `EventConsumer` sees to; and it does not matter in
    /// which order orders of one user are counted.
    @Sendable public func handleOrderEvent(_ event: Event, in db: Database) throws {
        let column: String
        switch event.type {
        case OrderEvents.placed: column = "placed"
        case OrderEvents.paid: column = "paid"
        case OrderEvents.shipped: column = "shipped"
        default: return
        }
        let order = try event.data(as: OrderEvents.OrderData.self)
        try db.execute(
            sql: "UPDATE users SET \(column) = \(column) + 1 WHERE id = ?", arguments: [order.userID.uuidString])
        // Somebody ordered whom nobody knows. This service made all users, so it will not get better; but who knows which
        // backup is being restored: it is tried again before it goes to the dead letters.
        guard db.changesCount == 1 else { throw UnknownUser(id: order.userID) }
    }

    struct UnknownUser: Error, CustomStringConvertible {
        var id: UUID
        var description: String { "there is no user \(self.id)" }
    }

    // MARK: Parts

    private func tell(_ type: String, of user: User, in db: Database) throws {
        let data = UserEvents.UserData(id: user.id, name: user.name, email: user.email)
        try self.outbox.add(
            Event(type, about: user.id.uuidString, data: data), to: UserEvents.topic, in: db)
    }

    private static func find(_ id: UUID, in db: Database) throws -> User? {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM users WHERE id = ?", arguments: [id.uuidString]) else {
            return nil
        }
        var user = User(id: id, name: row["name"], email: row["email"])
        user.orders.placed = row["placed"]
        user.orders.paid = row["paid"]
        user.orders.shipped = row["shipped"]
        return user
    }

    private static func catchingTakenEmail(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE {
            throw Problem.emailTaken
        }
    }
}
