// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import ServiceKit

/// The orders in this service's database. Every change is one transaction with the event that tells of it.
public struct OrderStore: Sendable {
    private let database: DatabasePool
    private let outbox: Outbox

    /// Orders in this database; events leave through this outbox.
    public init(_ database: DatabasePool, outbox: Outbox) {
        self.database = database
        self.outbox = outbox
    }

    /// What went wrong that a caller can do something about.
    public enum Problem: Error, Equatable {
        /// The event that tells of this user has not come here yet, or there is no such user.
        case unknownUser
        /// The order is not in the state that has to come before.
        case wrongState(Order.State)
    }

    /// The tables.
    public static func registerMigrations(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("orders-1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE orders (
                        id TEXT PRIMARY KEY, userID TEXT NOT NULL, item TEXT NOT NULL, amountCents INTEGER NOT NULL,
                        state TEXT NOT NULL
                    ) WITHOUT ROWID;
                    CREATE INDEX orders_by_user ON orders (userID, state);
                    """)
        }
    }

    /// A new order. Throws ``Problem/unknownUser``.
    public func place(userID: UUID, item: String, amountCents: Int) async throws -> Order {
        let order = Order(id: UUID(), userID: userID, item: item, amountCents: amountCents, state: .placed)
        try await self.database.write { db in
            guard try KnownUsers.isKnown(userID, in: db) else { throw Problem.unknownUser }
            try db.execute(
                sql: "INSERT INTO orders (id, userID, item, amountCents, state) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    order.id.uuidString, order.userID.uuidString, order.item, order.amountCents, order.state.rawValue,
                ])
            try self.tell(of: order, in: db)
        }
        return order
    }

    /// Takes an order to `state`; nil when there is no such order. Throws ``Problem/wrongState(_:)`` with the state it is
    /// in, unless that is the one before.
    public func advance(_ id: UUID, to state: Order.State) async throws -> Order? {
        try await self.database.write { db in
            guard var order = try Self.find(id, in: db) else { return nil }
            guard order.state == state.previous else { throw Problem.wrongState(order.state) }
            order.state = state
            try db.execute(
                sql: "UPDATE orders SET state = ? WHERE id = ?", arguments: [state.rawValue, id.uuidString])
            try self.tell(of: order, in: db)
            return order
        }
    }

    /// The order, nil when there is none.
    public func find(_ id: UUID) async throws -> Order? {
        try await self.database.read { try Self.find(id, in: $0) }
    }

    private func tell(of order: Order, in db: Database) throws {
        let data = OrderEvents.OrderData(
            id: order.id, userID: order.userID, item: order.item, amountCents: order.amountCents)
        let event = try Event(OrderEvents.type(of: order.state), about: order.id.uuidString, data: data)
        try self.outbox.add(event, to: OrderEvents.topic, in: db)
    }

    private static func find(_ id: UUID, in db: Database) throws -> Order? {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM orders WHERE id = ?", arguments: [id.uuidString]),
            let userID = UUID(uuidString: row["userID"]), let state = Order.State(rawValue: row["state"])
        else { return nil }
        return Order(id: id, userID: userID, item: row["item"], amountCents: row["amountCents"], state: state)
    }
}
