// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import KafkaClient
import Logging
import MartletTestKit
import ServiceKitTesting
import ServiceLifecycle
import Synchronization
import Testing

@testable import ServiceKit

@Suite(.timeLimit(.minutes(10))) struct EventConsumerTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// What runs in a test, and the ways into it.
    private struct Parts: Sendable {
        var cluster: KafkaCluster
        var producer: KafkaProducer
        var database: DatabasePool
        var group: ServiceGroup

        func send(_ values: [String]) async throws {
            for value in values {
                _ = try await self.producer.send(ProducerRecord(topic: "things", key: "k", value: value))
            }
        }

        func handled() async throws -> [String] {
            try await self.database.read { try String.fetchAll($0, sql: "SELECT name FROM handled ORDER BY rowid") }
        }
    }

    private static func event(_ name: String) throws -> Event { try Event("t", about: "k", data: name) }

    private static func text(_ event: Event) -> String { String(decoding: event.json, as: UTF8.self) }

    /// Runs the consumers of a topic and of its retry topic, whose handler writes down what it is given.
    private func withConsumers(
        handler: @escaping Subscription.Handler = { _, _ in }, _ body: @Sendable @escaping (Parts) async throws -> Void
    ) async throws {
        let topics = ["things", "things.g.retry", "things.g.dead-letters"].map { MartletTopic($0, partitions: 2) }
        try await withMartlet(MartletConfiguration(topics: topics)) { martlet in
            let address = try #require(BrokerAddress.list(martlet.bootstrap))
            let cluster = KafkaCluster(KafkaClusterConfiguration(bootstrap: address))
            try await withDatabasePath { path in
                let database = try await ServiceDatabase.open(at: path) { migrator in
                    migrator.registerMigration("test") { try $0.execute(sql: "CREATE TABLE handled (name TEXT)") }
                }
                let subscription = Subscription("things", group: "g") { event, db in
                    try db.execute(
                        sql: "INSERT INTO handled VALUES (?)", arguments: [try event.data(as: String.self)])
                    try handler(event, db)
                }
                let producer = try KafkaProducer(sharing: cluster)
                let plan = RetryPlan(delays: [.milliseconds(50), .milliseconds(100)])
                let consumers = try [("things", "g"), ("things.g.retry", "g.retry")].map { topic, group in
                    EventConsumer(
                        try KafkaConsumer(sharing: cluster, configuration: .init(group: group, topics: [topic])),
                        for: subscription, producer: producer, database: database, plan: plan, logger: self.logger)
                }
                let group = ServiceGroup(services: [producer] + consumers, logger: self.logger)
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask { try await group.run() }
                    try await body(
                        Parts(cluster: cluster, producer: producer, database: database, group: group))
                    await group.triggerGracefulShutdown()
                    try await tasks.waitForAll()
                }
            }
            await cluster.close()
        }
    }

    @Test("an event that comes again has no effect again")
    func duplicates() async throws {
        try await self.withConsumers { parts in
            let (one, two) = (Self.text(try Self.event("one")), Self.text(try Self.event("two")))
            try await parts.send([one, one, one])
            try await parts.send([one, two])
            try await eventually("both are handled") { try await parts.handled().contains("two") }
            #expect(try await parts.handled() == ["one", "two"])
        }
    }

    @Test("what cannot be read goes to the dead letters with the reason, and holds up nothing")
    func poison() async throws {
        try await self.withConsumers { parts in
            try await parts.send(["this is no event", Self.text(try Self.event("after"))])
            try await eventually("the next is handled") { try await parts.handled() == ["after"] }
            let letters = try await readAll("things.g.dead-letters", parts.cluster)
            try #require(letters.count == 1)
            #expect(letters[0].record.value.map { String(buffer: $0) } == "this is no event")
            #expect(letters[0].record.key.map { String(buffer: $0) } == "k")
            #expect(letters[0].header(EventHeaders.originalTopic) == "things")
            #expect(letters[0].header(EventHeaders.originalOffset) == "0")
            #expect(letters[0].header(EventHeaders.attempts) == "1")
            #expect(letters[0].header(EventHeaders.error)?.isEmpty == false)
        }
    }

    @Test("an event that its handler rejects is not tried again, and leaves nothing behind")
    func rejected() async throws {
        try await self.withConsumers(handler: { event, _ in
            if try event.data(as: String.self) == "bad" { throw EventRejected("not this one") }
        }) { parts in
            try await parts.send([Self.text(try Self.event("bad")), Self.text(try Self.event("good"))])
            try await eventually("a dead letter") {
                try await readAll("things.g.dead-letters", parts.cluster).count == 1
            }
            try await eventually("the good one") { try await parts.handled() == ["good"] }
            #expect(try await readAll("things.g.retry", parts.cluster).isEmpty)
            let letter = try await readAll("things.g.dead-letters", parts.cluster)[0]
            #expect(letter.header(EventHeaders.error) == "not this one")
        }
    }

    @Test("an event that fails is tried again later, while others pass, and has effect once when it succeeds")
    func retries() async throws {
        struct NotNow: Error {}
        let failures = Mutex(0)
        try await self.withConsumers(handler: { event, _ in
            guard try event.data(as: String.self) == "shy" else { return }
            if failures.withLock({
                $0 += 1; return $0 <= 2
            }) {
                throw NotNow()
            }
        }) { parts in
            try await parts.send([Self.text(try Self.event("shy")), Self.text(try Self.event("other"))])
            try await eventually("the shy one succeeds") { try await parts.handled().contains("shy") }
            #expect(try await parts.handled() == ["other", "shy"])
            let retries = try await readAll("things.g.retry", parts.cluster)
            #expect(Set(retries.map { $0.header(EventHeaders.attempts) }) == ["1", "2"])
            #expect(try await readAll("things.g.dead-letters", parts.cluster).isEmpty)
        }
    }

    @Test("an event that fails every time ends in the dead letters, and says where it came from first")
    func givesUp() async throws {
        struct Never: Error {}
        try await self.withConsumers(handler: { _, _ in throw Never() }) { parts in
            try await parts.send([Self.text(try Self.event("x"))])
            try await eventually("a dead letter") {
                try await readAll("things.g.dead-letters", parts.cluster).count == 1
            }
            let letter = try await readAll("things.g.dead-letters", parts.cluster)[0]
            #expect(letter.header(EventHeaders.attempts) == "3")
            #expect(letter.header(EventHeaders.originalTopic) == "things")
            #expect(letter.header(EventHeaders.originalOffset) == "0")
            #expect(letter.header(EventHeaders.notBefore) == nil)
            #expect(try await parts.handled().isEmpty)
        }
    }

    @Test("while the database is busy nothing is lost and nothing is blamed on events")
    func busy() async throws {
        let isBusy = Mutex(true)
        let attempts = Mutex(0)
        try await self.withConsumers(handler: { _, _ in
            attempts.withLock { $0 += 1 }
            if isBusy.withLock({ $0 }) { throw DatabaseError(resultCode: .SQLITE_BUSY) }
        }) { parts in
            try await parts.send([Self.text(try Self.event("patient"))])
            try await eventually("it was tried some times") { attempts.withLock { $0 >= 3 } }
            isBusy.withLock { $0 = false }
            try await eventually("it is handled") { try await parts.handled() == ["patient"] }
            #expect(try await readAll("things.g.retry", parts.cluster).isEmpty)
            #expect(try await readAll("things.g.dead-letters", parts.cluster).isEmpty)
        }
    }

    @Test("a graceful shutdown commits what was handled, and leaves the group")
    func shutdown() async throws {
        try await self.withConsumers { parts in
            try await parts.send([Self.text(try Self.event("one"))])
            try await eventually("it is handled") { try await parts.handled() == ["one"] }
            await parts.group.triggerGracefulShutdown()
            try await eventually("nobody is left in the group") {
                try await parts.cluster.describeGroups(["g"])[0].result.get().members.isEmpty
            }
            let offsets = try await parts.cluster.groupOffsets(of: ["g"], includesLag: true)[0].result.get()
            #expect(try offsets.values.map { try $0.get().lag ?? 0 }.reduce(0, +) == 0)
            #expect(try offsets.values.map { try $0.get().offset.rawValue }.reduce(0, +) == 1)
        }
    }
}
