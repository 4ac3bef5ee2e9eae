// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import KafkaClient
import Logging
import NIOCore
import ServiceLifecycle
import Tracing

/// Publishes what is in the outbox: in the order of the rows, each at least once.
///
/// A row is removed when the broker has acknowledged it. Whoever dies between the two leaves it to the next holder of the
/// lease, who publishes it again; consumers recognise it by the id of the event. Events of one subject stay in order: they
/// go to one partition, through an idempotent producer, and what comes second never goes out without what comes first
/// having gone out before.
public struct OutboxRelay: Service {
    /// How often the outbox is looked at without having been rung for: for what a replica left that died.
    static let pollInterval = Duration.seconds(1)
    /// How long an event may wait until the relay counts as stuck.
    static let stuckAfter: TimeInterval = 30

    let database: DatabasePool
    let outbox: Outbox
    let producer: KafkaProducer
    let lease: OutboxLease
    let logger: Logger

    /// A relay for one replica. The producer has to run as long as the relay does, and to be idempotent.
    public init(database: DatabasePool, outbox: Outbox, producer: KafkaProducer, replica: String, logger: Logger) {
        self.database = database
        self.outbox = outbox
        self.producer = producer
        self.lease = OutboxLease(holder: replica)
        self.logger = logger
    }

    /// Publishes until the service group shuts down gracefully, and then what is left.
    public func run() async throws {
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    self.outbox.bell.ring()
                    try await Task.sleep(for: Self.pollInterval)
                }
            }
            for await _ in self.outbox.bell.rings.cancelOnGracefulShutdown() {
                await self.publishLoggingErrors()
            }
            group.cancelAll()
        }
        await self.publishLoggingErrors()
    }

    /// Why events do not get out; nil when they do. Looks at the database, so that every replica gives the same answer,
    /// whichever has the lease.
    func problem() async -> String? {
        do {
            guard let oldest = try await self.database.read({ try Outbox.oldest($0) }) else { return nil }
            let age = Date().timeIntervalSince(oldest)
            return age > Self.stuckAfter ? "an event has been waiting in the outbox for \(Int(age)) s" : nil
        } catch {
            return "the outbox cannot be read: \(error)"
        }
    }

    private func publishLoggingErrors() async {
        do {
            try await self.publish()
        } catch is CancellationError {
        } catch {
            // Nothing is lost: the rows are still there, and the next poll tries again.
            self.logger.warning("events were not published", metadata: ["error": "\(error)"])
        }
    }

    /// Publishes until the outbox is empty, or another replica is at it.
    func publish() async throws {
        guard try await self.database.read({ try Outbox.oldest($0) }) != nil else { return }
        var rows = try await self.database.write { try self.lease.next($0, now: Date()) }
        while let batch = rows {
            let (published, failure) = await self.renewingLease { await self.send(batch) }
            rows = try await self.database.write { db in
                try self.lease.remove(published, db)
                if failure != nil { try self.lease.release(db) }
                return failure == nil ? try self.lease.next(db, now: Date()) : nil
            }
            if let failure { throw failure }
        }
    }

    /// Sends all rows together, and waits for their acknowledgements. Returns those in front of the first that failed: the
    /// others count as not sent.
    private func send(_ rows: [OutboxRow]) async -> (published: ArraySlice<OutboxRow>, failure: (any Error)?) {
        var handles: [ProduceHandle] = []
        var failure: (any Error)?
        do {
            for row in rows { handles.append(try await self.enqueue(row)) }
        } catch {
            failure = error
        }
        for (index, handle) in handles.enumerated() {
            do {
                _ = try await handle.metadata
            } catch {
                return (rows[..<index], error)
            }
        }
        return (rows[..<handles.count], failure)
    }

    /// In the trace of the request that the event comes from, and not in one of the relay's own.
    private func enqueue(_ row: OutboxRow) async throws -> ProduceHandle {
        try await InstrumentationContext.withValue(Traceparent.context(row.traceparent)) {
            try await self.producer.enqueue(ProducerRecord(row))
        }
    }

    /// Keeps the lease while `body` waits for the broker. When it is lost all the same (this replica was frozen for
    /// longer than it lasts), `body` goes on: the other replica publishes the same rows, and consumers drop the copies.
    private func renewingLease<Value: Sendable>(_ body: @Sendable () async -> Value) async -> Value {
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: .seconds(OutboxLease.duration / 3))
                    _ = try? await self.database.write { try self.lease.renew($0, now: Date()) }
                }
            }
            let value = await body()
            group.cancelAll()
            return value
        }
    }
}

extension ProducerRecord {
    /// The key is the subject, so that events of one subject stay in order.
    init(_ row: OutboxRow) {
        self.init(
            topic: row.topic, key: ByteBuffer(string: row.subject), value: ByteBuffer(bytes: row.json),
            headers: EventHeaders.of(id: row.eventID, type: row.eventType, traceparent: row.traceparent))
    }
}
