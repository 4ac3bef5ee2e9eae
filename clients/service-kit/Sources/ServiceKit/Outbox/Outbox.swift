// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import Tracing

/// The events of this service that still have to be published.
///
/// A service that writes to its database and then to Kafka can die between the two. So it writes the event into its
/// database, in the transaction that changes the state: both happen or neither. The ``OutboxRelay`` publishes later what
/// is here, at least once and in the order of the rows.
///
/// SQLite carries out one writing transaction after another, so the ids of rows rise in the order of the commits. Where
/// transactions overlap (PostgreSQL) a lower id can become visible after a higher one; an outbox there needs a lock or a
/// sequence of commits.
public struct Outbox: Sendable {
    /// Rung after every commit that added an event.
    let bell = Bell()

    /// An outbox. A process needs one for each database.
    public init() {}

    /// Adds an event in the transaction of `db`, and with it the trace that led to it.
    public func add(_ event: Event, to topic: String, in db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO outbox (topic, subject, eventID, eventType, traceparent, json, addedAtMs)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                topic, event.subject, event.id.uuidString, event.type, Traceparent.current, event.json,
                Date().millisecondsSince1970,
            ])
        db.afterNextTransaction { [bell] _ in bell.ring() }
    }

    /// When the oldest event was added that is not published yet; nil when there is none.
    static func oldest(_ db: Database) throws -> Date? {
        try Int64.fetchOne(db, sql: "SELECT addedAtMs FROM outbox ORDER BY id LIMIT 1")
            .map { Date(timeIntervalSince1970: Double($0) / 1000) }
    }
}

/// One event of the outbox.
struct OutboxRow: FetchableRecord, Decodable, Sendable {
    var id: Int64
    var topic: String
    var subject: String
    var eventID: String
    var eventType: String
    var traceparent: String?
    var json: Data
}

extension Date {
    /// Whole milliseconds since 1970.
    public var millisecondsSince1970: Int64 { Int64(self.timeIntervalSince1970 * 1000) }
}
