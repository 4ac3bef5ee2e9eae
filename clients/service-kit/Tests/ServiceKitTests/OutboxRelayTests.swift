// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import KafkaClient
import Logging
import MartletTestKit
import ServiceKitTesting
import ServiceLifecycle
import Testing
import Tracing

@testable import ServiceKit

@Suite(.timeLimit(.minutes(10))) struct OutboxRelayTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A database and a broker with one topic.
    private func withParts(_ body: (DatabasePool, KafkaCluster) async throws -> Void) async throws {
        let configuration = MartletConfiguration(topics: [MartletTopic("things", partitions: 3)])
        try await withMartlet(configuration) { martlet in
            let cluster = KafkaClusterConfiguration(bootstrap: try #require(BrokerAddress.list(martlet.bootstrap)))
            try await withDatabasePath { path in
                let database = try await ServiceDatabase.open(at: path)
                let connections = KafkaCluster(cluster)
                try await body(database, connections)
                await connections.close()
            }
        }
    }

    private func relay(_ replica: String, _ database: DatabasePool, _ producer: KafkaProducer) -> OutboxRelay {
        OutboxRelay(database: database, outbox: Outbox(), producer: producer, replica: replica, logger: self.logger)
    }

    private func add(_ count: Int, _ database: DatabasePool) async throws {
        try await database.write { db in
            for number in 0..<count {
                try Outbox().add(Event("t", about: "subject \(number % 5)", data: number), to: "things", in: db)
            }
        }
    }

    private func ids(_ cluster: KafkaCluster) async throws -> [UUID] {
        try await readAll("things", cluster).map { try $0.event().id }
    }

    @Test("an event outlives a crash between the commit and its publication, and is in order")
    func crashBeforePublication() async throws {
        try await self.withParts { database, cluster in
            // Nobody rings: the process that committed is gone.
            try await self.add(1200, database)
            try await KafkaProducer.withProducer(cluster.configuration) { producer in
                try await self.relay("b", database, producer).publish()
            }
            let events = try await readAll("things", cluster).map { try $0.event() }
            #expect(events.count == 1200)
            for subject in Set(events.map(\.subject)) {
                let numbers = try events.filter { $0.subject == subject }.map { try $0.data(as: Int.self) }
                #expect(numbers == numbers.sorted())
            }
            #expect(try await database.read { try Outbox.oldest($0) } == nil)
        }
    }

    @Test("what was published by a replica that died before it could say so is published again, not lost")
    func crashAfterPublication() async throws {
        try await self.withParts { database, cluster in
            try await self.add(3, database)
            let dead = OutboxLease(holder: "a")
            let died = Date().addingTimeInterval(-OutboxLease.duration)
            let rows = try #require(try await database.write { try dead.next($0, now: died) })
            try await KafkaProducer.withProducer(cluster.configuration) { producer in
                for row in rows { _ = try await producer.send(ProducerRecord(row)) }
                try await self.relay("b", database, producer).publish()
            }
            let ids = try await self.ids(cluster)
            #expect(ids.count == 6)
            #expect(Set(ids).count == 3)
        }
    }

    @Test("a replica leaves the outbox to the one that is at it")
    func leaseIsHeld() async throws {
        try await self.withParts { database, cluster in
            try await self.add(3, database)
            _ = try await database.write { try OutboxLease(holder: "a").next($0, now: Date()) }
            try await KafkaProducer.withProducer(cluster.configuration) { producer in
                try await self.relay("b", database, producer).publish()
            }
            #expect(try await self.ids(cluster).isEmpty)
        }
    }

    @Test("a running relay publishes as soon as a transaction has committed, and the rest when it is shut down")
    func runs() async throws {
        try await self.withParts { database, cluster in
            let outbox = Outbox()
            let producer = try KafkaProducer(sharing: cluster)
            let relay = OutboxRelay(
                database: database, outbox: outbox, producer: producer, replica: "a", logger: self.logger)
            let group = ServiceGroup(services: [producer, relay], logger: self.logger)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await database.write { try outbox.add(Event("t", about: "s", data: 1), to: "things", in: $0) }
                try await eventually("the event is published") { try await self.ids(cluster).count == 1 }
                try await self.add(50, database)
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            #expect(try await self.ids(cluster).count == 51)
            #expect(await relay.problem() == nil)
        }
    }

    @Test("the trace of a request goes on in the event that it led to, through the outbox")
    func trace() async throws {
        try await self.withParts { database, cluster in
            try await withTracer(LogTracer(service: "test") { _ in }) {
                let traceID = try await withSpan("POST /things") { span in
                    try await database.write { try Outbox().add(Event("t", about: "s", data: 1), to: "things", in: $0) }
                    return span.context.traceparent?.traceID
                }
                try await KafkaProducer.withProducer(cluster.configuration) { producer in
                    try await self.relay("a", database, producer).publish()
                }
                let record = try #require(try await readAll("things", cluster).first)
                let header = record.header(EventHeaders.traceparent) ?? ""
                #expect(traceID != nil && Traceparent(header)?.traceID == traceID)
            }
        }
    }

    @Test("an event that waits for long makes the service not ready")
    func stuck() async throws {
        try await self.withParts { database, cluster in
            try await self.add(1, database)
            try await database.write { db in
                try db.execute(sql: "UPDATE outbox SET addedAtMs = addedAtMs - 60000")
            }
            let producer = try KafkaProducer(sharing: cluster)
            #expect(await self.relay("a", database, producer).problem()?.contains("60 s") == true)
        }
    }
}
