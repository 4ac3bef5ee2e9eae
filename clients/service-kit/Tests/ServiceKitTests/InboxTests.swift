// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import ServiceKitTesting
import Testing

@testable import ServiceKit

@Suite struct InboxTests {
    @Test("an event is admitted once, unless its transaction fails")
    func anEventIsAdmittedOnceUnlessItsTransactionFails() async throws {
        try await withDatabasePath { path in
            let database = try await ServiceDatabase.open(at: path)
            let event = try Event("t", about: "s", data: 1)
            await #expect(throws: EventRejected.self) {
                try await database.write { db in
                    #expect(try Inbox.admit(event, in: db))
                    throw EventRejected("rolled back")
                }
            }
            #expect(try await database.write { try Inbox.admit(event, in: $0) })
            #expect(try await database.write { try Inbox.admit(event, in: $0) } == false)
        }
    }

    @Test("old events are forgotten, and no others")
    func oldEventsAreForgottenAndNoOthers() async throws {
        try await withDatabasePath { path in
            let database = try await ServiceDatabase.open(at: path)
            let event = try Event("t", about: "s", data: 1)
            _ = try await database.write { try Inbox.admit(event, in: $0) }
            let past = Date().addingTimeInterval(-60)
            #expect(try await database.write { try Inbox.prune(before: past, in: $0) } == 0)
            #expect(try await database.write { try Inbox.admit(event, in: $0) } == false)
            let future = Date().addingTimeInterval(60)
            #expect(try await database.write { try Inbox.prune(before: future, in: $0) } == 1)
            #expect(try await database.write { try Inbox.admit(event, in: $0) })
        }
    }

    @Test("replicas that start together agree on who makes the tables")
    func replicasThatStartTogetherAgreeOnWhoMakesThe() async throws {
        try await withDatabasePath { path in
            try await withThrowingTaskGroup(of: DatabasePool.self) { group in
                for _ in 0..<4 { group.addTask { try await ServiceDatabase.open(at: path) } }
                for try await database in group {
                    #expect(try await database.read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM inbox") } == 0)
                }
            }
        }
    }
}
