// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import ServiceKitTesting
import Testing

@testable import ServiceKit

@Suite struct OutboxLeaseTests {
    private let a = OutboxLease(holder: "a")
    private let b = OutboxLease(holder: "b")
    private let noon = Date(timeIntervalSince1970: 1_767_268_800)

    private func withOutbox(_ body: (DatabasePool) async throws -> Void) async throws {
        try await withDatabasePath { path in
            let database = try await ServiceDatabase.open(at: path)
            try await database.write { db in
                for number in 1...3 { try Outbox().add(Event("t", about: "s", data: number), to: "topic", in: db) }
            }
            try await body(database)
        }
    }

    @Test("one replica has the lease, until it finds nothing more to publish")
    func oneReplicaHasTheLeaseUntilItFindsNothing() async throws {
        try await self.withOutbox { database in
            let rows = try await database.write { try self.a.next($0, now: self.noon) }
            #expect(rows?.map(\.id) == [1, 2, 3])
            #expect(try await database.write { try self.b.next($0, now: self.noon) } == nil)
            // Finds nothing more, and lays it down in the same transaction.
            let rest = try await database.write { db in
                try self.a.remove(rows ?? [], db)
                return try self.a.next(db, now: self.noon)
            }
            #expect(rest == nil)
            #expect(try await database.write { try self.b.renew($0, now: self.noon) })
        }
    }

    @Test("events that come while the lease is held are found by its holder")
    func eventsThatComeWhileTheLeaseIsHeldAre() async throws {
        try await self.withOutbox { database in
            let rows = try await database.write { try self.a.next($0, now: self.noon) }
            try await database.write { try Outbox().add(Event("t", about: "s", data: 4), to: "topic", in: $0) }
            #expect(try await database.write { try self.b.next($0, now: self.noon) } == nil)
            let more = try await database.write { db in
                try self.a.remove(rows ?? [], db)
                return try self.a.next(db, now: self.noon)
            }
            #expect(more?.map(\.id) == [4])
        }
    }

    @Test("the lease of a replica that died is taken over when it is over, and not before")
    func theLeaseOfAReplicaThatDiedIsTaken() async throws {
        try await self.withOutbox { database in
            _ = try await database.write { try self.a.next($0, now: self.noon) }
            let soon = self.noon.addingTimeInterval(OutboxLease.duration - 0.001)
            #expect(try await database.write { try self.b.next($0, now: soon) } == nil)
            let later = self.noon.addingTimeInterval(OutboxLease.duration)
            let rows = try await database.write { try self.b.next($0, now: later) }
            #expect(rows?.count == 3)
            #expect(try await database.write { try self.a.renew($0, now: later) } == false)
            // What the dead one still had to say does not take it from the new holder.
            try await database.write { try self.a.release($0) }
            #expect(try await database.write { try self.a.renew($0, now: later) } == false)
        }
    }

    @Test("a renewed lease lasts from then on")
    func aRenewedLeaseLastsFromThenOn() async throws {
        try await self.withOutbox { database in
            _ = try await database.write { try self.a.next($0, now: self.noon) }
            let later = self.noon.addingTimeInterval(OutboxLease.duration / 2)
            #expect(try await database.write { try self.a.renew($0, now: later) })
            let end = self.noon.addingTimeInterval(OutboxLease.duration)
            #expect(try await database.write { try self.b.renew($0, now: end) } == false)
        }
    }

    @Test("an event of a transaction that was rolled back is not in the outbox")
    func anEventOfATransactionThatWasRolledBack() async throws {
        try await self.withOutbox { database in
            await #expect(throws: EventRejected.self) {
                try await database.write { db in
                    try Outbox().add(Event("t", about: "s", data: 4), to: "topic", in: db)
                    throw EventRejected("never mind")
                }
            }
            let rows = try await database.write { try self.a.next($0, now: self.noon) }
            #expect(rows?.count == 3)
        }
    }
}
