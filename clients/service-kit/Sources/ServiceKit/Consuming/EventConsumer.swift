// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import KafkaClient
import KafkaTypes
import Logging
import ServiceLifecycle
import Synchronization
import Tracing

/// Hands the events of a topic to a handler, each with effect once.
///
/// A batch of records is one transaction, in which every event has a savepoint of its own: one that fails takes nothing
/// of the others with it. What fails is sent on as the ``RetryPlan`` says, and only when the broker has acknowledged that
/// does the consumer ask for the next batch: that is what tells it that this one is done, and lets it commit the offsets.
/// So nothing is lost, whatever dies when; what is read twice the ``Inbox`` recognises.
///
/// The same code reads topics and their retry topics. In those, records say when they are due.
public final class EventConsumer: Service {
    let consumer: KafkaConsumer
    let producer: KafkaProducer
    let database: DatabasePool
    let subscription: Subscription
    let plan: RetryPlan
    let logger: Logger
    private let life = Mutex(ConsumerLife())

    /// The topic that it reads, for people.
    var name: String {
        guard case .group(let group) = self.consumer.configuration.subscription, case .names(let names) = group.topics
        else { return self.subscription.topic }
        return "consumer of \(names.joined(separator: ", "))"
    }

    /// What one call for the next batch may spend on waiting: then it has to ask again, or the group takes it for dead.
    private var patience: Duration { self.consumer.configuration.maxPollInterval / 2 }

    /// A consumer for one replica; runs `consumer` itself. Dead letters go through `producer`, which has to run longer.
    public init(
        _ consumer: KafkaConsumer, for subscription: Subscription, producer: KafkaProducer, database: DatabasePool,
        plan: RetryPlan, logger: Logger
    ) {
        self.consumer = consumer
        self.producer = producer
        self.database = database
        self.subscription = subscription
        self.plan = plan
        self.logger = logger
    }

    /// Handles events until the service group shuts down gracefully. Then the batch in hand is finished, what was handled
    /// is committed, and the group is left.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.consumer.run() }
                group.addTask { await self.followEvents() }
                group.addTask {
                    // Who waits gives up at a shutdown. What was not handled is not committed, and left to another replica.
                    do {
                        for try await batch in self.consumer.batches { try await self.handle(batch) }
                    } catch is CancellationError where Task.isShuttingDownGracefully {}
                }
                try await group.waitForAll()
            }
        } onGracefulShutdown: {
            self.consumer.close()
        }
    }

    /// Why events are not handled; nil when they are.
    func problem() -> String? { self.life.withLock(\.problem) }

    private func followEvents() async {
        for await event in self.consumer.events {
            self.life.withLock { $0.happened(event) }
            self.logger.debug("consumer", metadata: ["event": "\(event)", "group": "\(self.subscription.group)"])
        }
    }

    // MARK: One batch

    private func handle(_ batch: ConsumedBatch) async throws {
        var records = try batch.records()
        var due: [ReceivedEvent] = []
        while let record = try records.next() {
            let received = ReceivedEvent(partition: batch.partition, record: record)
            if let notBefore = received.notBeforeMs, notBefore > Date().millisecondsSince1970 {
                // What is due already need not wait for this one.
                guard try await self.handle(due) else { return }
                due = []
                guard try await self.wait(untilMs: notBefore, for: received) else { return }
            }
            due.append(received)
        }
        _ = try await self.handle(due)
    }

    /// Handles events, and sends on those that failed. False when that could not be done for now: the events have been
    /// put back then, and will be delivered again.
    private func handle(_ events: [ReceivedEvent]) async throws -> Bool {
        guard let first = events.first else { return true }
        guard let failed = try await self.patiently(or: first, { try await self.apply(events) }) else { return false }
        for event in failed {
            guard try await self.patiently(or: first, { try await self.forward(event) }) != nil else { return false }
        }
        return true
    }

    /// Lets events take effect in one transaction, and returns those that failed.
    func apply(_ events: [ReceivedEvent]) async throws -> [FailedEvent] {
        try await self.database.write { db in
            var failed: [FailedEvent] = []
            for received in events {
                do {
                    try db.inSavepoint {
                        try self.apply(received, db)
                        return .commit
                    }
                } catch let error as DatabaseError where error.mayGoAway {
                    throw error
                } catch {
                    failed.append(FailedEvent(received: received, error: error))
                }
            }
            return failed
        }
    }

    private func apply(_ received: ReceivedEvent, _ db: Database) throws {
        let event = try received.event()
        // The span is a child of the one in which the event happened: the trace goes on in another service.
        let context = Traceparent.context(received.record.headers.last(EventHeaders.traceparent))
        try withSpan("handle \(event.type)", context: context, ofKind: .consumer) { span in
            span.attributes["messaging.destination.name"] = received.partition.topic
            span.attributes["messaging.kafka.offset"] = received.record.offset
            span.attributes["event.id"] = event.id.uuidString
            guard try Inbox.admit(event, in: db) else {
                span.attributes["event.seen-before"] = true
                return
            }
            try self.subscription.handler(event, db)
        }
    }

    /// Sends a failed event to the retry topic or to the dead letters, and waits until it is there.
    private func forward(_ event: FailedEvent) async throws {
        let attempts = event.received.earlierAttempts + 1
        var generator = SystemRandomNumberGenerator()
        let record: ProducerRecord
        switch self.plan.verdict(on: event.failure, attempts: attempts, using: &generator) {
        case .again(let delay), .later(let delay):
            let due = Date().millisecondsSince1970 + Int64(delay / .milliseconds(1))
            record = event.received.forwarded(
                to: self.subscription.retryTopic, error: event.error, attempts: attempts, notBeforeMs: due)
        case .deadLetter:
            record = event.received.forwarded(
                to: self.subscription.deadLetterTopic, error: event.error, attempts: attempts, notBeforeMs: nil)
        }
        _ = try await self.producer.send(record)
        self.logger.warning(
            "event not handled",
            metadata: [
                "partition": "\(event.received.partition)", "offset": "\(event.received.record.offset)",
                "attempts": "\(attempts)", "error": "\(event.error)", "sent-to": "\(record.topic)",
            ])
    }

    // MARK: Waiting

    /// Repeats `body` while the service is in trouble. Nil when that took so long that the group would lose patience:
    /// `first` and what is behind it have been put back then.
    private func patiently<Value: Sendable>(
        or first: ReceivedEvent, _ body: @Sendable () async throws -> Value
    ) async throws -> Value? {
        var generator = SystemRandomNumberGenerator()
        let end = ContinuousClock.now + self.patience
        for attempt in 1... {
            do {
                let value = try await body()
                self.life.withLock { $0.trouble = nil }
                return value
            } catch let error where error.isTrouble {
                self.logger.warning("cannot handle events", metadata: ["error": "\(error)", "attempt": "\(attempt)"])
                self.life.withLock { $0.trouble = "\(error)" }
                guard case .again(let pause) = self.plan.verdict(on: .trouble, attempts: attempt, using: &generator),
                    ContinuousClock.now + pause < end
                else { break }
                try await Self.sleep(for: pause)
            }
        }
        self.putBack(first)
        return nil
    }

    /// Waits until a record is due. False when that is too far away for one go: it has been put back then.
    private func wait(untilMs: Int64, for received: ReceivedEvent) async throws -> Bool {
        let remaining = Duration.milliseconds(untilMs - Date().millisecondsSince1970)
        try await Self.sleep(for: min(remaining, self.patience))
        guard remaining > self.patience else { return true }
        self.putBack(received)
        return false
    }

    /// Has the consumer deliver this record next, once more. Asking for it tells the group that this replica lives.
    private func putBack(_ received: ReceivedEvent) {
        // Fails when the partition belongs to another replica by now, which reads it from the last commit.
        try? self.consumer.seek(received.partition, to: .offset(Offset(received.record.offset)))
    }

    /// Sleeps, but not through a graceful shutdown: throws `CancellationError` then.
    private static func sleep(for duration: Duration) async throws {
        try await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }
}

extension Error {
    /// The service cannot handle anything at present; no event is to blame.
    fileprivate var isTrouble: Bool {
        (self as? DatabaseError)?.mayGoAway ?? (self is KafkaClientError)
    }
}
